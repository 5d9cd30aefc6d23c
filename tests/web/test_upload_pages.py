"""Files in forms, on the pages of jobs and in the gallery, as a browser without a script sees them."""

import io
import json
import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared import library, listing, uploads
from shared.db import Database
from shared.owners import Owner
from tests.web import collage
from tests.web.conftest import Visitor
from tests.web.driving import Driver
from tests.web.test_uploads_api import film, picture, sound


@pytest.fixture(autouse=True)
def _collage() -> Iterator[None]:
    with collage.installed():
        yield


@pytest.fixture
def adapters(app: Flask, db: Database) -> None:
    for name in ("inked", "soft"):
        library.add(db, None, name=name, task="image-adapter", source=f"hub:demo/{name}", revision="0" * 40)


@pytest.fixture
def upload(client: FlaskClient, secret: str) -> Callable[..., str]:
    def upload(content: bytes, name: str, key: str = secret) -> str:
        answer = client.post(
            "/api/uploads", data={"file": (io.BytesIO(content), name)}, headers={"Authorization": f"Bearer {key}"}
        )
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json["id"])

    return upload


def send(visitor: Visitor, path: str, **fields: object) -> TestResponse:
    found = re.search(r'name="csrf_token" value="([^"]+)"', visitor.get("/login").text)
    assert found is not None
    return visitor.client.post(path, data={"csrf_token": found[1], **fields}, content_type="multipart/form-data")


def test_a_form_carries_its_files_and_its_adapters(mine: Visitor, adapters: None, db: Database, owner: Owner) -> None:
    page = mine.get("/?kind=collage").text
    assert 'enctype="multipart/form-data"' in page
    assert 'name="image.file" accept="image/png,image/jpeg,image/webp"' in page
    fields = {
        "kind": "collage", "prompt": "a wall", "token": "t",
        "adapters.0.model": "inked", "adapters.0.weight": "0.5", "adapters.1.model": "", "adapters.1.weight": "1",
        "adapters.2.model": "soft", "adapters.2.weight": "",
    }  # fmt: skip
    files = lambda: {"image.file": (io.BytesIO(picture()), "start.png")}  # noqa: E731 - an open file is sent once
    first = send(mine, "/", **fields, **files())
    again = send(mine, "/", **fields, **files())
    assert (first.status_code, again.location) == (303, first.location)
    job = listing.page(db, owner.id).items[0]
    kept = uploads.page(db, owner.id).items
    assert [each.name for each in kept] == ["start.png"]
    assert job.params["image"] == kept[0].id
    assert job.params["adapters"] == [{"model": "inked", "weight": 0.5}, {"model": "soft", "weight": 1.0}]

    # Remix has all of it again; the file of the first is among the recent ones of another form.
    remix = mine.get(f"/?from={job.id}").text
    assert f'name="image" value="{kept[0].id}" checked' in remix
    assert '<option value="inked" selected' in remix
    assert f'name="image" value="{kept[0].id}"' in mine.get("/?kind=collage").text
    # On its page stands what it was given.
    shown = mine.get(f"/jobs/{job.id}").text
    assert "start.png" in shown
    assert f"/api/artifacts/{kept[0].id}/thumbnail" in shown
    assert "inked × 0.5" in shown


def test_what_is_refused_is_said_at_its_field_and_the_rest_stays(mine: Visitor, db: Database, owner: Owner) -> None:
    answer = send(
        mine, "/", kind="collage", prompt="a wall", **{"image.file": (io.BytesIO(b"GIF89a"), "moving.gif"),
        "sound.file": (io.BytesIO(sound()), "voice.wav")},
    )  # fmt: skip
    assert answer.status_code == 422
    assert "A GIF is not taken here." in answer.text
    assert "a wall</textarea>" in answer.text
    assert re.search(r'id="f-image"[^>]*aria-invalid="true" autofocus', answer.text)
    missing = send(mine, "/", kind="collage", prompt="a wall")
    assert (missing.status_code, "This is needed." in missing.text) == (422, True)


def test_a_ref_of_another_medium_or_owner_is_refused_at_its_field(
    mine: Visitor, upload: Callable[..., str], stranger_secret: str, adapters: None, db: Database, owner: Owner
) -> None:
    ours, theirs = upload(sound(), "a.wav"), upload(picture(), "b.png", stranger_secret)
    for ref, words in ((ours, "This must be a picture; the file is audio/flac."), (theirs, "There is no such file")):
        answer = mine.post("/", kind="collage", prompt="x", image=ref)
        assert (answer.status_code, words in answer.text) == (422, True), answer.text[:200]
    ok = upload(picture(), "b.png")
    wrong = mine.post("/", kind="collage", prompt="x", image=ok, **{"adapters.0.model": "digits"})
    assert (wrong.status_code, "The model &#39;digits&#39; is for text-to-image" in wrong.text) == (422, True)
    call = mine.post("/create/api-call", kind="collage", prompt="x", image=ok, **{"adapters.0.model": "soft"}).text
    assert f"&#34;image&#34;: &#34;{ok}&#34;" in call
    assert "should be" not in call


