"""Devices, models and keys in a real browser: live, by keyboard, without a script, accessible, narrow."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Error, Page, expect

from shared import devices, keys, library
from shared.db import Database
from shared.devices import Resident
from shared.owners import Owner
from tests.web.browsing import PHONE, WIDE, assert_accessible, assert_fits
from tests.web.driving import Driver
from tests.web.test_plant_pages import GB, GPU, put, silence, start


def every_page(db: Database, owner: Owner, driver: Driver) -> list[str]:
    """Paths of every page of the plant, with devices in every state."""
    library.add(
        db, owner.id, name="harbor/v3", title="Harbor, " + "a rather long title " * 4, task="text-to-image",
        source="hub:somebody/" + "a-long-name" * 6, revision="a" * 40, base="emoji", licence="CreativeML OpenRAIL-M",
    )  # fmt: skip
    job = start(db, owner, "a picture with a rather long description of what is to be seen in it, and where")
    held = [Resident(library.get(db, owner.id, name).key, GB) for name in ("emoji", "digits", "hibari")]
    put(db, state="busy", job_id=job.id, resident=(*held, Resident("somebody's@1", GB)))
    put(db, "studio/cpu")
    put(db, "a-host-with-a-rather-long-name.example.org/cuda:0", "draining")
    devices.drain(db, "a-host-with-a-rather-long-name.example.org/cuda:0")
    put(db, "cellar/cuda:0", "quarantined", note="Failed 3 times in ten minutes; it is tried again in 4 min.")
    put(db, "attic/cuda:0", "busy", job_id=job.id)
    silence(db, "attic/cuda:0")
    for number in range(3):
        driver.submit(prompt=f"waits {number}")
    ended = keys.create(db, owner.id, "a key of an earlier time, with a label that is long", rate_per_minute=60)
    keys.revoke(db, owner.id, ended.key.id)
    models = ["/models", "/models?q=nothing", "/models/harbor/v3", "/models/emoji", "/models/-/add"]
    return ["/devices", *models, "/keys", "/nowhere"]


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_accessible(
    open_page: Callable[..., Page], db: Database, owner: Owner, driver: Driver, size: dict[str, int]
) -> None:
    page = open_page("/devices", viewport=size, reduced_motion="reduce")
    expect(page.get_by_text("No device is up")).to_be_visible()
    assert_accessible(page)
    for path in every_page(db, owner, driver):
        page.goto(path)
        assert_accessible(page, path)
    page.goto("/models/-/add")
    page.get_by_role("button", name="Add").click()
    assert_accessible(page, "a form with errors")
    page.goto("/models/harbor/v3")
    page.get_by_role("button", name="Remove").click()
    assert_accessible(page, "something asked")
    page.goto("/keys")
    page.get_by_label("Label").fill("laptop")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#secret")).to_be_visible()
    assert_accessible(page, "a key just made")


def test_nothing_scrolls_sideways_on_a_small_phone(
    open_page: Callable[..., Page], db: Database, owner: Owner, driver: Driver
) -> None:
    page = open_page("/devices", viewport={"width": 320, "height": 640})
    for path in every_page(db, owner, driver):
        page.goto(path)
        assert_fits(page, path)
    page.goto("/keys")
    page.get_by_label("Label").fill("laptop")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#secret")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_device_is_followed_without_a_reload(open_page: Callable[..., Page], db: Database, owner: Owner) -> None:
    page = open_page("/devices")
    expect(page.get_by_text("No device is up")).to_be_visible()
    page.evaluate("window.sameDocument = true")
    put(db)
    expect(page.locator(".device .state")).to_have_text("Idle")
    job = start(db, owner, "a red apple")
    put(db, state="busy", job_id=job.id)
    expect(page.get_by_role("link", name="a red apple")).to_be_visible()
    expect(page.locator(".device .state")).to_have_text("Busy")
    page.get_by_role("button", name="Drain studio/cuda:0").click()
    expect(page.locator(".device .state")).to_have_text("Draining")
    page.get_by_role("button", name="Take jobs again").click()
    expect(page.locator(".device .state")).to_have_text("Busy")
    silence(db)
    expect(page.locator(".note.warn .state")).to_have_text("Lost")


def test_a_list_says_when_the_site_does_not_answer(open_page: Callable[..., Page]) -> None:
    for path in ("/devices", "/models", "/keys"):
        page = open_page(path)
        expect(page.locator("#lost")).to_be_hidden()
        page.context.set_offline(True)
        expect(page.locator("#lost")).to_be_visible()
        page.context.set_offline(False)
        expect(page.locator("#lost")).to_be_hidden()
        page.context.close()


def test_keys_lead_to_the_pages(open_page: Callable[..., Page]) -> None:
    page = open_page("/jobs")
    for letter, path in (("d", "/devices"), ("m", "/models"), ("k", "/keys")):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        page.wait_for_url(f"**{path}")
    page.keyboard.press("?")
    for words in ("Go to Devices", "Go to Models", "Go to Keys"):
        expect(page.get_by_text(words)).to_be_visible()


def test_models_are_searched_as_one_types(open_page: Callable[..., Page]) -> None:
    page = open_page("/models")
    page.get_by_role("searchbox").fill("emoji")
    expect(page.locator(".models tbody tr")).to_have_count(1)
    assert page.url.endswith("/models?q=emoji")
    expect(page.get_by_role("searchbox")).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_model_is_added_used_and_removed(open_page: Callable[..., Page], scripts: bool) -> None:
    page = open_page("/models", java_script_enabled=scripts)
    page.get_by_role("link", name="Add a model").click()
    page.get_by_label("Source").fill("hub:me/harbor")
    page.get_by_label("Task").select_option("text-to-image")
    page.get_by_label("Name").fill("harbor/v3")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_label("Revision")).to_be_focused()
    expect(page.get_by_label("Source")).to_have_value("hub:me/harbor")
    page.get_by_label("Revision").fill("a" * 40)
    page.get_by_role("button", name="Add").click()
    page.wait_for_url("**/models/harbor/v3")
    page.get_by_role("link", name="Use it").click()
    expect(page.locator("#f-model")).to_have_value("harbor/v3")
    page.go_back()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", name="Remove harbor/v3 from the library?")).to_be_visible()
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("heading", name="Remove harbor/v3")).to_be_hidden()
    page.get_by_role("button", name="Remove").click()
    page.locator("#remove").get_by_role("button", name="Remove").click()
    page.wait_for_url("**/models")
    expect(page.get_by_text("harbor/v3")).to_have_count(0)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_key_is_made_copied_and_revoked(open_page: Callable[..., Page], scripts: bool) -> None:
    page = open_page("/keys", java_script_enabled=scripts)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_label("Label")).to_be_focused()
    page.get_by_label("Label").fill("laptop")
    page.get_by_label("models:write").check()
    page.get_by_role("button", name="Create").click()
    made = page.locator("#secret").inner_text()
    assert re.fullmatch(r"atl_[\w-]{40,}", made)
    assert page.url.endswith("/keys")
    expect(page.locator("#example")).to_contain_text(f'"Authorization: Bearer {made}"')
    if scripts:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy the key").click()
        assert page.evaluate("navigator.clipboard.readText()") == made
        # Longer than one turn of polling: the secret stays until the page is left.
        page.wait_for_timeout(3500)
        expect(page.locator("#secret")).to_have_text(made)
    page.goto("/devices")
    with pytest.raises(Error, match="ERR_CACHE_MISS"):
        page.go_back()  # the browser has kept nothing, and asks before it sends the form again
    page.wait_for_url("chrome-error://**")
    page.goto("/keys")
    assert made not in page.content()
    page.get_by_role("button", name="Revoke laptop").click()
    page.locator(".ask:popover-open").get_by_role("button", name="Revoke").click()
    expect(page.locator(".key").first).to_contain_text("Revoked")
    assert page.get_by_role("button", name="Revoke laptop").count() == 0


def test_a_drained_device_is_named_without_scripts(open_page: Callable[..., Page], db: Database) -> None:
    put(db)
    page = open_page("/devices", java_script_enabled=False)
    page.get_by_role("button", name="Drain studio/cuda:0").click()
    expect(page.locator(".device .state")).to_have_text("Drained")
    assert devices.get(db, GPU).drain_requested
