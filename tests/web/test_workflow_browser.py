"""The pages of workflows in a real browser: filling in, by keyboard, without a script, accessible, on a small phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from shared import workflows
from shared.steps import Asked
from shared.workflow import Workflow
from tests.web.browsing import PHONE, WIDE, assert_accessible, assert_fits
from tests.web.driving import Driver

WORDS = "a rather long description of what is to be seen, with anunbreakablewordofgreatlengthinit and yet more words"


@pytest.fixture
def workflow(driver: Driver, app: object, png: bytes) -> Workflow:
    """A graph of several columns with a step in every state."""
    write = {"kind": "generate_text", "params": {"prompt": WORDS}}
    paint = {"kind": "generate_image", "params": {"prompt": {"from": "write the text"}}}
    speak = {"kind": "generate_speech", "params": {"text": {"from": "write the text"}}}
    steps = [
        {"name": "write the text"} | write,
        {"name": "paint"} | paint,
        {"name": "anunbreakablenameofgreatlengthfortystop"} | speak,
        {"name": "read"} | speak,
        {"name": "lost", "depends_on": ["read"]} | write,
        {"name": "join", "depends_on": ["paint", "anunbreakablenameofgreatlengthfortystop"]} | write,
        {"name": "end", "depends_on": ["join", "write the text"]} | write,
    ]
    made = workflows.submit(driver.db, driver.owner, Asked.model_validate({"title": WORDS, "steps": steps})).workflow
    driver.finish(driver.claim(), driver.file("output", "text.txt", "text/plain", b"a fox"))
    done, running, failed = driver.claim(), driver.claim(), driver.claim()
    driver.finish(done, driver.file("output", "image.png", "image/png", png, width=64, height=64))
    driver.step(running, 3)
    driver.fail(failed, "voice_missing", "The voice is not to be had.")
    return made


def test_a_workflow_fills_in_and_is_used_by_keyboard(
    open_page: Callable[..., Page], driver: Driver, workflow: Workflow
) -> None:
    page = open_page(f"/workflows/{workflow.id}")
    page.evaluate("window.sameDocument = true")
    node = page.locator(".node", has_text="join")
    expect(node.locator(".state")).to_have_text("Waiting")
    page.get_by_role("button", name="Retry what did not succeed").click()
    expect(page.locator(".node", has_text="read").locator(".state")).to_have_text("Queued")
    page.evaluate("window.sameDocument = true")
    driver.finish(driver.claim())
    expect(page.locator("#done")).to_have_text("3 of 7 steps done")
    assert page.evaluate("window.sameDocument")
    page.locator(".node", has_text="paint").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/job_*")
    expect(page.get_by_text("Step “paint” of a workflow")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.wait_for_url("**/workflows")


def test_a_new_workflow_is_written_and_refused_with_its_line(open_page: Callable[..., Page]) -> None:
    page = open_page("/workflows/new?start=picture")
    field = page.locator("#steps")
    good = field.input_value()
    field.fill(good.replace('"from": "write"', '"from": "wrote"'))
    page.get_by_role("button", name="Submit the workflow").click()
    expect(page.locator("#steps-faults")).to_contain_text("Line 12, steps.1.params.prompt: There is no step “wrote”")
    expect(field).to_be_focused()
    field.fill(good)
    field.press("Control+Enter")
    page.wait_for_url("**/workflows/wfl_*")
    expect(page.locator(".node")).to_have_count(2)


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_page_is_accessible_and_fits(
    open_page: Callable[..., Page], workflow: Workflow, size: dict[str, int]
) -> None:
    page = open_page("/workflows", viewport=size)
    for path in ("/workflows", f"/workflows/{workflow.id}", "/workflows/new"):
        page.goto(path)
        assert_accessible(page, path)
        assert_fits(page, path)
        if size is PHONE:
            page.set_viewport_size({"width": 320, "height": 700})
            assert_fits(page, f"{path} at 320")
            page.set_viewport_size(size)  # type: ignore[arg-type]


def test_without_a_script_everything_is_there(open_page: Callable[..., Page], workflow: Workflow) -> None:
    page = open_page(f"/workflows/{workflow.id}", java_script_enabled=False)
    expect(page.locator(".node")).to_have_count(7)
    page.get_by_role("button", name="Cancel the rest").click()
    expect(page.locator(".node.cancelled")).to_have_count(3)
