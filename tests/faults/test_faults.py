"""Real processes, really killed: nothing accepted is lost, nothing is committed twice."""

import signal
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import redis
from sqlalchemy import text

from shared import artifacts, jobs
from shared.errors import Unavailable
from shared.job import Job, JobState
from tests.faults.fleet import RECOVERY_S, Fleet, gone


def outputs(fleet: Fleet, job: Job) -> list[str]:
    return [each.name for each in artifacts.of_jobs(fleet.db, fleet.owner.id, [job.id])[job.id]]


def assert_ended_once(fleet: Fleet, *ended: Job) -> None:
    for job in ended:
        final = [event.type for event in fleet.events(job) if event.type in {"succeeded", "failed", "cancelled"}]
        assert len(final) == 1, final
        attempts = [event.attempt for event in fleet.events(job)]
        assert attempts == sorted(attempts)


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and not gone(psutil.Process(pid))


def overlaps(mark: Path) -> bool:
    """Whether two runs of a probe were under way at one time in live processes."""
    open_runs: set[str] = set()
    for line in mark.read_text().splitlines():
        word, _, pid = line.split()
        if word == "start":
            if any(_lives(int(other)) for other in open_runs):
                return True
            open_runs.add(pid)
        else:
            open_runs.discard(pid)
    return False


def test_a_job_runs_through_real_celery(fleet: Fleet) -> None:
    job = fleet.ended(fleet.submit(steps=3))
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1)
    assert outputs(fleet, job) == ["count.txt"]


def test_a_killed_child_costs_one_attempt(fleet: Fleet, mark: Path) -> None:
    job = fleet.submit(steps=30, step_s=0.1, mark=str(mark))
    fleet.running(job)
    fleet.child().kill()
    recovered_s = fleet.until(lambda: fleet.get(job).attempt == 2, RECOVERY_S, "a second attempt")
    ended = fleet.ended(job)
    assert (ended.state, ended.crashes, ended.failures) == (JobState.SUCCEEDED, 1, 0)
    assert recovered_s < RECOVERY_S
    assert_ended_once(fleet, job)
    assert not overlaps(mark)


def test_a_killed_parent_takes_its_child_along_and_the_job_runs_again(fleet: Fleet, mark: Path) -> None:
    job = fleet.submit(steps=30, step_s=0.1, mark=str(mark))
    fleet.running(job)
    child = fleet.child()
    fleet.parent().kill()
    fleet.until(lambda: gone(child), 2, "the child is gone with its parent")
    assert fleet.ended(job).state is JobState.SUCCEEDED
    assert fleet.get(job).crashes == 1
    assert_ended_once(fleet, job)
    assert not overlaps(mark)


def test_a_killed_supervisor_leaves_no_process_and_the_job_to_the_next(fleet: Fleet) -> None:
    job = fleet.submit(steps=200, step_s=0.1)
    fleet.running(job)
    left = [fleet.parent(), fleet.child()]
    fleet.signal("worker", signal.SIGKILL)
    fleet.until(lambda: all(gone(each) for each in left), 25, "worker processes end")
    fleet.start_worker()
    fleet.until(lambda: fleet.get(job).attempt == 2 and fleet.get(job).state is JobState.RUNNING, 30, "runs again")
    jobs.cancel(fleet.db, fleet.owner.id, job.id)
    assert fleet.ended(job).state is JobState.CANCELLED


def test_a_supervisor_that_is_replaced_at_once_leaves_the_running_job_alone(fleet: Fleet, mark: Path) -> None:
    # Given a job that needs less than the drain
    job = fleet.submit(steps=30, step_s=0.1, mark=str(mark))
    fleet.running(job)
    after = fleet.submit(steps=1, mark=str(mark))
    # When its supervisor dies and the next one is there at once
    fleet.signal("worker", signal.SIGKILL)
    fleet.start_worker()
    # Then the job ends in its first attempt, and the next runs after it, not beside it
    ended = fleet.ended(job)
    assert (ended.state, ended.attempt, ended.crashes) == (JobState.SUCCEEDED, 1, 0)
    assert fleet.ended(after).state is JobState.SUCCEEDED
    assert not overlaps(mark)


def test_a_worker_that_was_told_to_stop_is_replaced_by_one_that_works(fleet: Fleet) -> None:
    parent = fleet.parent()
    parent.terminate()
    fleet.until(lambda: gone(parent), 20, "the old worker has left")
    assert fleet.ended(fleet.submit(steps=1), 40).state is JobState.SUCCEEDED


def test_what_cannot_be_stored_does_not_cost_the_job(fleet: Fleet) -> None:
    job = fleet.ended(fleet.submit(steps=3, deed="scribble", at_step=1))
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1)
    assert "nothing" not in job.metrics


