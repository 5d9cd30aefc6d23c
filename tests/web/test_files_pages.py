"""The pages of uploads and of checking a file, as a browser without a script sees them."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from shared import artifacts, signers, uploads
from shared.db import Database
from shared.owners import Owner
from shared.signing import SigningKey, signing_key
from tests.web.browsing import PHONE, assert_accessible, assert_fits
from tests.web.conftest import Visitor
from tests.web.driving import Driver
from tests.web.test_provenance_api import BROKEN, signed
from tests.web.test_upload_pages import send
from tests.web.test_uploads_api import picture, sound
from web.pages import uploads as page_of_uploads


@pytest.fixture
def ours(db: Database, tmp_path: Path) -> SigningKey:
    key = signing_key(tmp_path / "ours.pem", "Atelier")
    signers.register(db, key)
    return key


def kept(mine: Visitor, content: bytes, name: str) -> str:
    answer = send(mine, "/uploads", file=(io.BytesIO(content), name))
    assert answer.status_code == 303, answer.text
    found = re.search(r"sent=(art_\w+)", answer.location)
    assert found is not None
    return found[1]


# ---- uploads ---------------------------------------------------------------------------------------------------------


def test_a_file_is_sent_listed_and_deleted(mine: Visitor, db: Database, owner: Owner) -> None:
    assert "No uploads yet" in mine.get("/uploads").text
    ref = kept(mine, picture(size=(60, 40)), "<start>.png")
    page = mine.get(f"/uploads?sent={ref}").text
    assert "“&lt;start&gt;.png” is kept." in page
    assert f'src="/api/artifacts/{ref}/thumbnail"' in page
    assert "60 × 40" in page
    assert "image/png" in page
    assert "/?kind=generate_image" in page, "it can go on from here"
    assert f'action="/uploads/{ref}/delete"' in page
    assert mine.post(f"/uploads/{ref}/delete").status_code == 303
    assert uploads.page(db, owner.id).items == []


def test_a_list_goes_on(mine: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_of_uploads, "PAGE", 1)
    kept(mine, picture(size=(10, 10)), "first.png")
    kept(mine, picture(size=(11, 11)), "second.png")
    page = mine.get("/uploads").text
    assert "second.png" in page
    assert "first.png" not in page
    older = re.search(r'href="(/uploads\?cursor=[^"]+)"', page)
    assert older is not None
    assert "first.png" in mine.get(older[1]).text


def test_what_is_not_taken_is_said_at_the_field(mine: Visitor) -> None:
    for files, words in (
        ({"file": (io.BytesIO(b"GIF89a"), "a.gif")}, "A GIF is not taken here."),
        ({}, "Choose a file"),
    ):
        answer = send(mine, "/uploads", **files)
        assert (answer.status_code, words in answer.text) == (422, True)
        assert re.search(r'id="file"[^>]*aria-invalid="true" autofocus', answer.text)


def test_anothers_upload_is_not_there(mine: Visitor, theirs: Visitor, db: Database, owner: Owner) -> None:
    ref = kept(mine, picture(), "a.png")
    assert theirs.post(f"/uploads/{ref}/delete").status_code == 404
    assert "a.png" not in theirs.get(f"/uploads?sent={ref}").text
    assert len(uploads.page(db, owner.id).items) == 1


def test_what_a_job_needs_stays(mine: Visitor, driver: Driver) -> None:
    ref = kept(mine, picture(), "a.png")
    job = driver.submit("generate_image", prompt="x", image=ref)
    answer = mine.post(f"/uploads/{ref}/delete")
    assert (answer.status_code, f"The job {job.id} still needs this file." in answer.text) == (409, True)
    assert "a.png" in mine.get("/uploads").text


# ---- check a file ----------------------------------------------------------------------------------------------------


def test_a_work_is_known_with_its_job(mine: Visitor, driver: Driver, ours: SigningKey, tmp_path: Path) -> None:
    data, content = signed(tmp_path, ours)
    job = driver.submit("generate_image", prompt="red apple")
    file = replace(driver.file("output", "image-1.png", "image/png", data), content_sha256=content)
    driver.finish(driver.claim(), file)
    page = send(mine, "/check", file=(io.BytesIO(data), "mine.png")).text
    assert "Made here: this very file is one of your works." in page
    assert f'href="/jobs/{job.id}"' in page
    assert "Valid: signed here, and not changed since." in page
    assert "It says that it was made by AI, by Atelier." in page
    assert "a red apple\nSteps: 8" in page
    assert len(artifacts.of_jobs(driver.db, driver.owner.id, [job.id])[job.id]) == 1, "nothing of it is kept"


def test_anothers_work_is_told_without_its_job(
    theirs: Visitor, driver: Driver, ours: SigningKey, tmp_path: Path
) -> None:
    data, content = signed(tmp_path, ours)
    job = driver.submit("generate_image", prompt="red apple")
    file = replace(driver.file("output", "image-1.png", "image/png", data), content_sha256=content)
    driver.finish(driver.claim(), file)
    page = send(theirs, "/check", file=(io.BytesIO(data), "a.png")).text
    assert "It is none of your own works." in page
    assert f"/jobs/{job.id}" not in page


def test_a_changed_file_is_found_out(mine: Visitor, ours: SigningKey, tmp_path: Path) -> None:
    data = bytearray(signed(tmp_path, ours)[0])
    data[-40] ^= 1
    page = send(mine, "/check", file=(io.BytesIO(bytes(data)), "a.png")).text
    assert "Nothing here knows this file." in page
    assert "Not valid: the file was changed after it was signed" in page


def test_an_upload_is_no_work(mine: Visitor) -> None:
    ref = kept(mine, sound(), "a.wav")
    content = mine.client.get(f"/api/artifacts/{ref}").data
    page = send(mine, "/check", file=(io.BytesIO(content), "a.flac")).text
    assert "Not made here: it is a file that you uploaded." in page


@pytest.mark.parametrize(
    ("content", "name", "status", "words"),
    [
        (BROKEN, "a.png", 200, "Nothing here knows this file."),
        (b"hello", "<b>.txt", 200, "There is none in the file."),
        (b"", "a.png", 422, "The file is empty."),
        (b"GIF89a" + bytes(20), "a.gif", 422, "A GIF is not taken here."),
    ],
)
def test_a_strange_file_gets_a_clear_sentence(
    mine: Visitor, content: bytes, name: str, status: int, words: str
) -> None:
    answer = send(mine, "/check", file=(io.BytesIO(content), name))
    assert (answer.status_code, words in answer.text) == (status, True)
    assert "<b>.txt" not in answer.text
    assert send(mine, "/check").status_code == 422


def test_both_pages_are_found(mine: Visitor) -> None:
    page = mine.get("/gallery").text
    for path in ("/uploads", "/check"):
        assert page.count(f'href="{path}"') == 2, "from the head of the gallery, and behind More"


# ---- a real browser --------------------------------------------------------------------------------------------------


def test_in_a_browser(open_page: Callable[..., Page], tmp_path: Path) -> None:
    (tmp_path / "start.png").write_bytes(picture("png", (320, 200)))
    page = open_page("/uploads")
    page.get_by_label("File").set_input_files(tmp_path / "start.png")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("status").first).to_contain_text("“start.png” is kept.")
    assert_accessible(page, "uploads")
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/check")
    page.get_by_label("File").set_input_files(tmp_path / "start.png")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("There is none in the file.")).to_be_visible()
    assert_accessible(page, "a checked file")
    for path in ("/uploads", "/check"):
        page.goto(path)
        for size in (PHONE, {"width": 320, "height": 700}):
            page.set_viewport_size(size)
            assert_fits(page, path)
        page.set_viewport_size(PHONE)
        assert_accessible(page, f"{path} on a phone")
    page.goto("/uploads")
    page.get_by_role("button", name="Delete start.png").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("heading", name="No uploads yet")).to_be_visible()
