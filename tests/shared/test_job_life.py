"""The life of a job against real Postgres: each arrow of the state machine, and each guard on it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from shared import artifacts, attempts, claims, jobs, kinds, listing, owners
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.drafts import Placement, draft
from shared.errors import Conflict, Invalid, NotFound, TooMany, Unavailable
from shared.job import Job, JobState, Progress
from shared.kinds.params import SOME_FILE
from shared.owners import Owner
from shared.transitions import MAX_CRASHES

HERE = Claimant("wkr_a", "host/cpu:0", ("cpu", "accelerated"))
THERE = Claimant("wkr_b", "host/cpu:1", ("cpu", "accelerated"))


def submit(db: Database, owner: Owner, **options: object) -> Job:
    return jobs.submit(db, owner, "probe", {"steps": 3}, **options).job  # type: ignore[arg-type]


def claim(db: Database, who: Claimant = HERE, lease_s: float = 30) -> Job:
    job = claims.claim(db, who, lease_s=lease_s)
    assert job is not None
    return job


def types(db: Database, job: Job) -> list[str]:
    return [event.type for event in listing.events_of(db, job.owner_id, job.id)]


def finish(db: Database, job: Job, outputs: list[NewArtifact] | None = None) -> JobState | None:
    return attempts.finish(db, job, outputs or [], progress=Progress(3, 3), metrics={"steps": 3.0})


def stored(db: Database, owner: Owner, name: str = "count.txt", role: str = "output") -> NewArtifact:
    key = artifacts.blob_key(owner.id, name.encode().hex().ljust(64, "0"))
    artifacts.announce(db, {key: 4})
    return NewArtifact(role, name, "text/plain", 4, "0" * 64, key)  # type: ignore[arg-type]


def test_a_job_goes_from_submit_to_success_with_one_event_each(db: Database, owner: Owner) -> None:
    submitted = submit(db, owner)
    running = claim(db)
    assert attempts.pulse(db, running, 30, Progress(1, 3, "one")) == attempts.PulseReply(cancel=False, lost=False)
    assert finish(db, running, [stored(db, owner)]) is JobState.SUCCEEDED

    ended = listing.get(db, owner.id, submitted.id)
    assert (ended.state, ended.attempt, ended.metrics) == (JobState.SUCCEEDED, 1, {"steps": 3.0})
    assert types(db, ended) == ["submitted", "claimed", "succeeded"]
    assert [each.attempt for each in artifacts.of_jobs(db, owner.id, [ended.id])[ended.id]] == [1]


def test_a_seed_is_drawn_when_none_is_asked_for_and_kept_when_one_is(db: Database, owner: Owner) -> None:
    assert submit(db, owner).seed != submit(db, owner).seed
    assert jobs.submit(db, owner, "probe", {"steps": 1, "seed": 7}).job.seed == 7


def test_what_was_emptied_stays_empty_where_the_field_begins_as_something() -> None:
    asked = {"dataset": "texts@1", "base": None, "clip": None, "method": "full", "time_budget_s": None, "name": "it"}
    kept = draft("train_causal_lm", kinds.validate("train_causal_lm", asked), Placement())
    again = kinds.validate("train_causal_lm", kept["params"])
    assert (again.base, again.clip) == (None, None)  # type: ignore[attr-defined]
    # What begins as nothing needs no saying; and a seed that was asked to be none is drawn.
    assert "time_budget_s" not in kept["params"]
    checked = kinds.validate("check_dataset", {"name": "it", "source": SOME_FILE, "seed": None})
    assert isinstance(draft("check_dataset", checked, Placement())["seed"], int)


def test_the_same_idempotency_key_makes_one_job_however_many_ask_at_once(db: Database, owner: Owner) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda _: jobs.submit(db, owner, "probe", {"steps": 3}, idempotency_key="k"), range(50))
        )
    assert len({answer.job.id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1


def test_an_idempotency_key_cannot_be_used_for_another_request(db: Database, owner: Owner, stranger: Owner) -> None:
    submit(db, owner, idempotency_key="k")
    with pytest.raises(Invalid) as refused:
        jobs.submit(db, owner, "probe", {"steps": 4}, idempotency_key="k")
    assert refused.value.code == "idempotency_mismatch"
    assert jobs.submit(db, stranger, "probe", {"steps": 4}, idempotency_key="k").created


def test_an_owner_cannot_queue_more_than_its_cap(db: Database) -> None:
    small = owners.ensure(db, "small", cap_queued=2)
    submit(db, small)
    submit(db, small)
    with pytest.raises(TooMany) as refused:
        submit(db, small)
    assert refused.value.retry_after > 0


def test_a_queued_job_is_cancelled_at_once_and_never_claimed(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    assert jobs.cancel(db, owner.id, job.id).state is JobState.CANCELLED
    assert jobs.cancel(db, owner.id, job.id).state is JobState.CANCELLED
    assert claims.claim(db, HERE, lease_s=30) is None
    assert types(db, job) == ["submitted", "cancelled"]


def test_a_running_job_is_told_by_its_pulse_and_a_cancel_beats_a_late_success(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    running = claim(db)
    assert jobs.cancel(db, owner.id, job.id).cancel_requested
    assert attempts.pulse(db, running, 30).cancel
    assert finish(db, running, [stored(db, owner)]) is JobState.CANCELLED
    assert artifacts.of_jobs(db, owner.id, [job.id])[job.id] == []
    assert types(db, job) == ["submitted", "claimed", "cancel_requested", "cancelled"]


def test_what_has_ended_cannot_be_cancelled(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    finish(db, claim(db))
    with pytest.raises(Conflict):
        jobs.cancel(db, owner.id, job.id)


def test_another_owners_job_is_not_there(db: Database, owner: Owner, stranger: Owner) -> None:
    job = submit(db, owner)
    for look in (listing.get, jobs.cancel):
        with pytest.raises(NotFound):
            look(db, stranger.id, job.id)
    with pytest.raises(NotFound):
        jobs.retry(db, stranger, job.id)


def test_retry_makes_a_new_job_with_a_parent_and_leaves_the_old_one(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    with pytest.raises(Conflict):
        jobs.retry(db, owner, job.id)
    attempts.fail(db, claim(db), "probe", "No.")
    again = jobs.retry(db, owner, job.id).job
    assert (again.parent_id, again.state, again.params) == (job.id, JobState.QUEUED, job.params)
    assert listing.get(db, owner.id, job.id).state is JobState.FAILED


def test_a_passing_failure_is_retried_with_back_off_until_the_budget_is_spent(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    for failures in range(1, attempts.MAX_FAILURES):
        assert attempts.fail(db, claim(db), "net", "Away.", retryable=True, retry_s=0.01) is JobState.QUEUED
        waiting = listing.get(db, owner.id, job.id)
        assert (waiting.failures, waiting.attempt) == (failures, failures)
        time.sleep(0.05)
    assert attempts.fail(db, claim(db), "net", "Away.", retryable=True) is JobState.FAILED
    assert listing.get(db, owner.id, job.id).error_code == "net"


def test_a_job_that_backs_off_is_not_claimed_before_its_time(db: Database, owner: Owner) -> None:
    submit(db, owner)
    attempts.fail(db, claim(db), "net", "Away.", retryable=True, retry_s=60)
    assert claims.claim(db, HERE, lease_s=30) is None


def test_a_lost_lease_is_put_back_and_the_old_worker_can_write_nothing_more(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    zombie = claim(db, HERE, lease_s=0.01)
    time.sleep(0.05)
    report = attempts.sweep(db)
    assert (report.requeued, report.ended, report.pools) == (1, 0, ["accelerated"])
    current = claim(db, THERE)

    assert attempts.pulse(db, zombie, 30, Progress(2, 3)).lost
    assert finish(db, zombie, [stored(db, owner, "zombie.txt")]) is None
    assert attempts.fail(db, zombie, "late", "Too late.") is None
    assert not attempts.release(db, zombie, "late")
    assert not artifacts.show_preview(db, zombie, stored(db, owner, "late.jpg", "preview"))
    assert finish(db, current, [stored(db, owner, "current.txt")]) is JobState.SUCCEEDED

    assert [each.name for each in artifacts.of_jobs(db, owner.id, [job.id])[job.id]] == ["current.txt"]
    assert types(db, job) == ["submitted", "claimed", "stalled", "claimed", "succeeded"]


def test_a_lease_that_was_renewed_is_not_swept(db: Database, owner: Owner) -> None:
    submit(db, owner)
    running = claim(db, HERE, lease_s=0.01)
    attempts.pulse(db, running, 30)
    assert attempts.sweep(db).requeued == 0


def test_a_job_that_takes_two_workers_with_it_is_poison(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    for _ in range(MAX_CRASHES):
        claim(db, HERE, lease_s=0.01)
        time.sleep(0.05)
        attempts.sweep(db)
    ended = listing.get(db, owner.id, job.id)
    assert (ended.state, ended.error_code, ended.crashes) == (JobState.FAILED, "poison", 2)


def test_a_cancelled_job_whose_worker_died_is_cancelled_by_the_sweep(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    claim(db, HERE, lease_s=0.01)
    jobs.cancel(db, owner.id, job.id)
    time.sleep(0.05)
    assert attempts.sweep(db).ended == 1
    assert listing.get(db, owner.id, job.id).state is JobState.CANCELLED


def test_a_new_worker_of_a_device_takes_back_what_the_last_one_left_at_once(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    claim(db, HERE)
    assert attempts.reclaim(db, HERE.device, HERE.worker_id).requeued == 0
    assert attempts.reclaim(db, HERE.device, "wkr_new").requeued == 1
    assert listing.get(db, owner.id, job.id).crashes == 1


def test_a_drained_job_goes_back_at_no_cost_and_keeps_its_place(db: Database, owner: Owner) -> None:
    first = submit(db, owner)
    submit(db, owner)
    assert attempts.release(db, claim(db), "drain")
    back = listing.get(db, owner.id, first.id)
    assert (back.failures, back.crashes, back.state) == (0, 0, JobState.QUEUED)
    assert claim(db, THERE).id == first.id


def test_finishing_twice_is_finishing_once(db: Database, owner: Owner) -> None:
    submit(db, owner)
    running = claim(db)
    assert finish(db, running) is JobState.SUCCEEDED
    assert finish(db, running) is JobState.SUCCEEDED
    assert types(db, running).count("succeeded") == 1


def test_concurrent_sweeps_and_claims_lose_nothing_and_double_nothing(db: Database, owner: Owner) -> None:
    made = {submit(db, owner).id for _ in range(40)}
    done: list[str] = []
    lock = threading.Lock()

    def drain(number: int) -> None:
        me = Claimant(f"wkr_{number}", f"host/cpu:{number}", ("accelerated",))
        while (job := claims.claim(db, me, lease_s=30)) is not None:
            attempts.sweep(db)
            assert finish(db, job) is JobState.SUCCEEDED
            with lock:
                done.append(job.id)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(drain, range(6)))
    assert sorted(done) == sorted(made)


def test_a_terminal_row_cannot_run_again_even_by_hand(db: Database, owner: Owner) -> None:
    submit(db, owner)
    running = claim(db)
    finish(db, running)
    with pytest.raises(Exception, match="ck_jobs"), db.begin() as connection:
        connection.execute(text("update jobs set state = 'running'"))


def test_previews_replace_each_other_and_go_with_the_end(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    running = claim(db)
    for name in ("one.jpg", "two.jpg"):
        assert artifacts.show_preview(db, running, stored(db, owner, name, "preview"))
    assert [each.name for each in artifacts.of_jobs(db, owner.id, [job.id])[job.id]] == ["two.jpg"]
    finish(db, running, [stored(db, owner)])
    assert [each.role for each in artifacts.of_jobs(db, owner.id, [job.id])[job.id]] == ["output"]


def test_only_blobs_that_no_artifact_names_are_garbage(db: Database, owner: Owner) -> None:
    submit(db, owner)
    kept, lost = stored(db, owner, "kept.txt"), stored(db, owner, "lost.txt")
    finish(db, claim(db), [kept])
    with db.begin() as connection:
        now = connection.execute(text("select now() + interval '1 s'")).scalar_one()

    def store_is_away(key: str) -> None:
        raise Unavailable(key)

    with pytest.raises(Unavailable, match=lost.key):
        artifacts.discard_orphans(db, now, store_is_away)
    discarded: list[str] = []
    assert artifacts.discard_orphans(db, now, discarded.append) == 1
    assert artifacts.discard_orphans(db, now, discarded.append) == 0
    assert discarded == [lost.key]


def test_progress_told_by_a_newer_release_can_be_read(db: Database, owner: Owner) -> None:
    job = submit(db, owner)
    with db.begin() as connection:
        connection.execute(text("""update jobs set progress = '{"done": 3, "mood": "good"}'"""))
    assert listing.get(db, owner.id, job.id).progress == Progress(3)