def test_a_job_that_keeps_killing_workers_is_poison_and_the_device_goes_on(fleet: Fleet) -> None:
    job = fleet.ended(fleet.submit(steps=2, deed="kill"), 60)
    assert (job.state, job.error_code, job.crashes) == (JobState.FAILED, "poison", 2)
    assert fleet.ended(fleet.submit(steps=1)).state is JobState.SUCCEEDED


def test_a_job_that_hangs_is_killed_and_runs_again(fleet: Fleet, mark: Path) -> None:
    job = fleet.ended(fleet.submit(steps=3, deed="hang", at_step=1, mark=str(mark)), 60)
    assert (job.state, job.attempt, job.crashes) == (JobState.SUCCEEDED, 2, 1)


def test_a_process_that_is_stopped_dead_loses_its_lease_and_its_life(fleet: Fleet, mark: Path) -> None:
    job = fleet.submit(steps=40, step_s=0.1, mark=str(mark))
    fleet.running(job)
    child = fleet.child()
    child.suspend()
    fleet.until(lambda: fleet.get(job).state is JobState.QUEUED, RECOVERY_S, "the lease is lost")
    fleet.until(lambda: gone(child), 40, "the supervisor kills what shows no sign of life")
    assert fleet.ended(job, 60).state is JobState.SUCCEEDED
    assert_ended_once(fleet, job)


def test_a_running_job_is_cancelled_within_a_step_and_two_seconds(fleet: Fleet) -> None:
    job = fleet.submit(steps=1000, step_s=0.1)
    fleet.running(job)
    jobs.cancel(fleet.db, fleet.owner.id, job.id)
    assert fleet.until(lambda: fleet.get(job).state is JobState.CANCELLED, 10, "cancelled") < 2.1
    assert outputs(fleet, job) == []


def test_a_job_that_does_not_listen_is_ended_with_its_process(fleet: Fleet) -> None:
    job = fleet.submit(steps=1, step_s=3600, deaf=True)
    fleet.until(lambda: fleet.get(job).state is JobState.RUNNING, 10, "it runs")
    jobs.cancel(fleet.db, fleet.owner.id, job.id)
    assert fleet.ended(job).state is JobState.CANCELLED


def test_a_time_limit_is_kept(fleet: Fleet) -> None:
    job = jobs.submit(fleet.db, fleet.owner, "probe", {"steps": 1000, "step_s": 0.1}, time_limit_s=1).job
    fleet.ringer.ring(job.pool)
    ended = fleet.ended(job)
    assert (ended.state, ended.error_code) == (JobState.FAILED, "time_limit")


def test_failures_are_told_apart(fleet: Fleet) -> None:
    refused, raised = (fleet.ended(fleet.submit(steps=2, deed=deed)) for deed in ("refuse", "raise"))
    assert (refused.error_code, refused.attempt) == ("probe_refused", 1)
    assert (raised.error_code, outputs(fleet, raised)) == ("internal", ["log.txt"])
    again = fleet.ended(fleet.submit(steps=2, deed="fail_once", mark=fleet.mark()))
    assert (again.state, again.attempt, again.failures) == (JobState.SUCCEEDED, 2, 1)


def test_out_of_memory_is_tried_once_more_with_less_and_then_says_what_may_fit(fleet: Fleet) -> None:
    lean = fleet.ended(fleet.submit(steps=2, deed="memory"))
    assert (lean.state, lean.attempt, lean.failures, lean.metrics) == (JobState.SUCCEEDED, 1, 0, {"lean_retries": 1.0})
    assert outputs(fleet, lean) == ["count.txt"]
    never = fleet.ended(fleet.submit(steps=2, deed="memory_always"))
    assert (never.state, never.error_code) == (JobState.FAILED, "out_of_memory")
    assert never.error_message is not None
    assert never.error_message.endswith("What may fit: Steps 1.")


def test_a_fatal_device_error_ends_the_process_and_the_job_runs_in_a_new_one(fleet: Fleet) -> None:
    before = fleet.child().pid
    job = fleet.ended(fleet.submit(steps=2, deed="fatal", mark=fleet.mark()), 60)
    assert (job.state, job.failures) == (JobState.SUCCEEDED, 1)
    assert fleet.child().pid != before
    (fleet.home.path / "run" / "cpu-0.faults").unlink()


def test_a_lost_bell_is_rung_again(fleet: Fleet) -> None:
    job = fleet.submit(ring=False, steps=1)
    assert fleet.ended(job, 10).state is JobState.SUCCEEDED


def test_a_flushed_redis_loses_nothing(fleet: Fleet) -> None:
    made = [fleet.submit(steps=2, step_s=0.05) for _ in range(10)]
    redis.Redis.from_url(fleet.redis.url).flushall()
    assert all(fleet.ended(job).state is JobState.SUCCEEDED for job in made)
    assert_ended_once(fleet, *made)


