"""The beat deletes what nobody names, keeps what somebody does, and waits after an outage."""

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from shared import artifacts, attempts, claims, jobs, listing, owners, schedules
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.job import JobState, Progress
from shared.schedule import Schedule, Terms
from shared.settings import Settings
from shared.storage import Storage, fingerprint
from worker.beat import GARBAGE_GRACE_S, Beat

ME = Claimant("wkr_a", "host/cpu:0", ("accelerated",))


@pytest.fixture
def beat(settings: Settings) -> Beat:
    return Beat(settings)


def upload(db: Database, settings: Settings, owner_id: str, name: str) -> NewArtifact:
    path = settings.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name)
    content = fingerprint(path)
    key = artifacts.blob_key(owner_id, content.sha256)
    artifacts.announce(db, {key: content.size})
    Storage(settings.storage).put(key, path)
    return NewArtifact("output", name, "text/plain", content.size, content.sha256, key)


def stored(settings: Settings, artifact: NewArtifact) -> bool:
    """Whether the artifact's bytes are in the store."""
    return (settings.home.parent / "artifacts" / artifact.key).exists()


def test_garbage_is_deleted_after_its_grace_and_results_stay(beat: Beat, db: Database, settings: Settings) -> None:
    # Given a result, the bytes of an attempt that was lost, and an upload under way
    owner = owners.ensure(db, "owner")
    jobs.submit(db, owner, "generate_speech", {"text": "hello", "model": model(db)})
    job = claims.claim(db, ME, lease_s=30)
    assert job is not None
    kept, lost = (upload(db, settings, owner.id, name) for name in ("kept.txt", "lost.txt"))
    attempts.finish(db, job, [kept], progress=Progress(), metrics={})
    with db.begin() as connection:
        connection.execute(
            text("update blobs set touched_at = now() - make_interval(secs => :age)"), {"age": GARBAGE_GRACE_S + 1}
        )
    fresh = upload(db, settings, owner.id, "fresh.txt")

    # When the beat tidies
    beat.tidy()

    # Then only the lost one is gone
    assert [stored(settings, each) for each in (kept, lost, fresh)] == [True, False, True]


def test_what_a_running_job_has_saved_outlasts_the_grace(beat: Beat, db: Database, settings: Settings) -> None:
    # Given a job that saved a file two hours ago and still runs
    owner = owners.ensure(db, "owner")
    jobs.submit(db, owner, "generate_speech", {"text": "hello", "model": model(db)})
    job = claims.claim(db, ME, lease_s=30)
    assert job is not None
    early = upload(db, settings, owner.id, "early.txt")
    with db.begin() as connection:
        connection.execute(text("update blobs set touched_at = now() - interval '2 hours'"))
        connection.execute(text("update jobs set started_at = now() - interval '3 hours'"))

    # When the beat tidies, and the job ends
    beat.tidy()
    attempts.finish(db, job, [early], progress=Progress(), metrics={})

    # Then its file is there
    assert stored(settings, early)


def test_leases_are_given_time_after_the_database_was_away(
    beat: Beat, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = owners.ensure(db, "owner")
    made = jobs.submit(db, owner, "generate_speech", {"text": "hello", "model": model(db)}).job
    claims.claim(db, ME, lease_s=0.01)
    clock = [1000.0]
    monkeypatch.setattr("worker.beat.time.monotonic", lambda: clock[0])
    beat.tick()
    assert listing.get(db, owner.id, made.id).state is JobState.RUNNING
    clock[0] += 3.1
    beat.tick()
    assert listing.get(db, owner.id, made.id).state is JobState.QUEUED


def test_a_due_tick_does_not_wait_for_the_sweep(settings: Settings, db: Database) -> None:
    # Given a beat that sweeps once a minute, and a schedule that is due in two seconds
    beat = Beat(settings.model_copy(update={"sweep_s": 60}))
    schedule = daily(db)
    move(db, schedule, -2)
    stop = threading.Event()
    running = threading.Thread(target=beat.run, args=(stop,))
    running.start()
    # Then its run is there soon after, and not before
    time.sleep(1)
    assert schedules.runs(db, schedule.owner_id, schedule.id).items == []
    until = time.monotonic() + 10
    while not schedules.runs(db, schedule.owner_id, schedule.id).items and time.monotonic() < until:
        time.sleep(0.05)
    stop.set()
    assert len(schedules.runs(db, schedule.owner_id, schedule.id).items) == 1
    # It sleeps until the sweep otherwise; a due tick that is to come wakes it once more.
    assert not running.join(0)


def test_schedules_that_fail_do_not_stop_the_sweep(beat: Beat, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = owners.ensure(db, "owner")
    made = jobs.submit(db, owner, "generate_speech", {"text": "hello", "model": model(db)}).job
    claims.claim(db, ME, lease_s=0.01)
    schedule = daily(db)
    move(db, schedule, 1)
    monkeypatch.setattr("shared.ticks.write_down", lambda _: 1 // 0)
    monkeypatch.setattr("worker.beat.time.monotonic", iter(range(1000, 2000, 10)).__next__)
    beat.tick()
    beat.tick()
    assert listing.get(db, owner.id, made.id).state is JobState.QUEUED


def daily(db: Database) -> Schedule:
    speech = {"kind": "generate_speech", "params": {"text": "hello", "model": model(db)}}
    terms = Terms.model_validate({"name": "s", "cron": "@daily", "template": {"job": speech}})
    return schedules.create(db, owners.ensure(db, "owner"), terms)


def move(db: Database, schedule: Schedule, seconds: float) -> None:
    """Make a schedule due since so many seconds."""
    with db.begin() as connection:
        connection.execute(text("update schedules set next_due = now() - make_interval(secs => :s)"), {"s": seconds})


def model(db: Database) -> str:
    from shared import library

    if not library.list_models(db, owners.ensure(db, "owner").id):
        library.add(db, None, name="voice", task="text-to-speech", source="hub:demo/voice", revision="1" * 40)
    return "voice"


def test_a_beat_needs_no_redis(settings: Settings, db: Database, tmp_path: Path) -> None:
    Beat(settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"})).tick()
