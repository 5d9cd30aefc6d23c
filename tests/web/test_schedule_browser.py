"""The pages of schedules in a real browser: read back as one types, by keyboard, without a script, on a small phone."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from shared import listing, schedules
from shared.db import Database
from shared.owners import Owner
from shared.schedule import Schedule, Terms
from tests.web.browsing import PHONE, WIDE, assert_accessible, assert_fits, violations

LONG = "pictures of the harbour at first light, with anunbreakablewordofgreatlengthinitandmoreofit"


@pytest.fixture
def made(app: object, db: Database, owner: Owner) -> list[Schedule]:
    """One that has run, one that is paused, and one of batches."""
    job = {"job": {"kind": "generate_image", "params": {"prompt": f"{LONG} on {{date}}"}}}
    batch = {"batch": {"kind": "generate_image", "params": {"prompt": LONG}, "vary": {"steps": [4, 8]}}}
    terms = [("Ran", "30 7 * * 1-5", job), (LONG, "*/15 8-18 * * *", job), ("Grids", "0 6 * * 1", batch)]
    found = [
        schedules.create(db, owner, Terms(name=name, cron=cron, zone="Asia/Kolkata", template=template))  # type: ignore[arg-type]
        for name, cron, template in terms
    ]
    schedules.run_now(db, owner.id, found[0].id)
    schedules.pause(db, owner.id, found[1].id, LONG)
    return found


def every_page(made: list[Schedule]) -> list[str]:
    """Paths of a page of every sort."""
    ran, paused, grids = [f"/schedules/{each.id}" for each in made]
    ways = ["/schedules/new?s-repeat=custom&s-missed=all", "/schedules/new?kind=generate_text&s-repeat=weekly"]
    return ["/schedules", ran, paused, f"{grids}/edit", *ways]


def test_the_next_runs_change_as_one_types(open_page: Callable[..., Page], db: Database, owner: Owner) -> None:
    """From Create to a schedule: wrong ones refused, a good one read back, one of a double click, looked after."""
    page = open_page("/", timezone_id="Asia/Shanghai")
    page.get_by_label("Prompt").fill("a red apple on {weekday}")
    page.get_by_role("button", name="Run on a schedule").click()
    page.wait_for_url("**/schedules/new?*")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a red apple on {weekday}")
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Shanghai")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("UTC+8")
    page.get_by_label("Weekdays").check(force=True)
    expect(preview).to_contain_text("At 09:00 from Monday to Friday.")
    page.get_by_label("Cron").first.check(force=True)
    cron = page.locator("#s-cron")
    cron.fill("61 * * * *")
    expect(preview).to_contain_text("does not fit the minute")
    page.get_by_label("Name").fill("Apples")
    page.keyboard.press("Control+Enter")
    expect(cron).to_be_focused()
    expect(page.locator("#s-cron-error")).to_contain_text("does not fit the minute")
    expect(page.get_by_label("Name")).to_have_value("Apples")
    cron.fill("*/20 6 * * *")
    expect(preview.locator("li")).to_have_text([re.compile(r"06:[024]0UTC\+8")] * 5)
    page.get_by_role("button", name="Make the schedule").dblclick(no_wait_after=True)
    page.wait_for_url("**/schedules/sch_*")
    assert [each.terms.cron for each in schedules.page(db, owner.id).items] == ["*/20 6 * * *"]

    page.evaluate("window.sameDocument = true")
    page.locator("summary", has_text="Pause").click()
    expect(page.get_by_label("Why")).to_be_focused()
    page.keyboard.type("Holidays")
    with page.expect_response(lambda answer: "/panel" in answer.url):
        pass
    expect(page.get_by_label("Why")).to_have_value("Holidays")
    page.keyboard.press("Enter")
    expect(page.locator("main .note")).to_contain_text("Holidays")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator(".runs .state")).to_have_text("Queued")
    page.locator("summary", has_text="Delete").click()
    expect(page.get_by_text("Delete this schedule?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Delete this schedule?")).to_be_hidden()
    page.locator(".runs a").click()
    page.wait_for_url("**/jobs/job_*")


def test_everything_works_without_a_script(open_page: Callable[..., Page], db: Database, owner: Owner) -> None:
    page = open_page("/schedules", java_script_enabled=False)
    page.get_by_role("link", name="New schedule").click()
    page.get_by_label("Name").fill("Words")
    page.get_by_label("Hourly").check(force=True)
    page.get_by_label("Minute of the hour").fill("15")
    page.get_by_role("button", name="Read it back").click()
    expect(page.locator("#preview")).to_contain_text("Every hour at minute 15.")
    page.get_by_role("button", name="Text").click()
    page.get_by_label("A batch, settings varied").check(force=True)
    page.locator("[data-varying] summary", has_text="Prompt").click()
    page.get_by_label("Values of Prompt").fill("one on {date}\ntwo")
    page.get_by_role("button", name="Make the schedule").click()
    page.wait_for_url("**/schedules/sch_*")
    expect(page.get_by_text("batch of 2")).to_be_visible()
    page.get_by_role("button", name="Run now").click()
    expect(page.locator(".runs a")).to_have_count(1)
    assert len(listing.page(db, owner.id).items) == 2
    page.locator("summary", has_text="Pause").click()
    page.get_by_label("Why").fill("Enough")
    page.get_by_role("button", name="Pause it").click()
    expect(page.locator("main .note")).to_contain_text("Enough")
    page.get_by_role("button", name="Resume").click()
    page.locator("summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete it for good").click()
    expect(page.get_by_role("heading", name="No schedules yet")).to_be_visible()
    assert schedules.page(db, owner.id).items == []


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_accessible(open_page: Callable[..., Page], made: list[Schedule], size: dict[str, int]) -> None:
    page = open_page("/schedules", viewport=size, reduced_motion="reduce")
    for path in every_page(made):
        page.goto(path)
        for summary in page.locator("main details:not([open], .asks) > summary, #pausing > summary").all():
            if summary.is_visible():
                summary.click()
        assert_accessible(page, path)
    page.get_by_role("button", name="Make the schedule").click()
    expect(page.get_by_role("alert")).to_be_focused()
    assert violations(page) == [], "with errors"


def test_nothing_scrolls_sideways_on_a_small_phone(open_page: Callable[..., Page], made: list[Schedule]) -> None:
    page = open_page("/schedules", viewport={"width": 320, "height": 640})
    for path in every_page(made):
        page.goto(path)
        for summary in page.locator("main details:not([open]) > summary").all():
            if summary.is_visible():
                summary.click()
        assert_fits(page, path)
