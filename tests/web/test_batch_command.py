"""`atelier batch` against a site that really listens."""

import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from werkzeug.serving import make_server

from cli.__main__ import atelier
from shared import attempts, claims
from shared.claims import Claimant
from shared.db import Database
from shared.job import Progress


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_submitted_watched_retried_cancelled_and_fetched(
    url: str, secret: str, tmp_path: Path, db: Database
) -> None:
    def run(*words: str) -> Result:
        return CliRunner().invoke(atelier, ["batch", *words, "--url", url, "--key", secret])

    file = tmp_path / "jobs.csv"
    file.write_text("text,seed\none,1\ntwo,\n")
    submitted = run("submit", "generate_speech", str(file), "speed=1.5", "--priority", "7", "--title", "Two words")
    assert submitted.exit_code == 0, submitted.output
    batch_id = submitted.output.strip()
    assert run("status", batch_id).output == "generate_speech running: 2 queued\n"
    assert "Two words" in run("list").output

    job = claims.claim(db, Claimant("w", "h/cpu:0", ("accelerated",)), lease_s=30)
    assert job is not None
    assert (job.params["text"], job.params["speed"], job.seed) == ("one", 1.5, 1)
    attempts.finish(db, job, [], progress=Progress(), metrics={})
    assert run("cancel", batch_id).output == "generate_speech partial: 1 succeeded, 1 cancelled\n"
    assert run("retry", batch_id).exit_code == 1
    assert run("retry", batch_id, "--cancelled").output == "generate_speech running: 1 queued, 1 succeeded\n"

    for name in ("all.zip", "all.jsonl"):
        assert run("results", batch_id, str(tmp_path / name)).exit_code == 0
    with zipfile.ZipFile(tmp_path / "all.zip") as packed:
        assert packed.read("manifest.jsonl") == (tmp_path / "all.jsonl").read_bytes()
    assert [json.loads(line)["index"] for line in (tmp_path / "all.jsonl").read_text().splitlines()] == [1, 2]


def test_wrong_lines_are_told(url: str, secret: str, tmp_path: Path) -> None:
    file = tmp_path / "jobs.jsonl"
    file.write_text('{"text": "a"}\n{"text": 7}\n{\n')
    told = CliRunner().invoke(atelier, ["batch", "submit", "generate_speech", str(file), "--url", url, "--key", secret])
    assert told.exit_code == 1
    assert "line 2, text: Must be text." in told.output
    assert "line 3: This is not JSON" in told.output