def test_one_field_is_drawn_alone_for_a_script(mine: Visitor, upload: Callable[..., str]) -> None:
    sent = send(
        mine, "/create/attach", kind="collage", field="image", **{"image.file": (io.BytesIO(picture()), "a.png")}
    )
    assert sent.status_code == 200
    assert "<html" not in sent.text
    assert 'class="held"' in sent.text
    refused = send(mine, "/create/attach", kind="collage", field="image", **{"image.file": (io.BytesIO(b"x"), "a.png")})
    assert (refused.status_code, 'class="error"' in refused.text) == (422, True)
    empty = mine.post("/create/attach", kind="collage", field="image", ref="")
    assert (empty.status_code, 'class="held"' in empty.text) == (200, False)
    assert mine.post("/create/attach", kind="collage", field="prompt").status_code == 404


def test_a_batch_varies_a_file_by_lines_of_ids_and_a_schedule_keeps_one(
    mine: Visitor, upload: Callable[..., str], db: Database, owner: Owner
) -> None:
    first, second = upload(picture(), "a.png"), upload(picture(size=(9, 9)), "b.png")
    made = mine.post("/batches/new", kind="collage", prompt="x", **{"vary.image": f"{first}\n{second}\n"})
    assert made.status_code == 303, made.text
    assert {job.params["image"] for job in listing.page(db, owner.id).items} == {first, second}
    wrong = mine.post("/batches/new", kind="collage", prompt="x", **{"vary.image": f"{first}\nart_{'0' * 26}"})
    assert (wrong.status_code, "There is no such file" in wrong.text) == (422, True)
    begun = send(mine, "/batches/new/begin", kind="collage", prompt="x", **{"image.file": (io.BytesIO(picture()), "a")})
    assert f"image={first}" in begun.location


def test_the_page_of_a_job_shows_every_medium(mine: Visitor, driver: Driver, upload: Callable[..., str]) -> None:
    ref = upload(picture(), "start.png")
    job = driver.submit("collage", prompt="x", image=ref)
    rows = "".join(json.dumps({"text": f"row {number}", "score": number / 7}) + "\n" for number in range(60))
    array = io.BytesIO()
    np.save(array, np.zeros((3, 4), "float32"))
    driver.finish(
        driver.claim(),
        driver.file("output", "clip.mp4", "video/mp4", film()),
        driver.file("output", "voice.wav", "audio/wav", sound()),
        driver.file("output", "clip.vtt", "text/vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"),
        driver.file("output", "rows.jsonl", "application/jsonl", rows.encode()),
        driver.file("output", "rows.csv", "text/csv", b'a,"b, c"\n1,<b>two</b>\n'),
        driver.file("output", "list.json", "application/json", b'[{"label": "pos", "score": 0.5}]'),
        driver.file("output", "vectors.npy", "application/x-npy", array.getvalue()),
    )
    page = mine.get(f"/jobs/{job.id}").text
    assert "<video" in page
    assert re.search(r'<track kind="subtitles" src="/api/artifacts/art_', page)
    assert "<audio" in page
    assert page.count("<td>row ") == 50
    assert "Only the first rows are shown" in page
    assert '<th scope="col">b, c</th>' in page
    assert "<td>&lt;b&gt;two&lt;/b&gt;</td>" in page
    assert "<td>pos</td>" in page
    assert "3 × 4 · &lt;f4" in page
    assert re.search(r'href="/\?kind=collage&amp;clip=art_', page)
    assert mine.get("/gallery").text.count('class="kind"') == 1


def test_many_kinds_stand_in_groups(mine: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.pages.palette.FLAT", 2)
    page = mine.get("/?kind=generate_code").text
    nav = re.search(r'<nav class="palette".*?</nav>', page, re.DOTALL)
    assert nav is not None
    hrefs = re.findall(r'href="([^"]+)"', nav[0])
    assert hrefs[0] == "/?kind=generate_code"
    assert any(each.startswith("/?kind=") for each in hrefs[1:])
    assert "/?kind=collage" in re.findall(r'href="([^"]+)"', mine.get("/?kind=collage").text)
    assert "/?kind=generate_text" in hrefs
    assert len(re.findall('aria-current="true"', nav[0])) == 1
    for path in ("/batches/new?kind=generate_image", "/schedules/new?kind=generate_text"):
        assert 'class="palette"' in mine.get(path).text
