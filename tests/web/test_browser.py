"""The pages in a real browser: live, by keyboard, without a script, accessible, and never off their origin.

One browser for all tests, Debian's Chromium driven by Playwright; the application runs in a thread of the test.
"""

from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from shared import listing
from shared.db import Database
from shared.owners import Owner
from tests.web.browsing import PHONE, WIDE, assert_accessible, assert_fits
from tests.web.driving import Driver
from web.pages import job as job_page

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


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_accessible(open_page: Callable[..., Page], driver: Driver, png: bytes, size: dict[str, int]) -> None:
    page = open_page("/jobs", viewport=size, reduced_motion="reduce")
    for path in every_page(driver, png):
        if path == "/docs" and size == PHONE:
            continue  # thousands of elements that are the same in every width
        page.goto(path)
        for summary in page.locator("details.more > summary, .note details > summary").all():
            summary.click()
        assert_accessible(page, path)


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_login_and_errors_are_accessible(open_page: Callable[..., Page], size: dict[str, int]) -> None:
    page = open_page("/login", login=False, viewport=size, reduced_motion="reduce")
    expect(page.get_by_label("Key")).to_be_focused()
    for path in ("/login", "/offline", "/nowhere"):
        page.goto(path)
        assert_accessible(page, path)
    page.set_viewport_size({"width": 320, "height": 640})
    for path in ("/login", "/offline", "/nowhere"):
        page.goto(path)
        assert_fits(page, path)


def test_nothing_scrolls_sideways_on_a_small_phone(open_page: Callable[..., Page], driver: Driver, png: bytes) -> None:
    page = open_page("/jobs", viewport={"width": 320, "height": 640})
    for path in every_page(driver, png):
        page.goto(path)
        assert_fits(page, path)
