"""`atelier upload`, and paths given to `atelier submit`, against a site that really listens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.__main__ import atelier
from shared import listing, uploads
from shared.db import Database
from shared.owners import Owner
from tests.web import collage
from tests.web.test_uploads_api import picture, sound


@pytest.fixture(autouse=True)
def _collage() -> Iterator[None]:
    with collage.installed():
        yield


def test_files_are_uploaded_by_themselves_and_with_a_job(
    url: str, secret: str, tmp_path: Path, db: Database, owner: Owner
) -> None:
    def run(*words: str) -> Result:
        return CliRunner().invoke(atelier, [*words, "--url", url, "--key", secret])

    image, voice, rows = tmp_path / "start.png", tmp_path / "voice.wav", tmp_path / "rows.jsonl"
    image.write_bytes(picture())
    voice.write_bytes(sound())
    rows.write_text('{"text": "a"}\n')
    sent = run("upload", str(image), str(rows))
    assert sent.exit_code == 0, sent.output
    ref, table = sent.output.split()
    assert [each.media_type for each in uploads.page(db, owner.id).items] == ["application/jsonl", "image/png"]
    submitted = run(
        "submit", "collage", "prompt=a wall", "--image", str(image), f"sound={voice}", f"words={table}", "--seed=7"
    )
    assert submitted.exit_code == 0, submitted.output
    job = listing.get(db, owner.id, submitted.output.strip())
    assert (job.params["image"], job.params["words"], job.seed) == (ref, table, 7)
    assert len(uploads.page(db, owner.id).items) == 3

    wrong = run("submit", "collage", "prompt=x", "--image", str(tmp_path / "none.png"))
    assert (wrong.exit_code, "there is no file" in wrong.output) == (2, True)
    # What is wrong with the rest is told before a file is sent.
    voice.write_bytes(sound(0.7))
    refused = run("submit", "collage", "--image", str(voice), "--colour", "red")
    assert (refused.exit_code, "prompt" in refused.output) == (1, True)
    assert len(uploads.page(db, owner.id).items) == 3
    voice.write_bytes(b"GIF89a")
    told = run("upload", str(voice))
    assert (told.exit_code, "A GIF is not taken here." in told.output) == (1, True)
