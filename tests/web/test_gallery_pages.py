"""The gallery and pictures' settings, as a browser without a script sees them; and their part of the API."""

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from shared import artifacts, gallery
from shared.db import Database
from shared.job import Artifact
from shared.owners import Owner
from tests.web.conftest import Visitor
from tests.web.driving import Driver
from web.pages import gallery as gallery_page
from worker.engines.pictures import save_png

Make = Callable[..., Artifact]
RECORD = {
    "kind": "generate_image",
    "prompt": "a rote Straße, 红苹果",
    "negative_prompt": None,
    "width": 64,
    "height": 48,
    "steps": 12,
    "guidance": 4.0,
    "scheduler": "euler",
    "model": "digits",
    "model_key": "digits@1",
    "seed": 42,
}


@pytest.fixture
def png(tmp_path: Path) -> bytes:
    """A picture as `generate_image` writes it."""
    path = tmp_path / "made.png"
    save_png(Image.new("RGB", (64, 48), "teal"), path, parameters="a rote Straße, 红苹果\nSteps: 12", record=RECORD)
    return path.read_bytes()


@pytest.fixture
def make(driver: Driver, png: bytes) -> Make:
    """Makes one finished picture."""

    def make(prompt: str = "a red apple", **params: object) -> Artifact:
        job = driver.submit(prompt=prompt, **params)
        file = driver.file("output", "image-1.png", "image/png", png + prompt.encode(), seed=43, width=64, height=48)
        driver.finish(driver.claim(), file)
        return artifacts.of_jobs(driver.db, driver.owner.id, [job.id])[job.id][0]

    return make


# ---- the page -------------------------------------------------------------------------------------------------------


def test_an_empty_gallery_says_what_it_is_for(mine: Visitor) -> None:
    page = mine.get("/gallery").text
    assert "No pictures yet" in page
    assert "Make the first one" in page
    assert "No pictures match" in mine.get("/gallery?q=apple").text
    assert "Star a picture" in mine.get("/gallery?starred=yes").text


def test_pictures_are_listed_with_what_can_be_done(mine: Visitor, make: Make, theirs: Visitor) -> None:
    hostile = '<script>alert(1)</script>"'
    picture = make(hostile, seed=42, images=4)
    page = mine.get("/gallery").text
    assert f'src="/api/artifacts/{picture.id}/thumbnail"' in page
    assert 'data-ratio="1.3333"' in page
    assert "<script>alert" not in page
    remix = mine.get(f"/?from={picture.job_id}").text
    assert "with a new seed." in remix
    same = re.search(r'href="(/\?[^"]*seed=43[^"]*)"', page)
    assert same is not None
    again = mine.get(same[1].replace("&amp;", "&")).text
    assert "with the same seed." in again
    assert 'name="seed" value="43"' in again
    assert picture.id not in theirs.get("/gallery").text


def test_filters_and_paging(mine: Visitor, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_page, "PAGE", 2)
    made = [make(f"picture {number}").id for number in range(3)]
    page = mine.get("/gallery").text
    onward = re.search(r'data-more href="([^"]+)"', page)
    assert onward is not None
    assert (made[2] in page, made[0] in page) == (True, False)
    assert made[0] in mine.get(onward[1].replace("&amp;", "&")).text
    fragment = mine.get(f"/gallery/more?cursor={made[1]}").text
    assert made[0] in fragment
    assert "<html" not in fragment
    for query, there in (("q=picture+1", True), ("q=nothing", False), ("until=2001-01-01", False), ("until=x", True)):
        assert (made[1] in mine.get(f"/gallery?{query}").text) is there, query
    assert made[1] not in mine.get("/gallery/list?model=digits").text
    assert mine.get("/gallery?cursor=odd").status_code == 422


def test_what_comes_later_is_told_and_nothing_is_204(mine: Visitor, make: Make) -> None:
    first = make()
    address = f"/gallery/news?since={first.id}&seen=0"
    assert address.replace("&", "&amp;") in mine.get("/gallery").text
    assert mine.get(address).status_code == 204
    make("a green pear")
    assert "1 new picture<" in mine.get(address).text
    assert mine.get(f"/gallery/news?since={first.id}&seen=1").status_code == 204


