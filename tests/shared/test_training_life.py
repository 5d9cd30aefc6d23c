"""Training in the queue, against real Postgres: pause, resume, keep, making room, checkpoints and curves."""

import math
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from shared import artifacts, attempts, batches, claims, curves, devices, jobs, listing, outlook, pauses
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.devices import Report, report
from shared.errors import Conflict, NotFound
from shared.job import Job, JobState, Progress
from shared.owners import Owner
from shared.variations import Varied

HERE = Claimant("wkr_a", "host/cpu:0", ("cpu", "accelerated"))
THERE = Claimant("wkr_b", "host/cpu:1", ("cpu", "accelerated"))


def submit(db: Database, owner: Owner, kind: str = "learn", **options: object) -> Job:
    return jobs.submit(db, owner, kind, {"steps": 3}, **options).job  # type: ignore[arg-type]


def claimed(db: Database, who: Claimant = HERE, lease_s: float = 30) -> Job:
    job = claims.claim(db, who, lease_s=lease_s)
    assert job is not None
    return job


def types(db: Database, job: Job) -> list[str]:
    return [event.type for event in listing.events_of(db, job.owner_id, job.id)]


def stored(db: Database, owner_id: str, name: str = "resume.json", content: str = "a") -> NewArtifact:
    key = artifacts.blob_key(owner_id, content.encode().hex().ljust(64, "0"))
    artifacts.announce(db, {key: 4})
    return NewArtifact("checkpoint", name, "application/octet-stream", 4, "0" * 64, key)


def long_ago(db: Database, *waiting: Job) -> None:
    """Let jobs have waited for a while."""
    with db.begin() as connection:
        for job in waiting:
            connection.execute(text("update jobs set run_at = now() - interval '3 s' where id = :id"), {"id": job.id})


def finish(db: Database, job: Job) -> JobState | None:
    return attempts.finish(db, job, [], progress=Progress(3, 3), metrics={})


def now(db: Database, job: Job) -> Job:
    return listing.get(db, job.owner_id, job.id)


# ---- pause, resume, keep ----


