"""`POST /api/provenance`: what is known of a file, whole, changed, stripped, of somebody else, or hostile."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from shared import labels, signers, xmp
from shared.contents import content_hash
from shared.credentials import Signatory
from shared.db import Database
from shared.job import Job
from shared.signing import SigningKey, signing_key
from tests.web.driving import Driver

Ask = Callable[..., dict[str, Any]]
WORK = {"kind": "generate_image", "model": "emoji", "seed": 7}


@pytest.fixture
def ask(client: FlaskClient, secret: str) -> Ask:
    """Asks about a file; the answer as JSON."""

    def ask(content: bytes, name: str = "file.png", key: str = secret, status: int = 200) -> dict[str, Any]:
        answer = client.post(
            "/api/provenance",
            data={"file": (io.BytesIO(content), name)},
            headers={"Authorization": f"Bearer {key}"},
        )
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json
        return found

    return ask


@pytest.fixture
def ours(db: Database, tmp_path: Path) -> SigningKey:
    """The key of this installation's workers."""
    key = signing_key(tmp_path / "ours.pem", "Atelier")
    signers.register(db, key)
    return key


def signed(folder: Path, key: SigningKey) -> tuple[bytes, str]:
    """A picture as a worker finishes it, and the hash of its content."""
    path = folder / "image-1.png"
    info = PngInfo()
    info.add_text("parameters", "a red apple\nSteps: 8")
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 50, 3), np.uint8)).save(path, pnginfo=info)
    content = content_hash(path, "image/png")
    xmp.embed(path, "image/png", labels.packet(labels.Label("Atelier", "job_1/image-1.png")))
    Signatory(key, "1.2").sign(path, "image/png", WORK)
    return path.read_bytes(), content


def made(driver: Driver, data: bytes, content: str) -> Job:
    """A job of ours that made this picture."""
    driver.submit("generate_image", prompt="red apple")
    job = driver.claim()
    driver.finish(job, replace(driver.file("output", "image-1.png", "image/png", data), content_sha256=content))
    return job


def test_a_work_is_known_with_its_job_its_signature_its_label_and_its_settings(
    ask: Ask, driver: Driver, ours: SigningKey, tmp_path: Path
):
    data, content = signed(tmp_path, ours)
    job = made(driver, data, content)
    found = ask(data)
    assert (found["made_here"], found["match"], found["media_type"]) == (True, "exact", "image/png")
    assert [(each["job_id"], each["role"]) for each in found["artifacts"]] == [(job.id, "output")]
    assert (found["credentials"]["state"], found["credentials"]["work"]) == ("trusted", WORK)
    assert found["label"]["ProduceID"] == "job_1/image-1.png"
    assert found["settings"].startswith("a red apple")


def test_a_stripped_copy_is_known_by_what_it_shows(ask: Ask, driver: Driver, ours: SigningKey, tmp_path: Path):
    data, content = signed(tmp_path, ours)
    job = made(driver, data, content)
    with Image.open(io.BytesIO(data)) as image:
        bare = io.BytesIO()
        Image.fromarray(np.asarray(image)).save(bare, "PNG")
    found = ask(bare.getvalue())
    assert (found["made_here"], found["match"], found["credentials"], found["label"]) == (True, "content", None, None)
    assert [each["job_id"] for each in found["artifacts"]] == [job.id]


def test_a_changed_file_is_found_out(ask: Ask, ours: SigningKey, tmp_path: Path):
    data = bytearray(signed(tmp_path, ours)[0])
    data[-40] ^= 1
    found = ask(bytes(data))
    assert (found["made_here"], found["credentials"]["state"]) == (False, "invalid")
    assert found["credentials"]["problems"]


def test_another_installations_work_is_valid_and_not_ours(ask: Ask, ours: SigningKey, tmp_path: Path):
    data, _ = signed(tmp_path, signing_key(tmp_path / "theirs.pem", "Theirs"))
    found = ask(data)
    assert (found["made_here"], found["credentials"]["state"]) == (False, "valid")
    assert found["credentials"]["issuer"] == "Theirs"


def test_another_owner_hears_what_the_file_says_and_nothing_of_the_job(
    ask: Ask, driver: Driver, ours: SigningKey, tmp_path: Path, stranger_secret: str
):
    data, content = signed(tmp_path, ours)
    made(driver, data, content)
    found = ask(data, key=stranger_secret)
    assert (found["made_here"], found["match"], found["artifacts"]) == (True, None, [])


BROKEN = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.mark.parametrize(("content", "name"), [(b"hello", "note.txt"), (BROKEN, "a.png"), (b"ID3" + bytes(99), "a")])
def test_of_other_files_nothing_is_known(ask: Ask, content: bytes, name: str):
    found = ask(content, name)
    assert (found["made_here"], found["match"], found["credentials"], found["label"]) == (False, None, None, None)


def test_what_cannot_be_looked_at_is_refused_with_a_sentence(ask: Ask):
    assert ask(b"", status=422)["code"] == "empty_file"
    assert "GIF" in ask(b"GIF89a" + bytes(20), "a.gif", status=422)["detail"]


def test_a_picture_that_unpacks_to_too_much_is_not_unpacked(ask: Ask):
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    found = ask(bomb.getvalue())
    assert (found["made_here"], found["settings"]) == (False, None)
