"""The gallery in a real browser: rows, stars, keys, selection, comparing, and a picture dropped on Create."""

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from shared import artifacts
from shared.job import Artifact
from tests.web.browsing import PHONE, WIDE, assert_accessible, assert_fits
from tests.web.driving import Driver
from web.pages import gallery as gallery_page
from worker.engines.pictures import save_png

Open = Callable[..., Page]
SIZES = [(96, 64), (64, 96), (64, 64)]
RECORD = {"kind": "generate_image", "prompt": "a dropped castle", "seed": 42, "steps": 12, "guidance": None}


@pytest.fixture
def pictures(driver: Driver) -> list[Artifact]:
    """Five pictures of several shapes, the newest first."""
    made = []
    for number in range(5):
        job = driver.submit(prompt=f"picture {number}, with a rather long description of what is to be seen in it")
        size = SIZES[number % 3]
        buffer = BytesIO()
        Image.new("RGB", size, (40 * number, 120, 160)).save(buffer, "png")
        width, height = size
        content = buffer.getvalue()
        file = driver.file("output", "image-1.png", "image/png", content, seed=number, width=width, height=height)
        driver.finish(driver.claim(), file)
        made.append(artifacts.of_jobs(driver.db, driver.owner.id, [job.id])[job.id][0])
    return made[::-1]


@pytest.fixture
def castle(tmp_path: Path) -> Path:
    """A picture with its settings inside."""
    path = tmp_path / "castle.png"
    save_png(Image.new("RGB", (64, 48), "teal"), path, parameters="x", record=RECORD)
    return path


def test_rows_are_justified_in_true_aspect(open_page: Open, pictures: list[Artifact]) -> None:
    page = open_page("/gallery")
    expect(page.locator(".shot")).to_have_count(5)
    for number, picture in enumerate(pictures):
        box = page.locator(".shot").nth(number).bounding_box()
        assert box is not None
        assert box["width"] / box["height"] == pytest.approx(picture.meta["width"] / picture.meta["height"], rel=0.02)


def test_keys_move_star_and_select(open_page: Open, pictures: list[Artifact]) -> None:
    page = open_page("/gallery")
    page.keyboard.press("j")
    expect(page.locator(".shot .view").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".shot .view").nth(1)).to_be_focused()
    page.keyboard.press("s")
    star = page.locator(f"#star-{pictures[1].id}")
    expect(star).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("x")
    expect(page.locator("#selection")).to_be_visible()
    expect(page.locator("[data-selected]")).to_have_text("1")
    page.keyboard.press("s")
    expect(star).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("x")
    expect(page.locator("#selection")).to_be_hidden()
    page.keyboard.press("r")
    page.wait_for_url(f"**/?from={pictures[1].job_id}")


def test_arrows_go_by_rows(open_page: Open, pictures: list[Artifact]) -> None:
    page = open_page("/gallery", viewport={"width": 700, "height": 700})
    page.locator(".shot .view").first.focus()
    page.keyboard.press("ArrowDown")
    focused = page.evaluate("document.activeElement.getBoundingClientRect().top")
    first = page.evaluate("document.querySelector('.shot .view').getBoundingClientRect().top")
    assert focused > first
    page.keyboard.press("ArrowUp")
    expect(page.locator(".shot .view").first).to_be_focused()


def test_more_is_appended(open_page: Open, pictures: list[Artifact], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_page, "PAGE", 2)
    page = open_page("/gallery")
    for count in (4, 5):
        page.get_by_role("link", name="More", exact=True).click()
        expect(page.locator(".shot")).to_have_count(count)
    expect(page.locator(".shot .view").nth(4)).to_be_focused()
    assert page.locator(".shot").last.evaluate("each => each.style.getPropertyValue('--ratio')") != ""
    expect(page.get_by_role("link", name="More", exact=True)).to_have_count(0)


def test_what_is_new_is_told(open_page: Open, driver: Driver, pictures: list[Artifact]) -> None:
    page = open_page("/gallery")
    driver.submit(prompt="the latest")
    driver.finish(driver.claim(), driver.file("output", "image-1.png", "image/png", b"latest"))
    page.get_by_role("link", name="1 new picture").click()
    expect(page.locator(".shot")).to_have_count(6)