def test_doubled_bells_run_nothing_twice(fleet: Fleet, mark: Path) -> None:
    job = fleet.submit(steps=5, step_s=0.1, mark=str(mark))
    for _ in range(20):
        fleet.ringer.ring(job.pool, "cpu", "io")
    assert fleet.ended(job).attempt == 1
    assert mark.read_text().count("start") == 1


def test_without_redis_jobs_are_accepted_and_running_ones_finish_and_all_are_done_after(fleet: Fleet) -> None:
    running = fleet.submit(steps=20, step_s=0.1)
    fleet.running(running)
    fleet.redis.stop()
    began = time.monotonic()
    waiting = [fleet.submit(steps=1) for _ in range(5)]
    assert time.monotonic() - began < 1.5, "submitting waits for no Redis"
    assert fleet.ended(running).state is JobState.SUCCEEDED
    fleet.redis.start()
    assert all(fleet.ended(job, 60).state is JobState.SUCCEEDED for job in waiting)


def test_a_restarted_postgres_costs_no_job_and_no_rerun(fleet: Fleet) -> None:
    running = fleet.submit(steps=40, step_s=0.1)
    fleet.running(running)
    waiting = [fleet.submit(steps=1) for _ in range(3)]
    fleet.postgres.stop()
    time.sleep(1)
    fleet.postgres.start()
    waiting += [fleet.submit(steps=1)]  # no stale connection costs a request its answer
    ended = fleet.ended(running, 60)
    assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 1)
    assert all(fleet.ended(job, 60).state is JobState.SUCCEEDED for job in waiting)
    assert_ended_once(fleet, running, *waiting)


def test_a_postgres_away_for_longer_than_a_lease_makes_no_needless_rerun(fleet: Fleet) -> None:
    running = fleet.submit(steps=90, step_s=0.1)
    fleet.running(running)
    fleet.postgres.stop()
    time.sleep(5)
    fleet.postgres.start()
    ended = fleet.ended(running, 60)
    assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 1)


def test_every_accepted_submit_exists_after_postgres_was_killed_hard(fleet: Fleet) -> None:
    accepted: list[Job] = []
    stop = threading.Event()

    def submit_on() -> None:
        while not stop.is_set():
            try:
                accepted.append(fleet.submit(ring=False, steps=0))
            except Unavailable:
                time.sleep(0.05)

    writer = threading.Thread(target=submit_on)
    writer.start()
    for _ in range(2):
        time.sleep(0.5)
        assert fleet.postgres.process is not None
        fleet.postgres.process.kill()
        fleet.postgres.start()
    stop.set()
    writer.join()
    assert len(accepted) > 10
    assert all(fleet.ended(job, 90).state is JobState.SUCCEEDED for job in accepted)


def test_a_draining_worker_finishes_its_job_and_takes_no_other(fleet: Fleet) -> None:
    running = fleet.submit(steps=20, step_s=0.1)
    fleet.running(running)
    waiting = fleet.submit(steps=1)
    assert fleet.stop("worker") == 0
    assert fleet.get(running).state is JobState.SUCCEEDED
    assert fleet.get(waiting).state is JobState.QUEUED
    fleet.start_worker()
    assert fleet.ended(waiting).state is JobState.SUCCEEDED


def test_a_job_that_does_not_fit_the_drain_is_put_back_at_no_cost(fleet: Fleet) -> None:
    job = fleet.submit(steps=120, step_s=0.1)
    fleet.running(job)
    assert fleet.stop("worker", 30) == 0
    back = fleet.get(job)
    assert (back.state, back.failures, back.crashes) == (JobState.QUEUED, 0, 0)
    jobs.cancel(fleet.db, fleet.owner.id, job.id)
    fleet.start_worker()


def test_two_beats_put_back_once(fleet: Fleet) -> None:
    fleet.start_beat("second-beat")
    job = fleet.submit(steps=30, step_s=0.1)
    fleet.running(job)
    child = fleet.child()
    child.suspend()
    fleet.until(lambda: fleet.get(job).state is JobState.QUEUED, RECOVERY_S, "the lease is lost")
    child.kill()
    assert fleet.ended(job, 60).state is JobState.SUCCEEDED
    assert Counter(event.type for event in fleet.events(job))["stalled"] == 1
    fleet.stop("second-beat")


_ENDED_TWICE = """
    select job_id from events where type in ('succeeded', 'failed', 'cancelled') group by job_id having count(*) > 1
"""


def test_the_books_balance_after_all_that(fleet: Fleet) -> None:
    with fleet.db.begin() as connection:
        doubled = connection.execute(text(_ENDED_TWICE)).all()
        unfinished = connection.execute(text("select id from jobs where state in ('queued', 'running')")).all()
        keys = connection.execute(text("select key, sha256 from artifacts")).all()
    assert doubled == []
    assert unfinished == []
    store = fleet.home.path / "artifacts"
    assert all((store / key).is_file() for key, _ in keys)
