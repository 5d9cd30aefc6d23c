"""Chromium for the tests of the pages, and what holds on every page: quiet, on its origin, accessible."""

from pathlib import Path

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

AXE = Path(__file__).parent / "vendor" / "axe.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: What may differ on a phone, where the page is the same but for its layout and what it shows.
PHONE_RULES = [
    "button-name", "color-contrast", "label", "landmark-unique", "link-name", "list", "scrollable-region-focusable",
    "target-size",
]  # fmt: skip
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


def violations(page: Page, rules: list[str] = RULES) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", rules)
    return [
        f"{each['id']}: {node['html'][:200]} {node['any'][0]['message'] if node['any'] else ''}"
        for each in found["violations"]
        for node in each["nodes"][:3]
    ]


def assert_accessible(page: Page, what: str = "") -> None:
    """Axe finds nothing in the page as it stands: in light, and in dark where it is not a phone's."""
    before = page.viewport_size
    assert before is not None
    # As tall as the page: else the bar at the bottom of a phone covers half of whatever happens to be there.
    tall = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": before["width"], "height": max(before["height"], tall)})
    # Where it grew with the window, the bar at its top would cover what was scrolled under it.
    page.evaluate("scrollTo(0, 0)")
    page.emulate_media(color_scheme="light")
    on_phone = before["width"] <= PHONE["width"]
    found = violations(page, PHONE_RULES if on_phone else RULES)
    assert found == [], f"{what}: {found}"
    # A scheme changes colours and nothing else, and those are the same on a phone.
    if not on_phone:
        page.emulate_media(color_scheme="dark")
        assert violations(page, rules=["color-contrast"]) == [], f"{what}, dark"
        page.emulate_media(color_scheme="light")
    page.set_viewport_size(before)


def assert_fits(page: Page, what: str = "") -> None:
    """Nothing scrolls sideways."""
    wide, there = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= there, f"{what} is {wide} px wide"
