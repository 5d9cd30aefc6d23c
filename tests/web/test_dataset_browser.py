"""Datasets in a real browser: accessible, within a small screen, and made of a file on the form."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from shared.owners import Owner
from tests.web.browsing import PHONE, assert_accessible, assert_fits
from tests.web.dataset_making import Make, make, picture, rows

__all__ = ["make"]

NARROW = {"width": 320, "height": 640}


def test_the_pages_are_accessible_and_fit(
    open_page: Callable[..., Page], make: Make, owner: Owner, secret: str
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        for shade in range(0, 250, 25):
            made.writestr(f"{'dark' if shade < 100 else 'light'}/{shade}.png", picture(shade))
    make(owner, secret, "reviews", rows(60) + b'{"text": ""}\n{"label": "a"}\n', validation=0.2)
    make(owner, secret, "reviews", rows(70) + b'{"text": ""}\n', validation=0.2)
    make(owner, secret, "shades", archive.getvalue(), "shades.zip", drop_duplicates=False)
    page = open_page("/datasets")
    expect(page.get_by_role("heading", name="Datasets")).to_be_visible()
    for size in (None, PHONE, NARROW):
        if size is not None:
            page.set_viewport_size(size)
        for path in ("/datasets", "/datasets/reviews", "/datasets/shades"):
            page.goto(path)
            assert_fits(page, path)
            if size is not NARROW:
                assert_accessible(page, path)


def test_a_file_on_the_form_becomes_a_job(open_page: Callable[..., Page], tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes(rows(30))
    page = open_page("/datasets")
    page.get_by_role("link", name="New dataset").first.click()
    page.get_by_label("Name").fill("reviews")
    page.locator("[data-file=source] input[type=file]").set_input_files(tmp_path / "data.jsonl")
    expect(page.locator("[data-file=source] .held")).to_be_visible()
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name="reviews")).to_be_visible()
