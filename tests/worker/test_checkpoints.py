"""What a training stores while it runs: whole wherever it breaks off, and points that cost it nothing."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import text

from shared import artifacts, attempts, claims, curves, jobs, kinds, owners
from shared.claims import Claimant
from shared.db import Database
from shared.errors import StoodAside, Superseded, Unavailable
from shared.job import Job, JobState, Progress
from shared.storage import Storage
from worker.attempt import Attempt

ROOT = Path(__file__).parents[2]
HERE = Claimant("wkr_a", "host/cpu:0", ("accelerated",))

kinds.extend(ROOT / "tests" / "probe")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(f"file://{tmp_path}/store")


def claimed(db: Database) -> Job:
    job = claims.claim(db, HERE, lease_s=30)
    assert job is not None
    return job


@pytest.fixture
def job(db: Database) -> Job:
    jobs.submit(db, owners.ensure(db, "owner"), "learn", {"steps": 20})
    return claimed(db)


def attempt_of(job: Job, db: Database, storage: Storage, folder: Path) -> Attempt:
    workdir = folder / f"work-{job.attempt}"
    workdir.mkdir(parents=True, exist_ok=True)
    nothing = cast(Any, None)
    return Attempt(job, db=db, storage=storage, residency=nothing, torch_device="cpu", workdir=workdir, cache=folder)


def written(attempt: Attempt, content: str, name: str = "resume.json") -> Path:
    path = attempt.workdir / name
    path.write_text(content)
    return path


def restored(attempt: Attempt, name: str = "resume.json") -> str | None:
    found = attempt.restore(name)
    return found.read_text() if found else None


def again(db: Database, job: Job) -> Job:
    """The next attempt, after the worker of this one died."""
    attempts.reclaim(db, HERE.device, "wkr_new")
    with db.begin() as connection:
        connection.execute(text("update jobs set run_at = now() where id = :job"), {"job": job.id})
    return claimed(db)


def test_a_later_attempt_restores_the_latest_of_each_name(
    db: Database, storage: Storage, job: Job, tmp_path: Path
) -> None:
    first = attempt_of(job, db, storage, tmp_path)
    assert restored(first) is None
    for content in ("one", "two"):
        first.checkpoint(written(first, content))
    first.checkpoint(written(first, "best", "best.json"))
    second = attempt_of(again(db, job), db, storage, tmp_path)
    assert (restored(second), restored(second, "best.json"), restored(second, "worst.json")) == ("two", "best", None)


def test_a_retry_goes_on_from_the_checkpoint_of_the_job_that_failed(
    db: Database, storage: Storage, job: Job, tmp_path: Path
) -> None:
    first = attempt_of(job, db, storage, tmp_path)
    first.checkpoint(written(first, "far"))
    seed = job.seed
    attempts.fail(db, job, "time_limit", "It took too long.", retryable=False, retry_s=0)
    for content in ("far", "further"):
        jobs.retry(db, owners.ensure(db, "owner"), job.id)
        job = claimed(db)
        assert job.seed == seed
        attempt = attempt_of(job, db, storage, tmp_path / job.id)
        assert restored(attempt) == content
        attempt.checkpoint(written(attempt, "further"))
        attempts.fail(db, job, "time_limit", "It took too long.", retryable=False, retry_s=0)


@pytest.mark.parametrize("breaks", ["announce", "put", "points", "commit"])
def test_a_checkpoint_that_breaks_off_leaves_the_one_before_whole(
    db: Database, storage: Storage, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    attempt = attempt_of(job, db, storage, tmp_path)
    attempt.checkpoint(written(attempt, "whole"))

    def fail(*_: object, **__: object) -> None:
        raise Unavailable("The test says so.")

    place, name = {
        "announce": (artifacts, "announce"),
        "put": (storage, "put"),
        "points": (attempt.points, "write"),
        "commit": (artifacts, "replace_checkpoint"),
    }[breaks]
    with monkeypatch.context() as broken:
        broken.setattr(place, name, fail)
        with pytest.raises(Unavailable):
            attempt.checkpoint(written(attempt, "half"))
    assert restored(attempt_of(again(db, job), db, storage, tmp_path)) == "whole"
    with db.begin() as connection:
        later = connection.execute(text("select now() + interval '1 h'")).scalar_one()
    attempts.finish(db, job, [], progress=Progress(), metrics={})
    artifacts.discard_orphans(db, later, storage.delete)
    found = artifacts.checkpoint(db, job.id, "resume.json")
    assert found is not None
    assert storage.exists(found.key)


_KILLED = """
import os, signal, sys
from pathlib import Path
from shared import artifacts, attempts, kinds, listing
from shared.db import Database
from shared.storage import Storage
from worker.attempt import Attempt
url, store, folder, owner, job, place = sys.argv[1:]
kinds.extend(Path("tests/probe"))
db, storage = Database(url), Storage(store)
attempt = Attempt(listing.get(db, owner, job), db=db, storage=storage, residency=None, torch_device="cpu",
                  workdir=Path(folder), cache=Path(folder))
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if place == "in the commit":
    artifacts.insert_all = die
elif place == "after the bytes":
    attempts.checkpoint = die
elif place == "before the bytes":
    storage.put = die