def test_stars(mine: Visitor, theirs: Visitor, make: Make, db: Database, owner: Owner) -> None:
    picture = make()
    answer = mine.post(f"/gallery/{picture.id}/star", starred="yes", next="/gallery?q=apple")
    assert (answer.status_code, answer.location) == (303, f"/gallery?q=apple#shot-{picture.id}")
    assert 'aria-pressed="true"' in mine.get("/gallery?starred=yes").text
    assert mine.post(f"/gallery/{picture.id}/star", next="//evil.example").location == f"/gallery#shot-{picture.id}"
    assert gallery.page(db, owner.id, starred=True).items == []
    assert theirs.post(f"/gallery/{picture.id}/star", starred="yes").status_code == 404


def test_a_selection_is_a_zip_or_two_compared(mine: Visitor, theirs: Visitor, make: Make) -> None:
    apple, pear = make("a red apple"), make("a green pear", steps=9)

    def send(visitor: Visitor, *ids: str, do: str = "zip") -> TestResponse:
        return visitor.post("/gallery/selection", pick=list(ids), do=do)  # type: ignore[arg-type]  # several of one name

    answer = send(mine, apple.id, pear.id)
    packed = zipfile.ZipFile(io.BytesIO(answer.data))
    assert packed.namelist() == ["001-image-1.png", "002-image-1.png", "settings.jsonl"]
    assert [json.loads(line)["title"] for line in packed.read("settings.jsonl").splitlines()] == [
        "a red apple",
        "a green pear",
    ]
    refused = send(mine)
    assert refused.status_code == 422
    assert "Select at least one picture." in refused.text
    one = send(mine, apple.id, do="compare")
    assert one.status_code == 422
    assert "Select two pictures to compare." in one.text
    assert re.search(rf'value="{apple.id}"[^>]* checked', one.text)
    assert send(theirs, apple.id).status_code == 404
    assert send(mine, "art_unknown").status_code == 404
    there = send(mine, apple.id, pear.id, do="compare")
    assert there.location == f"/gallery/compare?a={apple.id}&b={pear.id}"
    page = mine.get(there.location).text
    assert re.search(r'<th scope="row">Steps</th><td class="num">–</td><td class="num">9</td>', page)
    assert page.index("What differs") < page.index(">Steps<") < page.index("What is the same")
    assert theirs.get(there.location).status_code == 404
    assert mine.get("/gallery/compare?a=odd").status_code == 404
    same = mine.get(f"/gallery/compare?a={apple.id}&b={apple.id}").text
    assert "The settings are the same." in same


@pytest.mark.parametrize("path", ["/gallery", "/gallery?starred=yes", "/create/from-picture"])
def test_pages_need_no_inline_script_or_style(mine: Visitor, make: Make, path: str) -> None:
    make()
    page = mine.get(path)
    assert page.status_code == 200
    for forbidden in ("<style", " style=", "<script>", " onclick"):
        assert forbidden not in page.text


# ---- a picture's own settings ---------------------------------------------------------------------------------------


def send_picture(mine: Visitor, content: bytes, name: str = "made.png") -> TestResponse:
    return mine.post("/create/from-picture", picture=(io.BytesIO(content), name))  # type: ignore[arg-type]  # a file


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(*chunks: bytes) -> bytes:
    """A PNG of one grey pixel, with these chunks before its data."""
    ends = (chunk(b"IDAT", zlib.compress(b"\0\0")), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + b"".join(chunks + ends)


def test_a_picture_fills_the_form(mine: Visitor, png: bytes) -> None:
    answer = send_picture(mine, png)
    assert answer.status_code == 303
    page = mine.get(answer.location).text
    assert "Settings read from a picture." in page
    assert "a rote Straße, 红苹果</textarea>" in page
    for text in (
        'name="seed" value="42"',
        'name="steps" value="12"',
        'value="digits" selected',
        'value="euler" selected',
    ):
        assert text in page, text


def test_a_picture_of_another_tool_fills_what_it_can(mine: Visitor) -> None:
    lines = b"a castle\nNegative prompt: fog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768"
    other = picture(chunk(b"tEXt", b"parameters\0" + lines))
    page = mine.get(send_picture(mine, other).location).text
    for text in ("a castle</textarea>", "fog</textarea>", 'name="seed" value="5"', 'name="height" value="768"'):
        assert text in page, text


def test_a_long_prompt_is_read_too(mine: Visitor) -> None:
    record = json.dumps(RECORD | {"prompt": "word " * 3000}).encode()
    answer = send_picture(mine, picture(chunk(b"tEXt", b"atelier\0" + record)))
    assert answer.status_code == 200
    assert "word " * 2999 in answer.text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"GIF89a", "This is no PNG."),
        (b"", "This is no PNG."),
        (b"\x89PNG\r\n\x1a\n", "This is no PNG."),
        (b"\x89PNG\r\n\x1a\n\xff\xff\xff\xfftEXtatelier", "This is no PNG."),
        (picture(), "This picture has no settings in it."),
        (picture(chunk(b"tEXt", b"atelier\0[[[")), "This picture has no settings in it."),
        (picture(chunk(b"tEXt", b"atelier\0" + b"[" * 200_000)), "This picture has no settings in it."),
        (picture(chunk(b"tEXt", b'atelier\0{"prompt": 1, "kind": "x"}')), "not installed here"),
        (picture(chunk(b"iTXt", b"atelier\0")), "This picture has no settings in it."),
        (picture(chunk(b"zTXt", b"atelier\0\0" + zlib.compress(b"[" * 8_000_000))), "This"),
        (picture().replace(struct.pack(">II", 1, 1), struct.pack(">II", 60_000, 60_000)), "This is no PNG."),
    ],
)
def test_a_wrong_file_gets_a_sentence(mine: Visitor, content: bytes, sentence: str) -> None:
    answer = send_picture(mine, content)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert re.search(r'id="picture"[^>]*aria-invalid="true" autofocus', answer.text)


