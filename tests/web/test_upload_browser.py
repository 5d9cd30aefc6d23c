"""Files in a real browser: chosen, dropped, refused, chosen from recent ones; adapters; groups of kinds on a phone."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from shared import library, listing
from shared.db import Database
from shared.owners import Owner
from tests.web import collage
from tests.web.browsing import PHONE, assert_accessible, assert_fits
from tests.web.driving import Driver
from tests.web.test_uploads_api import film, picture, sound


@pytest.fixture(autouse=True)
def _collage(app: Flask, db: Database) -> Iterator[None]:
    for name in ("inked", "soft"):
        library.add(db, None, name=name, task="image-adapter", source=f"hub:demo/{name}", revision="0" * 40)
    with collage.installed():
        yield


DROP = """([field, name]) => {
  const bytes = Uint8Array.from(atob(window.droppedFile), (each) => each.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type: "image/png" }));
  const target = document.querySelector(`[data-file=${field}]`);
  for (const type of ["dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: carried }));
  }
}"""


def test_files_are_sent_at_once_and_the_form_with_them(
    open_page: Callable[..., Page], driver: Driver, db: Database, owner: Owner, tmp_path: Path
) -> None:
    (tmp_path / "start.png").write_bytes(picture("png", (320, 200)))
    (tmp_path / "voice.wav").write_bytes(sound())
    (tmp_path / "moving.gif").write_bytes(b"GIF89a")
    page = open_page("/?kind=collage")
    page.get_by_label("Prompt").fill("a wall")
    start = page.locator("[data-file=image]")
    start.locator("input[type=file]").set_input_files(tmp_path / "moving.gif")
    expect(page.locator("#f-image-error")).to_contain_text("A GIF is not taken here.")
    expect(start.locator("input[type=file]")).to_be_focused()
    start.locator("input[type=file]").set_input_files(tmp_path / "start.png")
    expect(start.locator(".held img")).to_be_visible()
    page.locator("[data-file=sound] input[type=file]").set_input_files(tmp_path / "voice.wav")
    expect(page.locator("[data-file=sound] audio")).to_be_visible()
    page.get_by_role("button", name="Remove voice.flac").click()
    expect(page.locator("[data-file=sound] audio")).to_have_count(0)
    page.locator("[data-file=sound]").get_by_text("Choose a recent file").click()
    page.locator("[data-file=sound] .shelf label", has_text="voice.flac").click()
    expect(page.locator("[data-file=sound] audio")).to_be_visible()
    # One is dropped on its field in place of the first.
    page.evaluate("file => { window.droppedFile = file; }", b64encode(picture("png", (100, 60))).decode())
    page.evaluate(DROP, ["image", "dropped.png"])
    expect(start.get_by_text("dropped.png").first).to_be_visible()
    page.get_by_label("Adapter 1", exact=True).select_option("inked")
    page.get_by_label("Weight of adapter 1").fill("0.6")
    page.get_by_role("button", name="Add an adapter").click()
    page.get_by_label("Adapter 2", exact=True).select_option("soft")
    page.get_by_role("button", name="Remove adapter 1").click()
    assert_accessible(page, "Create with files")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/jobs/job_*")
    job = listing.page(db, owner.id).items[0]
    assert job.params["adapters"] == [{"model": "soft", "weight": 1.0}]
    assert {"image", "sound"} <= job.params.keys()
    driver.finish(
        driver.claim(),
        driver.file("output", "clip.mp4", "video/mp4", film()),
        driver.file("output", "rows.csv", "text/csv", b"a,b\n1,2\n"),
    )
    page.goto(f"/jobs/{job.id}")
    assert page.locator(".player video").first.evaluate(
        """film => new Promise((done) => {
            if (film.readyState) done(film.duration);
            film.onloadedmetadata = () => done(film.duration);
            film.onerror = () => done(-1);
        })"""
    ) == pytest.approx(1, abs=0.2)
    assert_accessible(page, "a job with files")
    page.set_viewport_size({"width": 320, "height": 700})
    assert_fits(page, "a job with files")


def test_on_a_phone_and_without_a_script(
    open_page: Callable[..., Page], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.pages.palette.FLAT", 2)
    (tmp_path / "start.png").write_bytes(picture("png", (320, 200)))
    page = open_page("/?kind=collage", viewport=PHONE, java_script_enabled=False)
    page.get_by_label("Prompt").fill("a wall")
    page.get_by_label("Choose a file for Start picture").set_input_files(tmp_path / "start.png")
    page.get_by_label("Adapter 1", exact=True).select_option("inked")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/jobs/job_*")
    expect(page.get_by_role("heading", name="Inputs")).to_be_visible()
    page = open_page("/?kind=generate_text", viewport={"width": 320, "height": 700})
    assert_accessible(page, "kinds in groups")
    assert_fits(page, "kinds in groups")
    page.get_by_role("navigation", name="Kind").get_by_role("link", name="Video").click()
    expect(page.get_by_role("navigation", name="Kind").get_by_role("link", name="Video").first).to_have_attribute(
        "aria-current", "true"
    )
    page.goto("/?kind=collage")
    expect(page.locator("[data-file=image]")).to_be_visible()
    assert_fits(page, "Create with files")