path = Path(folder) / "resume.json"
path.write_text("new")
attempt.checkpoint(path)
die()
"""


@pytest.mark.parametrize(
    ("place", "left"),
    [("before the bytes", "old"), ("after the bytes", "old"), ("in the commit", "old"), ("after it", "new")],
)
def test_a_killed_process_leaves_one_whole_checkpoint(
    db: Database, database_url: str, storage: Storage, job: Job, tmp_path: Path, place: str, left: str
) -> None:
    attempt = attempt_of(job, db, storage, tmp_path)
    attempt.checkpoint(written(attempt, "old"))
    given = [database_url, f"file://{tmp_path}/store", str(attempt.workdir), job.owner_id, job.id, place]
    killed = subprocess.run([sys.executable, "-c", _KILLED, *given], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert restored(attempt_of(again(db, job), db, storage, tmp_path)) == left


def test_an_overtaken_attempt_stops_at_its_checkpoint(db: Database, storage: Storage, job: Job, tmp_path: Path) -> None:
    late = attempt_of(job, db, storage, tmp_path)
    late.checkpoint(written(late, "mine"))
    current = attempt_of(again(db, job), db, storage, tmp_path)
    with pytest.raises(Superseded):
        late.checkpoint(written(late, "late"))
    assert restored(current) == "mine"


def test_a_checkpoint_writes_the_points_before_it_and_forgives_failures(
    db: Database, storage: Storage, job: Job, tmp_path: Path
) -> None:
    attempts.fail(db, job, "net", "Away.", retryable=True, retry_s=0)
    attempt = attempt_of(claimed(db), db, storage, tmp_path)
    assert attempt.job.failures == 1
    attempt.metric("loss", 0.5, 1)
    attempt.checkpoint(written(attempt, "one"))
    assert attempt.job.failures == 0
    assert curves.read(db, [job.id])[job.id] == {"loss": [(1, 0.5)]}


def test_points_that_are_no_numbers_are_left_out_and_the_last_of_a_step_counts(
    db: Database, storage: Storage, job: Job, tmp_path: Path
) -> None:
    attempt = attempt_of(job, db, storage, tmp_path)
    for value in (1.0, float("nan"), float("inf"), 2.0):
        attempt.metric("loss", value, 1)
    attempt.metric("loss", float("nan"), 2)
    attempt.metric("seconds", 3.0)
    attempt.points.write()
    assert curves.read(db, [job.id])[job.id] == {"loss": [(1, 2.0)]}
    assert attempt.metrics == {"loss": 2.0, "seconds": 3.0}


def test_points_wait_for_a_database_that_is_away(
    db: Database, storage: Storage, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_of(job, db, storage, tmp_path)
    attempt.metric("loss", 1.0, 1)

    def away(*_: object) -> None:
        raise Unavailable

    with monkeypatch.context() as broken:
        broken.setattr(curves, "write", away)
        with pytest.raises(Unavailable):
            attempt.points.write()
    attempt.metric("loss", 2.0, 2)
    attempt.points.write()
    assert curves.read(db, [job.id])[job.id] == {"loss": [(1, 1.0), (2, 2.0)]}


def test_a_hundred_thousand_points_cost_a_training_next_to_nothing(
    db: Database, storage: Storage, job: Job, tmp_path: Path
) -> None:
    attempt = attempt_of(job, db, storage, tmp_path)
    began = time.process_time()
    for step in range(100_000):
        attempt.metric("loss", 0.5, step)
    assert time.process_time() - began < 1.5
    attempt.points.write()
    assert len(curves.read(db, [job.id])[job.id]["loss"]) <= curves.MOST_POINTS
    with db.begin() as connection:
        assert connection.execute(text("select count(*) from points")).scalar_one() == 100_000


def test_a_wish_is_what_the_pulse_heard_and_leaving_is_yielding(
    db: Database, storage: Storage, job: Job, tmp_path: Path
) -> None:
    attempt = attempt_of(job, db, storage, tmp_path)
    assert attempt.wish() is None
    attempt.wished = "leave"
    assert attempt.wish() == "yield"
    with pytest.raises(StoodAside):
        attempt.step_aside()
    attempt.wished = None
    assert attempt.stood_aside_for == "leave"
    assert not isinstance(StoodAside(), Exception)


def test_checkpoints_are_gone_when_the_job_has_succeeded(
    db: Database, storage: Storage, job: Job, tmp_path: Path
) -> None:
    attempt = attempt_of(job, db, storage, tmp_path)
    attempt.checkpoint(written(attempt, "one"))
    assert attempts.finish(db, attempt.job, [], progress=Progress(), metrics={}) is JobState.SUCCEEDED
    assert restored(attempt) is None


def test_an_attempt_that_goes_on_says_how_much_was_done_before_it(
    db: Database, storage: Storage, job: Job, tmp_path: Path
) -> None:
    first = attempt_of(job, db, storage, tmp_path)
    first.progress(1, 20)
    first.checkpoint(written(first, "at 11"))
    second = attempt_of(again(db, job), db, storage, tmp_path)
    second.restore("resume.json")
    for done in (12, 13):
        second.progress(done, 20)
    assert (first.last_progress.before, second.last_progress.before) == (0, 11)