def test_search_and_selection_and_comparison(open_page: Open, pictures: list[Artifact]) -> None:
    page = open_page("/gallery")
    for number in (0, 1):
        page.locator("[name=pick]").nth(number).check(force=True)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download zip").click()
    assert len(zipfile.ZipFile(download.value.path()).namelist()) == 3
    page.get_by_role("button", name="Compare two").click()
    page.wait_for_url("**/gallery/compare?a=*")
    page.locator("[data-slide]").fill("20")
    assert page.locator("[data-slider]").evaluate("each => each.style.getPropertyValue('--at')") == "20%"
    page.goto("/gallery")
    page.get_by_role("searchbox").fill("picture 3")
    expect(page.locator(".shot")).to_have_count(1)


def test_without_a_script(open_page: Open, pictures: list[Artifact], castle: Path) -> None:
    page = open_page("/gallery", java_script_enabled=False)
    page.locator(f"#shot-{pictures[0].id}").hover()
    page.locator(f"#star-{pictures[0].id}").click()
    page.wait_for_url(f"**/gallery#shot-{pictures[0].id}")
    expect(page.locator(f"#star-{pictures[0].id}")).to_have_attribute("aria-pressed", "true")
    for number in (0, 1):
        page.locator("[name=pick]").nth(number).check(force=True)
    page.get_by_role("button", name="Compare two").click()
    expect(page.get_by_role("heading", name="What differs")).to_be_visible()
    page.goto("/create/from-picture")
    page.get_by_label("Picture (PNG)").set_input_files(castle)
    page.get_by_role("button", name="Read the settings").click()
    expect(page.get_by_label("Prompt")).to_have_value("a dropped castle")


def test_a_chosen_picture_fills_the_form(open_page: Open, castle: Path, tmp_path: Path) -> None:
    page = open_page("/")
    page.get_by_text("Settings from a picture").click()
    wrong = tmp_path / "wrong.png"
    wrong.write_bytes(b"GIF89a")
    page.get_by_label("Picture (PNG)").set_input_files(wrong)
    expect(page.get_by_text("This is no PNG.")).to_be_visible()
    bare = tmp_path / "bare.png"
    Image.new("RGB", (8, 8)).save(bare)
    page.get_by_label("Picture (PNG)").set_input_files(bare)
    expect(page.get_by_text("This picture has no settings in it.")).to_be_visible()
    page.get_by_label("Picture (PNG)").set_input_files(castle)
    page.wait_for_url("**/?*read=picture")
    expect(page.get_by_label("Prompt")).to_have_value("a dropped castle")
    expect(page.get_by_text("Settings read from a picture.")).to_be_visible()


def test_a_dropped_picture_fills_the_form(open_page: Open, castle: Path) -> None:
    page = open_page("/")
    page.evaluate(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "castle.png", { type: "image/png" }));
            const options = { dataTransfer: data, bubbles: true, cancelable: true };
            const prompt = document.querySelector("#f-prompt");
            for (const type of ["dragover", "drop"]) prompt.dispatchEvent(new DragEvent(type, options));
        }""",
        list(castle.read_bytes()),
    )
    page.wait_for_url("**/?*read=picture")
    expect(page.get_by_label("Prompt")).to_have_value("a dropped castle")


# ---- every page -----------------------------------------------------------------------------------------------------


def paths(pictures: list[Artifact]) -> list[str]:
    return [
        "/gallery",
        "/gallery?starred=yes",
        f"/gallery/compare?a={pictures[0].id}&b={pictures[1].id}",
        "/create/from-picture",
        "/",
    ]


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_accessible(open_page: Open, pictures: list[Artifact], size: dict[str, int]) -> None:
    page = open_page("/gallery", viewport=size, reduced_motion="reduce")
    for path in paths(pictures):
        page.goto(path)
        for summary in page.locator("details.more > summary").all():
            summary.click()
        if path == "/gallery":
            page.locator("[name=pick]").first.check(force=True)
        assert_accessible(page, path)


def test_nothing_scrolls_sideways_on_a_small_phone(open_page: Open, pictures: list[Artifact]) -> None:
    page = open_page("/gallery", viewport={"width": 320, "height": 640})
    for path in paths(pictures):
        page.goto(path)
        if path == "/gallery":
            page.locator("[name=pick]").first.check(force=True)
        assert_fits(page, path)