def test_a_queued_training_is_held_and_never_claimed_until_it_is_resumed(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    assert pauses.ask(db, owner.id, job.id, "pause").held
    assert pauses.ask(db, owner.id, job.id, "pause").held
    assert claims.claim(db, HERE, lease_s=30) is None
    assert listing.position(db, now(db, job)) is None
    assert listing.pools_with_work(db) == []
    assert listing.depths(db) == []
    assert outlook.outlook(db, "learn", None, None, "accelerated").ahead == 0

    assert not pauses.ask(db, owner.id, job.id, "resume").held
    assert not pauses.ask(db, owner.id, job.id, "resume").held
    assert claimed(db).id == job.id
    assert types(db, job) == ["submitted", "paused", "resumed", "claimed"]


def test_a_running_training_hears_of_a_pause_and_is_held_once_it_steps_aside(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    running = claimed(db)
    assert pauses.ask(db, owner.id, job.id, "pause").wish == "pause"
    assert attempts.pulse(db, running, 30).wish == "pause"
    assert attempts.release(db, running, "it was paused")
    waiting = now(db, job)
    assert (waiting.state, waiting.held, waiting.wish, waiting.failures, waiting.crashes) == (
        "queued",
        True,
        None,
        0,
        0,
    )
    assert claims.claim(db, THERE, lease_s=30) is None
    pauses.ask(db, owner.id, job.id, "resume")
    assert claimed(db, THERE).attempt == 2


def test_a_pause_that_is_taken_back_in_time_changes_nothing(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    running = claimed(db)
    pauses.ask(db, owner.id, job.id, "pause")
    assert pauses.ask(db, owner.id, job.id, "resume").wish is None
    assert attempts.pulse(db, running, 30) == attempts.PulseReply(cancel=False, lost=False)
    attempts.release(db, running, "it was paused")
    assert claimed(db, THERE).id == job.id


@pytest.mark.parametrize("end", ["lost", "failed"])
def test_a_pause_is_kept_whatever_brings_the_job_back(db: Database, owner: Owner, end: str) -> None:
    job = submit(db, owner)
    running = claimed(db, lease_s=0.01 if end == "lost" else 30)
    pauses.ask(db, owner.id, job.id, "pause")
    if end == "lost":
        time.sleep(0.05)
        attempts.sweep(db)
    else:
        attempts.fail(db, running, "net", "Away.", retryable=True, retry_s=0)
    assert (now(db, job).state, now(db, job).held) == ("queued", True)


def test_keep_is_heard_by_the_one_that_runs_and_by_the_next_attempt(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    running = claimed(db)
    pauses.ask(db, owner.id, job.id, "keep")
    assert attempts.pulse(db, running, 30).wish == "keep"
    attempts.release(db, running, "the worker shut down")
    again = claimed(db, THERE)
    assert again.wish == "keep"
    assert finish(db, again) is JobState.SUCCEEDED
    assert now(db, job).wish is None
    assert pauses.ask(db, owner.id, job.id, "keep").state is JobState.SUCCEEDED


def test_a_paused_training_can_be_kept_where_it_has_a_checkpoint(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    pauses.ask(db, owner.id, job.id, "pause")
    with pytest.raises(Conflict) as refused:
        pauses.ask(db, owner.id, job.id, "keep")
    assert refused.value.code == "nothing_to_keep"
    pauses.ask(db, owner.id, job.id, "resume")
    running = claimed(db)
    attempts.checkpoint(db, running, stored(db, owner.id))
    pauses.ask(db, owner.id, job.id, "pause")
    attempts.release(db, running, "it was paused")
    kept = pauses.ask(db, owner.id, job.id, "keep")
    assert (kept.held, kept.wish) == (False, "keep")
    assert claimed(db).wish == "keep"


def test_the_last_wish_counts(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    running = claimed(db)
    for asked in ("keep", "pause", "keep"):
        assert pauses.ask(db, owner.id, job.id, asked).wish == asked  # type: ignore[arg-type]
    pauses.ask(db, owner.id, job.id, "pause")
    attempts.release(db, running, "it was paused")
    assert now(db, job).held


def test_a_paused_training_is_cancelled_at_once_with_its_checkpoints(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    running = claimed(db)
    attempts.checkpoint(db, running, stored(db, owner.id))
    pauses.ask(db, owner.id, job.id, "pause")
    attempts.release(db, running, "it was paused")
    assert jobs.cancel(db, owner.id, job.id).state is JobState.CANCELLED
    assert artifacts.of_jobs(db, owner.id, [job.id])[job.id] == []
    with pytest.raises(Conflict):
        pauses.ask(db, owner.id, job.id, "resume")


def test_a_cancel_goes_before_every_wish(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    running = claimed(db)
    pauses.ask(db, owner.id, job.id, "pause")
    jobs.cancel(db, owner.id, job.id)
    for asked in ("pause", "resume", "keep"):
        with pytest.raises(Conflict) as refused:
            pauses.ask(db, owner.id, job.id, asked)  # type: ignore[arg-type]
        assert refused.value.code == "being_cancelled"
    assert attempts.release(db, running, "it was paused")
    assert now(db, job).state is JobState.CANCELLED


def test_what_does_not_train_has_ended_or_is_anothers_is_refused(db: Database, owner: Owner, stranger: Owner) -> None:
    probe, training = submit(db, owner, "probe"), submit(db, owner)
    with pytest.raises(Conflict) as refused:
        pauses.ask(db, owner.id, probe.id, "pause")
    assert refused.value.code == "not_training"
    with pytest.raises(NotFound):
        pauses.ask(db, stranger.id, training.id, "pause")
    jobs.cancel(db, owner.id, probe.id)
    finish(db, claimed(db))
    with pytest.raises(Conflict) as refused:
        pauses.ask(db, owner.id, training.id, "pause")
    assert refused.value.code == "already_finished"


def test_two_pauses_at_once_are_one(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    claimed(db)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: pauses.ask(db, owner.id, job.id, "pause"), range(8)))
    assert {answer.wish for answer in answers} == {"pause"}
    assert types(db, job).count("pause_requested") == 1


def test_a_held_job_of_a_batch_is_cancelled_with_it(db: Database, owner: Owner) -> None:
    batch = batches.submit(db, owner, "learn", Varied({}, {"steps": [3, 4]})).batch
    held = listing.page(db, owner.id).items[0]
    pauses.ask(db, owner.id, held.id, "pause")
    batches.cancel(db, owner.id, batch.id)
    assert {job.state for job in listing.page(db, owner.id).items} == {JobState.CANCELLED}


# ---- making room ----


def test_whoever_somebody_waits_for_goes_before_a_training_however_early_that_came(db: Database, owner: Owner) -> None:
    training = submit(db, owner, priority=9)
    interactive = submit(db, owner, "probe", priority=0)
    assert claimed(db).id == interactive.id
    assert claimed(db, THERE).id == training.id


def test_no_training_makes_room_for_a_batch(db: Database, owner: Owner) -> None:
    training = submit(db, owner)
    assert claimed(db).id == training.id
    batches.submit(db, owner, "probe", Varied({}, {"steps": [1]}))
    assert not claims.somebody_waits(db, training, HERE.pools)


def test_a_training_keeps_its_slice_while_others_have_had_more_than_their_share(db: Database, owner: Owner) -> None:
    # given interactive work that has had the device for a thousand seconds, and a training that has its turn now
    training = submit(db, owner)
    running = claimed(db)
    assert running.id == training.id
    long_ago(db, submit(db, owner, "probe"))
    assert claims.somebody_waits(db, running, HERE.pools), "as it does while nobody has had more"
    with db.begin() as connection:
        connection.execute(text("update lanes set vtime = vtime + 20 where name = 'interactive'"))

    # then it does not make room at once, but when it has had its slice and is ahead again
    assert not claims.somebody_waits(db, running, HERE.pools)
    with db.begin() as connection:
        connection.execute(
            text("update jobs set started_at = now() - interval '60 s' where id = :id"), {"id": running.id}
        )
    assert claims.somebody_waits(db, running, HERE.pools)


def test_room_is_made_only_for_what_has_waited_and_could_run_here(
    db: Database, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = submit(db, owner)
    claimed(db)
    interactive = submit(db, owner, "probe")
    assert not claims.somebody_waits(db, training, HERE.pools), "it has not waited yet"
    long_ago(db, interactive)
    assert claims.somebody_waits(db, training, HERE.pools)
    assert not claims.somebody_waits(db, training, ("io",))
    with db.begin() as connection:
        connection.execute(text("update owners set cap_running = 1"))
    assert claims.somebody_waits(db, training, HERE.pools), "the training's own place comes free"
    with db.begin() as connection:
        connection.execute(text("update owners set cap_running = 0"))
    assert not claims.somebody_waits(db, training, HERE.pools)


def test_as_many_trainings_make_room_as_jobs_wait_and_the_last_in_line_first(db: Database, owner: Owner) -> None:
    # given two trainings on two devices that report
    first, second = submit(db, owner), submit(db, owner)
    assert (claimed(db, HERE).id, claimed(db, THERE).id) == (first.id, second.id)
    for device in (HERE.device, THERE.device):
        told = devices.Report(device, "host", device.partition("/")[2], "CPU", "cpu", "wkr", "busy", 1, 1)
        devices.report(db, told)

    def yielding() -> list[bool]:
        return [claims.somebody_waits(db, job, HERE.pools) for job in (first, second)]

    # when one job waits, then one training makes room: the one that came last
    waiting = [submit(db, owner, "probe")]
    long_ago(db, *waiting)
    assert yielding() == [False, True]
    # and when two wait, both do
    waiting.append(submit(db, owner, "probe"))
    long_ago(db, *waiting)
    assert yielding() == [True, True]
    # and one that is being cancelled, or on a device that rests or is gone, is not waited for
    jobs.cancel(db, owner.id, waiting.pop().id)
    with db.begin() as connection:
        connection.execute(text("update devices set state = 'draining' where id = :id"), {"id": THERE.device})
    assert yielding()[0]
    with db.begin() as connection:
        connection.execute(text("update devices set state = 'busy', heartbeat_at = now() - interval '1 min'"))
    assert yielding()[0]
    devices.report(db, told)
    assert yielding() == [False, True]
    jobs.cancel(db, owner.id, second.id)
    assert yielding()[0]


def test_a_training_whose_device_cannot_take_the_job_is_not_waited_for(db: Database, owner: Owner) -> None:
    first, second = submit(db, owner), submit(db, owner)
    here, there = claimed(db, HERE), claimed(db, THERE)
    assert (here.id, there.id) == (first.id, second.id)
    for device in (HERE.device, THERE.device):
        devices.report(db, devices.Report(device, "host", device, "CPU", "cpu", "wkr", "busy", 1, 1))
    pinned = jobs.submit(db, owner, "probe", {"steps": 1}, device=HERE.device).job
    long_ago(db, pinned)
    assert claims.somebody_waits(db, first, (*HERE.pools, HERE.device))
    assert not claims.somebody_waits(db, second, (*THERE.pools, THERE.device))


# ---- checkpoints ----


def test_a_checkpoint_replaces_the_one_of_its_name_and_forgives_what_went_wrong(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    attempts.fail(db, claimed(db), "net", "Away.", retryable=True, retry_s=0)
    claimed(db, lease_s=0.01)
    time.sleep(0.05)
    attempts.sweep(db)
    assert (now(db, job).failures, now(db, job).crashes) == (1, 1)
    running = claimed(db)
    assert attempts.checkpoint(db, running, stored(db, owner.id, "best.json", "best"))
    assert attempts.checkpoint(db, running, stored(db, owner.id, "resume.json", "one"))
    assert attempts.checkpoint(db, running, stored(db, owner.id, "resume.json", "two"))
    assert (now(db, job).failures, now(db, job).crashes) == (0, 0)
    rows = {each.name: each.key for each in artifacts.of_jobs(db, owner.id, [job.id])[job.id]}
    assert sorted(rows) == ["best.json", "resume.json"]
    found = artifacts.checkpoint(db, job.id, "resume.json")
    assert found is not None
    assert found.key == rows["resume.json"] == stored(db, owner.id, content="two").key
    assert finish(db, running) is JobState.SUCCEEDED
    assert artifacts.of_jobs(db, owner.id, [job.id])[job.id] == []


def test_an_attempt_that_was_overtaken_replaces_nothing(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    zombie = claimed(db, lease_s=0.01)
    attempts.checkpoint(db, zombie, stored(db, owner.id, content="whole"))
    time.sleep(0.05)
    attempts.sweep(db)
    claimed(db, THERE)
    assert not attempts.checkpoint(db, zombie, stored(db, owner.id, content="late"))
    found = artifacts.checkpoint(db, job.id, "resume.json")
    assert found is not None
    assert found.key == stored(db, owner.id, content="whole").key


def test_the_sweep_of_bytes_spares_the_checkpoint_of_a_job_that_lives(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    running = claimed(db)
    old, new = stored(db, owner.id, content="old"), stored(db, owner.id, content="new")
    attempts.checkpoint(db, running, old)
    attempts.checkpoint(db, running, new)
    pauses.ask(db, owner.id, job.id, "pause")
    attempts.release(db, running, "it was paused")
    with db.begin() as connection:
        later = connection.execute(text("select now() + interval '1 s'")).scalar_one()
    discarded: list[str] = []
    artifacts.discard_orphans(db, later, discarded.append)
    assert discarded == [old.key]


def test_checkpoints_of_a_failed_training_stay_a_while(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    running = claimed(db)
    attempts.checkpoint(db, running, stored(db, owner.id))
    attempts.fail(db, running, "no", "No.")
    with db.begin() as connection:
        before, after = connection.execute(text("select now() - interval '1 h', now() + interval '1 s'")).one()
    assert artifacts.forget_checkpoints(db, before) == 0
    assert artifacts.checkpoint(db, job.id, "resume.json") is not None
    assert artifacts.forget_checkpoints(db, after) == 1


# ---- curves ----


def test_points_are_written_over_and_only_by_whoever_owns_the_job(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    zombie = claimed(db, lease_s=0.01)
    curves.write(db, zombie, {("loss", 1): 3.0, ("loss", 2): 2.0, ("accuracy", 2): 0.5})
    time.sleep(0.05)
    attempts.sweep(db)
    current = claimed(db, THERE)
    curves.write(db, zombie, {("loss", 3): 9.0})
    curves.write(db, current, {("loss", 2): 2.5, ("loss", 3): 1.5})
    assert curves.read(db, [job.id])[job.id] == {"loss": [(1, 3.0), (2, 2.5), (3, 1.5)], "accuracy": [(2, 0.5)]}
    assert curves.read(db, [job.id], names=["loss"], since=2)[job.id] == {"loss": [(3, 1.5)]}


def test_a_long_curve_is_thinned_and_keeps_its_ends_and_its_spikes(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    running = claimed(db)
    values = {("loss", step): math.sin(step / 900) for step in range(1, 50_001)}
    values["loss", 31_415] = 50.0
    values["loss", 27_182] = -50.0
    began = time.monotonic()
    curves.write(db, running, values)
    wrote_s, began = time.monotonic() - began, time.monotonic()
    found = curves.read(db, [job.id])[job.id]["loss"]
    read_s = time.monotonic() - began
    assert 500 < len(found) <= curves.MOST_POINTS
    assert (found[0][0], found[-1][0]) == (1, 50_000)
    assert {(31_415, 50.0), (27_182, -50.0)} <= set(found)
    assert [step for step, _ in found] == sorted({step for step, _ in found})
    assert wrote_s < 6
    assert read_s < 2


# ---- anything in any order ----


def test_random_operations_keep_every_promise(db: Database, owner: Owner) -> None:
    draw = random.Random(5)
    running: list[Job] = []
    made = [submit(db, owner) for _ in range(3)]
    for _ in range(250):
        _act(db, owner, draw, running, made)
        _promises(db, owner, running)
    assert {state for job in made if (state := now(db, job).state)} >= {JobState.SUCCEEDED, JobState.CANCELLED}


def _act(db: Database, owner: Owner, draw: random.Random, running: list[Job], made: list[Job]) -> None:
    job = draw.choice(made)
    match draw.choice(["submit", "claim", "claim", "pause", "resume", "keep", "cancel", "end", "end", "checkpoint"]):
        case "submit" if len(made) < 60:
            made.append(submit(db, owner, draw.choice(["learn", "learn", "probe"])))
        case "claim" if len(running) < 4:
            number = draw.randrange(10_000)
            found = claims.claim(db, Claimant(f"wkr_{number}", f"host/cpu:{number}", HERE.pools), lease_s=30)
            if found is not None:
                assert not found.held
                running.append(found)
        case "pause" | "resume" | "keep" as asked:
            try:
                pauses.ask(db, owner.id, job.id, asked)
            except Conflict:
                pass
        case "cancel" if draw.random() < 0.3:
            try:
                jobs.cancel(db, owner.id, job.id)
            except Conflict:
                pass
        case "checkpoint" if running:
            assert attempts.checkpoint(db, draw.choice(running), stored(db, owner.id, content=str(draw.random())))
        case "end" if running:
            _end(db, draw, running.pop(draw.randrange(len(running))))


def _end(db: Database, draw: random.Random, job: Job) -> None:
    match draw.choice(["finish", "release", "fail", "lose"]):
        case "finish":
            assert finish(db, job) in {JobState.SUCCEEDED, JobState.CANCELLED}
        case "release":
            assert attempts.release(db, job, "it was paused")
        case "fail":
            attempts.fail(db, job, "net", "Away.", retryable=True, retry_s=0)
        case "lose":
            assert job.device is not None
            attempts.reclaim(db, job.device, "wkr_new")


def _promises(db: Database, owner: Owner, running: list[Job]) -> None:
    every = listing.page(db, owner.id, limit=200).items
    assert {job.id for job in every if job.state is JobState.RUNNING} == {job.id for job in running}
    for job in every:
        assert not job.held or job.state is JobState.QUEUED
        assert job.wish is None or not job.done
        assert not (job.done and job.state is not JobState.FAILED) or not artifacts.has_checkpoint(db, job.id)
        if job.kind == "probe":
            assert (job.held, job.wish) == (False, None)


def test_a_job_that_somebody_waits_for_expects_a_training_to_make_room(db: Database, owner: Owner) -> None:
    # given a device that trains, and a second training before whatever is submitted now
    submit(db, owner)
    claimed(db)
    submit(db, owner)
    report(db, Report("host/cpu:0", "host", "cpu:0", "CPU", "cpu", "wkr_a", "busy", 1, 0))
    # then a job that somebody waits for is next, and has the device in seconds; another training stands in line
    expected = outlook.outlook(db, "probe", None, None, "accelerated")
    assert (expected.ahead, expected.wait_s, expected.free, expected.makes_room) == (0, 0.0, False, True)
    assert not outlook.outlook(db, "learn", None, None, "accelerated").makes_room
    assert outlook.outlook(db, "learn", None, None, "accelerated").ahead == 1
    # and its page says the same
    job = submit(db, owner, "probe", pool="accelerated")
    place = listing.position(db, job)
    assert place is not None
    assert (place.ahead, place.makes_room) == (0, True)
