"""The pages in a real browser: live, by keyboard, without a script, accessible, and never off their origin.

One browser for all tests, Debian's Chromium driven by Playwright; the application runs in a thread of the test.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright
from werkzeug.serving import make_server

from shared import listing
from shared.db import Database
from shared.owners import Owner
from tests.web.driving import Driver
from web.pages import job as job_page

AXE = Path(__file__).parent / "vendor" / "axe.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, PHONE = {"width": 1360, "height": 860}, {"width": 390, "height": 844}
FLAGS = [
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Its absence fails in CI and skips elsewhere."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        sentence = "No Chromium: install the system's package `chromium`, or name one in CHROMIUM."
        (pytest.fail if os.environ.get("CI") else pytest.skip)(sentence)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    """The application, served by threads of this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join(10)


class Watched:
    """A page with the promises that hold on every one: no error in its console, no request off its origin."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page = context.new_page()
        self.errors: list[str] = []
        self._url = url
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._check)

    def _hear(self, message: ConsoleMessage) -> None:
        # The browser itself notes these: errors that a test asks for, and a network that it cuts.
        meant = ("status of 422", "status of 404", "ERR_INTERNET_DISCONNECTED")
        if message.type == "error" and not any(words in message.text for words in meant):
            self.errors.append(message.text)

    def _check(self, request: Request) -> None:
        if not request.url.startswith((self._url, "data:", "blob:")):
            self.errors.append(f"a request to {request.url}")


@pytest.fixture
def open_page(browser: Browser, url: str, secret: str) -> Iterator[Callable[..., Page]]:
    """Opens a path in a browser context of its own, logged in."""
    contexts: list[BrowserContext] = []
    watched: list[Watched] = []

    def open_(path: str, *, login: bool = True, **options: Any) -> Page:
        context = browser.new_context(base_url=url, **{"viewport": WIDE, **options})
        contexts.append(context)
        watched.append(Watched(context, url))
        page = watched[-1].page
        if login:
            page.goto(f"/login?key={secret}&next={path}")
        else:
            page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [error for each in watched for error in each.errors] == []


# ---- a job, seen ----------------------------------------------------------------------------------------------------


def test_from_keys_to_done(open_page: Callable[..., Page], driver: Driver) -> None:
    """Ctrl+Enter sends; the page follows the job to its end by its stream, without a reload."""
    page = open_page("/?kind=generate_text")
    assert "key=" not in page.url
    page.get_by_label("Prompt").fill("Why is the sea salty?")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/jobs/job_*")
    expect(page.locator(".state")).to_have_text("Queued")
    page.evaluate("window.sameDocument = true")
    job = driver.claim()
    driver.step(job, 3, text="Because rivers")
    expect(page.locator("#sentence")).to_contain_text("Step 3 of 8")
    expect(page.locator("#writing")).to_have_text("Because rivers")
    driver.finish(job, driver.file("output", "text.txt", "text/plain", b"Because rivers carry salt."))
    expect(page.locator(".state")).to_have_text("Done")
    expect(page.locator(".answer")).to_have_text("Because rivers carry salt.")
    expect(page.locator("#announce")).to_have_text("Done")
    assert page.evaluate("window.sameDocument")
    assert page.get_by_role("button", name="Cancel").count() == 0
    assert page.get_by_role("link", name="Remix").is_visible()


def test_a_reload_in_the_middle_shows_the_same_step(open_page: Callable[..., Page], driver: Driver) -> None:
    driver.submit()
    job = driver.claim()
    driver.step(job, 5)
    page = open_page(f"/jobs/{job.id}")
    for _ in range(2):
        expect(page.locator("#sentence")).to_contain_text("Step 5 of 8")
        assert page.locator("progress").get_attribute("value") == "62"
        page.reload()
    other = open_page(f"/jobs/{job.id}")
    expect(other.locator("#sentence")).to_contain_text("Step 5 of 8")
    driver.step(job, 6)
    for each in (page, other):
        expect(each.locator("#sentence")).to_contain_text("Step 6 of 8")
    driver.finish(job)
    expect(page.locator(".state")).to_have_text("Done")


def test_without_a_free_seat_the_page_polls(open_page: Callable[..., Page], driver: Driver, app: Flask) -> None:
    driver.submit()
    job = driver.claim()
    while app.extensions["atelier"].watcher.sit():
        pass
    page = open_page(f"/jobs/{job.id}")
    driver.step(job, 4)
    expect(page.locator("#sentence")).to_contain_text("Step 4 of 8")
    driver.finish(job)
    expect(page.locator(".state")).to_have_text("Done")


def test_a_stream_that_is_cut_goes_on(
    open_page: Callable[..., Page], driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_page, "MAX_STREAM_S", -1)
    driver.submit()
    job = driver.claim()
    page = open_page(f"/jobs/{job.id}")
    for step in (2, 5):
        driver.step(job, step)
        expect(page.locator("#sentence")).to_contain_text(f"Step {step} of 8")
    driver.finish(job)
    expect(page.locator(".state")).to_have_text("Done")


def test_the_list_of_jobs_keeps_up_and_searches(open_page: Callable[..., Page], driver: Driver) -> None:
    driver.submit(prompt="a green pear")
    page = open_page("/jobs")
    expect(page.locator("tbody tr")).to_have_count(1)
    apple = driver.submit(prompt="a red apple")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("apple", delay=20)
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.url.endswith("/jobs?q=apple")
    driver.step(driver.claim(), 1)
    driver.step(driver.claim(), 2)
    expect(page.locator("tbody .state")).to_have_text("Running")
    expect(page.locator("#q")).to_have_value("apple")
    page.get_by_role("button", name="Cancel a red apple").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert listing.get(driver.db, driver.owner.id, apple.id).cancel_requested


# ---- the form -------------------------------------------------------------------------------------------------------


def test_a_wrong_field_is_focused_and_what_was_typed_is_kept(open_page: Callable[..., Page]) -> None:
    page = open_page("/")
    page.get_by_label("Prompt").fill("a <b>red</b> apple")
    page.get_by_text("More settings").click()
    page.get_by_label("Seed", exact=True).fill("-5")
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        page.get_by_role("button", name="Generate").click()
    assert answered.value.status == 422
    expect(page.get_by_label("Seed", exact=True)).to_be_focused()
    expect(page.locator("#f-seed-error")).to_have_text("Must be 0 or more.")
    expect(page.get_by_label("Prompt")).to_have_value("a <b>red</b> apple")


def test_a_double_click_is_one_job(open_page: Callable[..., Page], db: Database, owner: Owner) -> None:
    page = open_page("/")
    page.get_by_label("Prompt").fill("a red apple")
    page.get_by_role("button", name="Generate").dblclick(no_wait_after=True)
    page.wait_for_url("**/jobs/job_*")
    assert len(listing.page(db, owner.id).items) == 1
    page.go_back()
    page.wait_for_url("**/")
    page.get_by_label("Prompt").fill("a red apple")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/jobs/job_*")
    assert len(listing.page(db, owner.id).items) == 2


def test_the_small_tools_of_the_form(open_page: Callable[..., Page]) -> None:
    page = open_page("/?kind=generate_text")
    page.get_by_label("Prompt").fill("hello")
    expect(page.locator("[data-count=f-prompt]")).to_have_text("5 / 20000")
    page.locator("[data-pair=f-temperature]").fill("1.5")
    expect(page.get_by_label("Temperature").last).to_have_value("1.5")
    page.get_by_role("button", name="More: Answers").click()
    expect(page.get_by_label("Answers", exact=True)).to_have_value("2")
    page.get_by_text("More settings").click()
    page.get_by_role("button", name="Draw a seed").click()
    assert page.get_by_label("Seed", exact=True).input_value().isdecimal()
    page.get_by_role("button", name="Add a turn").click()
    expect(page.locator("[name='messages.1.role']")).to_have_value("assistant")
    page.get_by_role("link", name="Image").click()
    expect(page.get_by_label("Prompt")).to_have_value("hello")


def test_keys_and_theme(open_page: Callable[..., Page]) -> None:
    page = open_page("/jobs")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Switch light or dark").last.click()
    before = page.locator("html").get_attribute("data-theme")
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/")
    assert page.locator("html").get_attribute("data-theme") == before


def test_everything_works_without_a_script(open_page: Callable[..., Page], driver: Driver) -> None:
    page = open_page("/", java_script_enabled=False)
    page.get_by_label("Prompt").fill("a red apple")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/jobs/job_*")
    job = driver.claim()
    driver.step(job, 2)
    expect(page.locator("#sentence")).to_contain_text("Step 2 of 8")
    driver.finish(job, driver.file("output", "text.txt", "text/plain", b"bytes"))
    expect(page.locator(".state")).to_have_text("Done")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download text.txt").click()
    assert download.value.path().read_bytes() == b"bytes"
    page.get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda address: job.id not in address)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".state")).to_have_text("Cancelled")


def test_without_a_network_a_page_says_so(open_page: Callable[..., Page]) -> None:
    page = open_page("/jobs")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.context.set_offline(True)
    page.goto("/")
    expect(page.get_by_role("heading")).to_have_text("The site does not answer")
    page.context.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", name="Recent")).to_be_visible()


# ---- every page -----------------------------------------------------------------------------------------------------


def every_page(driver: Driver, png: bytes) -> list[str]:
    """Paths of a page of every sort, with a job in every state."""
    for prompt in ("done", "failed", "running", "queued"):
        driver.submit(prompt=f"a picture that is {prompt}, with a rather long description of what is to be seen in it")
    done, failed, running = driver.claim(), driver.claim(), driver.claim()
    picture = driver.file("output", "image.png", "image/png", png, width=64, height=64, seed=1)
    sound = driver.file("output", "speech.wav", "audio/wav", b"RIFF")
    code = driver.file("output", "code.py", "text/x-python", b"def a_function(with_a_long_name):\n    pass\n" * 9)
    driver.finish(done, picture, sound, code)
    driver.fail(
        failed, "out_of_memory", "It needs 19 GB.", driver.file("log", "error.txt", "text/plain", b"trace " * 99)
    )
    driver.step(running, 3)
    ended = [f"/jobs/{job.id}" for job in (done, failed, running)]
    return ["/?kind=generate_image", "/?kind=generate_text", *ended, "/jobs", "/jobs?q=nothing", "/docs"]


@pytest.fixture
def png() -> bytes:
    """A small real picture."""
    made = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(made, "png")
    return made.getvalue()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_accessible(
    open_page: Callable[..., Page], driver: Driver, png: bytes, scheme: str, size: dict[str, int]
) -> None:
    page = open_page("/jobs", viewport=size, color_scheme=scheme, reduced_motion="reduce")
    for path in every_page(driver, png):
        page.goto(path)
        for summary in page.locator("details.more > summary, .note details > summary").all():
            summary.click()
        # A scheme changes colours and nothing else.
        assert _violations(page, rules=RULES if scheme == "light" else ["color-contrast"]) == [], path


def test_login_and_errors_are_accessible(open_page: Callable[..., Page]) -> None:
    page = open_page("/login", login=False)
    expect(page.get_by_label("Key")).to_be_focused()
    for path in ("/login", "/offline", "/nowhere"):
        page.goto(path)
        assert _violations(page) == [], path


def test_nothing_scrolls_sideways_on_a_small_phone(open_page: Callable[..., Page], driver: Driver, png: bytes) -> None:
    page = open_page("/jobs", viewport={"width": 320, "height": 640})
    for path in every_page(driver, png):
        page.goto(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 320, f"{path} is {width} px wide"


def _violations(page: Page, rules: list[str] = RULES) -> list[str]:
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", rules)
    return [
        f"{each['id']}: {node['html'][:200]} {node['any'][0]['message'] if node['any'] else ''}"
        for each in found["violations"]
        for node in each["nodes"][:3]
    ]
