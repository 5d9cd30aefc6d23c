"""Create and Jobs in a real browser: the API call and the estimate follow what is typed, ticks outlive a redraw."""

from collections.abc import Callable

from playwright.sync_api import Page, expect
from sqlalchemy import text

from shared import listing
from shared.devices import Report, report
from shared.job import JobState
from tests.web.browsing import PHONE, violations
from tests.web.driving import Driver


def test_the_form_as_an_api_call_and_what_it_has_to_expect(open_page: Callable[..., Page], driver: Driver) -> None:
    driver.submit()
    driver.finish(driver.claim())
    with driver.db.begin() as connection:
        connection.execute(text("update costs set seconds = 12.4"))
    report(driver.db, Report("host/cpu", "host", "cpu", "CPU", "cpu", "wkr_x", "idle", 1, 0))
    page = open_page("/?kind=generate_image")
    page.get_by_role("link", name="Four to choose from").click()
    expect(page.get_by_label("Prompt")).to_have_value("monster")
    expect(page.get_by_role("link", name="Four to choose from")).to_have_attribute("aria-current", "true")

    # The estimate follows the model.
    expect(page.locator("#estimate")).to_contain_text("Usually about 12 s.")
    page.get_by_label("Model", exact=True).select_option("digits")
    expect(page.locator("#estimate")).to_have_text("Nobody is ahead of you.")

    # The call follows typing, and is copied.
    page.get_by_text("API call").last.click()
    expect(page.locator("#curl")).to_contain_text('"model": "digits"')
    page.get_by_label("Prompt").fill("it's <b>seven</b>")
    expect(page.locator("#curl")).to_contain_text("<b>seven</b>")
    for name in ("light", "dark"):
        page.emulate_media(color_scheme=name, reduced_motion="reduce")
        assert violations(page) == []
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the curl command").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "it'\"'\"'s <b>seven</b>" in copied
    assert "$ATELIER_API_KEY" in copied

    # Enter in a field still means Generate, though more buttons belong to the form.
    page.get_by_text("More settings").click()
    page.get_by_label("Seed", exact=True).fill("5")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/job_*")


def test_what_is_pasted_is_not_cut(open_page: Callable[..., Page]) -> None:
    page = open_page("/?kind=generate_text", viewport=PHONE)
    page.get_by_label("Prompt").fill("x" * 30_000)
    expect(page.locator("[data-count=f-prompt]")).to_have_text("30000 / 20000")
    expect(page.locator("[data-count=f-prompt]")).to_have_class("hint num needs-js over")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#f-prompt-error")).to_be_visible()
    assert len(page.get_by_label("Prompt").input_value()) == 30_000
    expect(page.get_by_label("Prompt")).to_be_focused()
    page.get_by_role("button", name="Vary settings").scroll_into_view_if_needed()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_many_jobs_are_ticked_and_cancelled_while_the_list_moves(
    open_page: Callable[..., Page], driver: Driver
) -> None:
    first, second = driver.submit(prompt="one"), driver.submit(prompt="two")
    page = open_page("/jobs")
    page.get_by_label("Select one").check()
    assert page.locator("[data-tick-all]").evaluate("box => box.indeterminate")
    third = driver.submit(prompt="three")
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.get_by_label("Select one")).to_be_checked()
    expect(page.get_by_label("Select three")).not_to_be_checked()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_label("Select three")).to_be_checked()
    page.get_by_label("Select all on this page").check()
    page.get_by_label("Select two").uncheck()
    assert violations(page) == []
    page.get_by_role("button", name="Cancel selected").click()
    expect(page.get_by_role("status").first).to_have_text("2 jobs were cancelled.")
    states = {job.id: job.state for job in listing.page(driver.db, driver.owner.id).items}
    assert states == {
        first.id: JobState.CANCELLED,
        second.id: JobState.QUEUED,
        third.id: JobState.CANCELLED,
    }


def test_a_failed_job_is_repaired_without_a_script(open_page: Callable[..., Page], driver: Driver) -> None:
    driver.submit(prompt="poster", width=2048, height=2048)
    driver.fail(driver.claim(), "out_of_memory", "It needs 19 GB.")
    page = open_page("/jobs", java_script_enabled=False)
    page.get_by_label("Select poster").check()
    page.get_by_role("button", name="Retry selected").click()
    expect(page.get_by_role("status").first).to_have_text("1 job was submitted again.")
    page.get_by_role("link", name="Failed 1").click()
    page.get_by_role("link", name="poster").click()
    page.get_by_role("link", name="Try at 1024 × 1024").click()
    expect(page.locator("[name=width]")).to_have_value("1024")
    page.get_by_text("API call").last.click()
    page.get_by_role("button", name="Show what is typed now").click()
    expect(page.locator("#curl")).to_contain_text('"width": 1024')
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/jobs/job_*")
