"""The switch between languages in a real browser, with a script and without, and Chinese pages on a narrow screen."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.web.browsing import PHONE, assert_fits, violations
from tests.web.dataset_making import make
from tests.web.driving import Driver
from tests.web.test_translation import paths

__all__ = ["make", "paths"]  # fixtures


def test_the_switch_beside_the_page(open_page: Callable[..., Page], driver: Driver) -> None:
    driver.submit()
    page = open_page("/jobs?state=queued", java_script_enabled=False)
    page.get_by_role("button", name="中文").click()
    expect(page).to_have_url("/jobs?state=queued")
    expect(page.get_by_role("heading", level=1)).to_have_text("任务")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")


def test_the_switch_on_a_phone_and_at_login(open_page: Callable[..., Page]) -> None:
    page = open_page("/jobs", viewport=PHONE, locale="zh-CN")
    page.get_by_text("更多", exact=True).click()
    assert violations(page) == []
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page = open_page("/login", login=False, viewport=PHONE, locale="zh-CN")
    assert violations(page) == []
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in with your key")


def test_chinese_pages_never_scroll_sideways(open_page: Callable[..., Page], paths: list[str]) -> None:
    page = open_page("/", viewport={"width": 320, "height": 640}, locale="zh-CN", java_script_enabled=False)
    for path in paths:
        page.goto(path)
        assert_fits(page, path)
