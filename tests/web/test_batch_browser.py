"""The pages of batches in a real browser: filling in, by keyboard, without a script, accessible, on a small phone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from shared import batch_listing, batches
from shared.batch import Batch
from shared.sources import Listed
from shared.variations import Varied
from tests.web.browsing import PHONE, WIDE, assert_accessible, assert_fits, violations
from tests.web.driving import Driver


@pytest.fixture
def grid(driver: Driver, app: object, png: bytes) -> Batch:
    """Two fields varied, with a cell in every state."""
    source = Varied({"prompt": "mist over three ridgelines"}, {"steps": [5, 10], "guidance": [2.5, 7.0, 9.0]})
    made = batches.submit(driver.db, driver.owner, "generate_image", source).batch
    done, failed, running = driver.claim(), driver.claim(), driver.claim()
    driver.finish(done, driver.file("output", "image.png", "image/png", png, width=64, height=64))
    driver.fail(failed, "out_of_memory", "It needs 19 GB.")
    driver.step(running, 3)
    return made


def every_page(driver: Driver, grid: Batch) -> list[str]:
    """Paths of a page of every sort."""
    words = "a rather long description of what is to be seen in the picture, with anunbreakablewordofgreatlengthinit"
    rows = Listed({}, [{"prompt": f"{words} {number}"} for number in range(3)])
    listed = batches.submit(driver.db, driver.owner, "generate_image", rows).batch
    many = Varied({}, {"prompt": [f"{words} {n}" for n in range(12)], "seed": list(range(12)), "steps": [1, 2]})
    wide = batches.submit(driver.db, driver.owner, "generate_image", many).batch
    one = Varied({"prompt": words}, {"seed": [1, 2, 3]})
    single = batches.submit(driver.db, driver.owner, "generate_text", one).batch
    driver.step(driver.claim(), 3)
    batches.cancel(driver.db, driver.owner.id, single.id)
    made = [f"/batches/{batch.id}" for batch in (grid, listed, wide, single)]
    ways = [f"/batches/new?batch.way={way}&vary.steps=1%0A2" for way in ("vary", "list", "file")]
    return ["/batches", *made, f"/batches/{grid.id}?state=failed", *ways, "/batches/new?kind=generate_text"]


def test_a_grid_fills_in_by_itself(open_page: Callable[..., Page], driver: Driver, grid: Batch, png: bytes) -> None:
    page = open_page(f"/batches/{grid.id}")
    page.evaluate("window.sameDocument = true")
    expect(page.locator("#cell-1 img")).to_be_visible()
    expect(page.locator("#cell-2 .state")).to_have_text("Failed")
    expect(page.locator("#cell-4 .state")).to_have_text("Queued")
    page.locator(".common summary").click()
    driver.finish(driver.claim(), driver.file("output", "b.png", "image/png", png, width=64, height=64))
    expect(page.locator("#cell-4 img")).to_be_visible()
    expect(page.locator("#done")).to_have_text("2 of 6 done")
    expect(page.locator(".common dl")).to_be_visible()
    page.get_by_role("button", name="Cancel the rest").click()
    expect(page.locator("#cell-5 .state")).to_have_text("Cancelled")
    page.get_by_role("button", name="Retry the failed").click()
    expect(page.locator("#cell-2 .state")).to_have_text("Queued")
    page.evaluate("window.sameDocument = true")
    page.get_by_role("link", name="Steps: 5, Guidance: 7: Queued").click()
    picked = page.get_by_role("complementary", name="Selected")
    expect(picked.locator(".state")).to_have_text("Queued")
    expect(page.locator("#cell-2")).to_be_focused()
    page.wait_for_url("**?selected=2")
    page.get_by_role("link", name="Steps: 10, Guidance: 2.5: Done").press("Enter")
    expect(picked.locator("img")).to_be_visible()
    with page.expect_response(lambda answer: "selected=4" in answer.url and answer.status == 204):
        pass
    expect(page.locator("#cell-4")).to_have_attribute("aria-current", "true")
    assert page.evaluate("window.sameDocument")
    picked.get_by_role("link", name="Open the job").click()
    page.wait_for_url("**/jobs/job_*")


def test_nothing_is_sent_while_nothing_changes(open_page: Callable[..., Page], grid: Batch) -> None:
    page = open_page(f"/batches/{grid.id}")
    statuses: list[int] = []
    page.on("response", lambda answer: statuses.append(answer.status) if "/part" in answer.url else None)
    with page.expect_response(lambda answer: "/part" in answer.url and answer.status == 204):
        pass
    # A minute may end meanwhile, and then one answer draws the times anew.
    assert statuses.count(200) <= 1


def test_the_list_keeps_up(open_page: Callable[..., Page], driver: Driver, grid: Batch) -> None:
    page = open_page("/batches")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody .state")).to_have_text("Running")
    batches.submit(driver.db, driver.owner, "generate_image", Listed({}, [{"prompt": "another"}]))
    expect(page.locator("tbody tr")).to_have_count(2)


def test_from_create_to_a_batch(open_page: Callable[..., Page], driver: Driver) -> None:
    page = open_page("/")
    page.get_by_label("Prompt").fill("a red apple")
    page.get_by_role("button", name="Vary settings").click()
    page.wait_for_url("**/batches/new?*")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a red apple")
    page.locator("[data-varying] summary", has_text="Steps").click()
    page.get_by_label("Values of Steps").fill("5\n10\n")
    expect(page.locator("[data-made]")).to_have_text("2")
    page.locator("[data-varying] summary", has_text="Guidance").click()
    page.get_by_label("Values of Guidance").fill("2\n3\nmany")
    expect(page.locator("[data-made]")).to_have_text("6")
    page.get_by_label("Side by side").check()
    expect(page.locator("[data-made]")).to_have_text("–")
    page.get_by_label("Every combination").check()
    page.get_by_role("button", name="Submit the batch").click()
    expect(page.get_by_label("Values of Guidance")).to_be_focused()
    expect(page.locator("#v-guidance-error")).to_contain_text("many: Must be a number.")
    page.get_by_label("Values of Guidance").fill("2\n3\n4")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/batches/bat_*")
    expect(page.locator(".cell")).to_have_count(6)
    assert len(batch_listing.page(driver.db, driver.owner.id).items) == 1


def test_a_list_and_a_file(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page("/batches/new")
    page.get_by_label("A list", exact=True).check()
    lines = page.get_by_label("A JSON object on each line")
    lines.fill('{"prompt": "one"}\n{"prompt": 5}')
    page.get_by_role("button", name="Submit the batch").click()
    expect(lines).to_be_focused()
    expect(page.locator("#items-faults li")).to_have_text("Line 2, prompt: Must be text.")
    file = tmp_path / "jobs.csv"
    file.write_text("prompt,steps\none,3\ntwo,\n")
    page.get_by_label("A file", exact=True).check()
    expect(lines).to_be_hidden()
    page.locator("#file").set_input_files(file)
    page.get_by_role("button", name="Submit the batch").dblclick(no_wait_after=True)
    page.wait_for_url("**/batches/bat_*")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.goto("/batches")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_everything_works_without_a_script(open_page: Callable[..., Page], driver: Driver) -> None:
    page = open_page("/", java_script_enabled=False)
    page.get_by_label("Prompt").fill("a red apple")
    page.get_by_role("button", name="Vary settings").click()
    page.wait_for_url("**/batches/new?*")
    page.locator("[data-varying] summary", has_text="Steps").click()
    page.get_by_label("Values of Steps").fill("5\n10\n15")
    page.get_by_role("button", name="Count the jobs").click()
    expect(page.locator("[data-made]")).to_have_text("3")
    page.get_by_role("button", name="Submit the batch").click()
    page.wait_for_url("**/batches/bat_*")
    driver.finish(driver.claim(), driver.file("output", "text.txt", "text/plain", b"bytes"))
    driver.fail(driver.claim(), "out_of_memory", "No.")
    page.reload()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download zip").click()
    assert download.value.path().read_bytes().startswith(b"PK")
    page.locator("#cell-2").click()
    expect(page.locator("#selected .state")).to_have_text("Failed")
    page.get_by_role("link", name="Failed 1").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Cancel the rest").click()
    page.get_by_role("button", name="Retry the failed").click()
    expect(page.locator("#cell-2 .state")).to_have_text("Queued")
    page.get_by_role("link", name="Batches").first.click()
    expect(page.locator("tbody tr")).to_have_count(1)


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_accessible(open_page: Callable[..., Page], driver: Driver, grid: Batch, size: dict[str, int]) -> None:
    page = open_page("/batches", viewport=size, reduced_motion="reduce")
    for path in every_page(driver, grid):
        page.goto(path)
        for summary in page.locator("details.more:not([open]) > summary").all():
            if summary.is_visible():
                summary.click()
        assert_accessible(page, path)


def test_an_empty_list_and_errors_are_accessible(open_page: Callable[..., Page]) -> None:
    page = open_page("/batches")
    expect(page.get_by_role("heading", name="No batches yet")).to_be_visible()
    assert violations(page) == []
    page.goto("/batches/new")
    page.get_by_role("button", name="Submit the batch").click()
    expect(page.get_by_role("alert")).to_be_focused()
    assert violations(page) == []


def test_nothing_scrolls_sideways_on_a_small_phone(open_page: Callable[..., Page], driver: Driver, grid: Batch) -> None:
    page = open_page("/batches", viewport={"width": 320, "height": 640})
    for path in every_page(driver, grid):
        page.goto(path)
        assert_fits(page, path)