def test_no_file_gets_a_sentence(mine: Visitor) -> None:
    assert "Choose a picture first." in mine.post("/create/from-picture").text


# ---- the API --------------------------------------------------------------------------------------------------------


def test_artifacts_by_the_api(client: FlaskClient, secret: str, stranger_secret: str, make: Make) -> None:
    apple, pear = make("a red apple"), make("a green pear")
    mine = {"Authorization": f"Bearer {secret}"}
    theirs = {"Authorization": f"Bearer {stranger_secret}"}
    first = client.get("/api/artifacts?media=image/&role=output&limit=1", headers=mine).get_json()
    assert [each["id"] for each in first["artifacts"]] == [pear.id]
    assert first["artifacts"][0]["seed"] == 43
    second = client.get(f"/api/artifacts?cursor={first['next']}", headers=mine).get_json()
    assert [each["id"] for each in second["artifacts"]] == [apple.id]
    assert second["next"] is None
    assert client.get("/api/artifacts", headers=theirs).get_json()["artifacts"] == []
    starred = client.post(f"/api/artifacts/{apple.id}/star", headers=mine).get_json()
    assert starred["starred_at"] is not None
    assert client.post(f"/api/artifacts/{apple.id}/star", headers=mine).get_json() == starred
    assert len(client.get("/api/artifacts?starred=true", headers=mine).get_json()["artifacts"]) == 1
    assert client.delete(f"/api/artifacts/{apple.id}/star", headers=mine).get_json()["starred_at"] is None
    for answer in (
        client.post(f"/api/artifacts/{apple.id}/star", headers=theirs),
        client.delete(f"/api/artifacts/{apple.id}/star", headers=theirs),
        client.get(f"/api/artifacts/{apple.id}/thumbnail", headers=theirs),
        client.post("/api/artifacts/zip", json={"ids": [apple.id]}, headers=theirs),
    ):
        assert answer.status_code == 404
    packed = client.post("/api/artifacts/zip", json={"ids": [apple.id]}, headers=mine)
    assert zipfile.ZipFile(io.BytesIO(packed.data)).namelist() == ["001-image-1.png", "settings.jsonl"]
    assert client.post("/api/artifacts/zip", json={"ids": []}, headers=mine).status_code == 422


def test_a_thumbnail_is_small_safe_and_kept(client: FlaskClient, secret: str, make: Make, driver: Driver) -> None:
    mine = {"Authorization": f"Bearer {secret}"}
    old = make()
    whole = client.get(f"/api/artifacts/{old.id}/thumbnail", headers=mine)
    assert (whole.status_code, whole.mimetype) == (200, "image/png")
    assert whole.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert whole.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    again = client.get(f"/api/artifacts/{old.id}/thumbnail", headers=mine | {"If-None-Match": whole.headers["ETag"]})
    assert again.status_code == 304
    job = driver.submit()
    driver.finish(
        driver.claim(),
        driver.file("output", "a.svg", "image/svg+xml", b"<svg/>"),
        driver.file("log", "l.txt", "text/plain", b"x"),
    )
    drawing, log = artifacts.of_jobs(driver.db, driver.owner.id, [job.id])[job.id]
    assert client.get(f"/api/artifacts/{log.id}/thumbnail", headers=mine).status_code == 404
    answer = client.get(f"/api/artifacts/{drawing.id}/thumbnail", headers=mine)
    assert answer.headers["Content-Disposition"].startswith("attachment")
