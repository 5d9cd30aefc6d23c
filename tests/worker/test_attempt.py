"""What an attempt notes of its own course: when it took its first step, and its latest; and what it stores when."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import text

from shared.db import Database
from shared.storage import Storage
from worker import attempt as module
from worker.attempt import Attempt


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(f"file://{tmp_path}/store")


def attempt_of(workdir: Path, db: Database | None = None, storage: Storage | None = None) -> Attempt:
    nothing = cast(Any, None)
    return Attempt(
        cast(Any, SimpleNamespace(id="job_1", owner_id="own_1", seed=1, wish=None)),
        db=db or nothing,
        storage=storage or nothing,
        residency=nothing,
        torch_device="cpu",
        workdir=workdir,
        cache=workdir,
    )


def blobs(db: Database) -> int:
    with db.begin() as connection:
        return int(connection.execute(text("SELECT count(*) FROM blobs")).scalar_one())


def test_loading_ends_with_the_first_step_and_saving_begins_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    attempt = attempt_of(tmp_path)
    attempt.progress(0, None, "Loading the model")
    assert (attempt.last_progress.first_s, attempt.last_progress.last_s) == (None, None)
    for now, done in ((102.5, 1), (103.0, 2), (107.25, 8)):
        attempt.progress(done, 8)
        assert attempt.last_progress.first_s == 2.5
        assert attempt.last_progress.last_s == now - 100


def test_files_are_stored_together_at_the_end_each_content_once(tmp_path: Path, db: Database, storage: Storage) -> None:
    attempt = attempt_of(tmp_path, db, storage)
    for number, content in enumerate(("red", "green", "red")):
        file = tmp_path / f"{number}.txt"
        file.write_text(content)
        attempt.save_artifact(file)
    assert (list(storage.keys()), blobs(db)) == ([], 0)

    attempt.upload()

    assert [b"".join(storage.stream(output.key)) for output in attempt.outputs] == [b"red", b"green", b"red"]
    assert (len(list(storage.keys())), blobs(db)) == (2, 2)


def test_a_leaner_try_stores_nothing_of_the_one_before(tmp_path: Path, db: Database, storage: Storage) -> None:
    attempt = attempt_of(tmp_path / "work", db, storage)
    attempt.workdir.mkdir()
    (attempt.workdir / "half.txt").write_text("half")
    attempt.save_artifact(attempt.workdir / "half.txt")

    attempt.begin_lean()
    attempt.upload()

    assert (attempt.outputs, list(storage.keys())) == ([], [])
