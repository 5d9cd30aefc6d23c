"""The worker's side of a job's life: an attempt starts, holds its lease, ends; what a dead worker leaves is put back.

Every arrow but the first carries the fence: the attempt and the worker that holds it. Zero rows means that the attempt
no longer owns the job. Knows neither the bell nor the object store.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from shared import artifacts, costs, datasets, dependencies, kinds, searches, transitions, trials, versions
from shared.db import Database
from shared.job import Job, JobState, Progress, Wish, job_from
from shared.records import jobs
from shared.text import clean
from shared.transitions import MAX_CRASHES
from shared.trials import Choice

MAX_FAILURES = 3
"""A job that raised this often has failed."""


@dataclass(frozen=True)
class PulseReply:
    """What the row said to a worker's pulse: `lost` means that the attempt no longer owns the job."""

    cancel: bool
    lost: bool
    wish: Wish | None = None


@dataclass(frozen=True)
class SweepReport:
    """What one sweep did: jobs put back, jobs ended, and the pools with work to ring for."""

    requeued: int
    ended: int
    pools: list[str]


def start(
    connection: Connection, job_ids: Sequence[str], *, worker_id: str, device: str, lease_s: float, charged: float
) -> list[Job]:
    """queued -> running, within the claim's transaction; those that are still queued, in the order given."""
    given = {
        "jobs": list(job_ids),
        "lease_s": lease_s,
        "new_worker_id": worker_id,
        "new_device": device,
        "new_charged": charged,
    }
    rows = transitions.follow_all(connection, transitions.START, given, {"device": device})
    return sorted(map(job_from, rows), key=lambda job: job_ids.index(job.id))


def pulse(
    db: Database, job: Job, lease_s: float, progress: Progress | None = None, metrics: dict[str, float] | None = None
) -> PulseReply:
    """Renew the lease, write progress if there is news, and read what the owner asks for: one UPDATE."""
    given: dict[str, Any] = transitions.fence(job) | {"lease_s": lease_s}
    statement = transitions.HOLD
    if progress is not None:
        statement, given = (
            transitions.HOLD_WITH_NEWS,
            given | {"new_progress": asdict(progress), "new_metrics": metrics or {}},
        )
    with db.begin(durable=False) as connection:
        row = connection.execute(statement, given).one_or_none()
    if row is None:
        return PulseReply(cancel=False, lost=True)
    return PulseReply(cancel=row.cancel_requested, lost=False, wish=row.wish)


def checkpoint(db: Database, job: Job, new: artifacts.NewArtifact) -> bool:
    """Keep a stored file as the job's checkpoint of that name: the job has come further, whatever went wrong before.

    Returns:
        False where the attempt no longer owns the job; the checkpoint before stays.
    """
    with db.begin() as connection:
        if connection.execute(transitions.ADVANCE, transitions.fence(job)).first() is None:
            return False
        artifacts.replace_checkpoint(connection, job, new)
    return True


def finish(
    db: Database,
    job: Job,
    outputs: list[artifacts.NewArtifact],
    *,
    progress: Progress,
    metrics: dict[str, float],
    model_version: str | None = None,
    made_with: dict[str, str] | None = None,
    chosen: Choice | None = None,
    device_s: float | None = None,
    ring: Callable[..., None] | None = None,
) -> JobState | None:
    """running -> succeeded with its artifacts, in one transaction, which also wakes the jobs that waited for it.

    `ring` is told after the commit which pools have new work by that. With what a search has `chosen` the best model of
    its trials enters the library. Safe to repeat when a COMMIT's answer was lost. A
    cancel that came first wins.

    Returns:
        The state in which this attempt left the job, or None where another attempt owns it.
    """
    result = {
        "new_progress": asdict(progress),
        "new_metrics": metrics,
        "new_model_version": model_version,
        "new_made_with": made_with,
    }
    with db.begin() as connection:
        ended = transitions.follow(connection, transitions.SUCCEED, transitions.fence(job) | result)
        if ended is not None:
            # Before the library is touched: the end of its search goes the same way.
            called = trials.follow_end(connection, [ended])
            ids = artifacts.insert_all(connection, job, outputs)
            for artifact_id, made in zip(ids, outputs, strict=True):
                # The model of a trial waits until its search has chosen.
                if made.role == "model" and "name" in made.meta and job.searched_by is None:
                    versions.enter(connection, job, artifact_id, made)
                elif made.role == "dataset":
                    datasets.enter(connection, job, artifact_id, made)
            if chosen is not None:
                searches.conclude(connection, job, chosen)
            pools = [*dependencies.follow_end(connection, [ended]), *called]
            _settle(connection, [job.id], learn=not kinds.searches(job.kind), device_s=device_s)
    if ended is not None:
        if ring is not None and pools:
            ring(*pools)
        return JobState.SUCCEEDED
    return stop(db, job, device_s) or _already(db, job)


def stop(db: Database, job: Job, device_s: float | None = None) -> JobState | None:
    """running -> cancelled, by the worker that saw the flag; None where it may not."""
    return JobState.CANCELLED if _leave(db, job, transitions.STOP, device_s=device_s) else None


def fail(
    db: Database,
    job: Job,
    code: str,
    message: str,
    *,
    retryable: bool = False,
    retry_s: float = 5,
    logs: list[artifacts.NewArtifact] | None = None,
    device_s: float | None = None,
) -> JobState | None:
    """running -> failed, or back to queued with a back-off while the budget of failures lasts.

    Returns:
        The state in which this attempt left the job, or None where another attempt owns it.
    """
    message = clean(message)
    why = {"code": code, "message": message}
    error = {"new_error_code": code, "new_error_message": message}
    if retryable and job.failures + 1 < MAX_FAILURES:
        delay_s = _backoff(retry_s, job.failures)
        told = why | {"delay_s": round(delay_s, 1)}
        if _leave(db, job, transitions.RETRY, error | {"delay_s": delay_s}, told, device_s=device_s):
            return JobState.QUEUED
    elif _leave(db, job, transitions.FAIL, error, why, logs, device_s=device_s):
        return JobState.FAILED
    return stop(db, job, device_s) or _already(db, job)


def release(db: Database, job: Job, reason: str, device_s: float | None = None) -> bool:
    """running -> queued at no cost to any budget: the worker drains, the job makes room, or never began.

    One whose owner has asked for a pause is held there until it is resumed.
    """
    left = _leave(db, job, transitions.RELEASE, event={"reason": reason}, device_s=device_s)
    return left or stop(db, job, device_s) is not None


def reclaim(db: Database, device: str, worker_id: str) -> SweepReport:
    """Put back what an earlier process of this device was running: there is one at a time, so it is dead."""
    return _recover(
        db, transitions.RECLAIM, {"held_device": device, "held_worker": worker_id}, "its worker was replaced"
    )


def rewrite(db: Database, job: Job, params: dict[str, Any], title: str) -> bool:
    """Write down what a running job's placeholders stand for; False where the attempt no longer owns it."""
    given = transitions.fence(job) | {"new_params": params, "new_title": title}
    with db.begin() as connection:
        return connection.execute(transitions.REWRITE, given).first() is not None


def sweep(db: Database) -> SweepReport:
    """Put back, or end, every job whose lease ran out; any number of sweeps at a time is safe."""
    dependencies.repair(db)
    trials.forsake(db)
    return _recover(db, transitions.SWEEP, {}, "its worker stopped answering")


def _recover(
    db: Database, arrows: tuple[Select[Any], Select[Any], Select[Any]], given: dict[str, Any], why: str
) -> SweepReport:
    cancelled, poisoned, stalled = arrows
    error = {
        "new_error_code": "poison",
        "new_error_message": f"The job ended {MAX_CRASHES} workers in a row and was stopped. Its last one: {why}.",
    }
    with db.begin() as connection:
        # In turn, since each may touch several owners.
        connection.execute(transitions.ONE_AT_A_TIME)
        gone = transitions.follow_all(connection, cancelled, given)
        dead = transitions.follow_all(connection, poisoned, given | error, {"code": "poison", "reason": why})
        back = transitions.follow_all(connection, stalled, given, {"reason": why})
        trials.follow_end(connection, [*gone, *dead])
        dependencies.follow_end(connection, [*gone, *dead])
        _settle(connection, [row["id"] for row in (*gone, *dead, *back)])
        pools = connection.execute(transitions.POOLS_WITH_WORK).scalars().all()
    return SweepReport(requeued=len(back), ended=len(gone) + len(dead), pools=list(pools))


def _leave(
    db: Database,
    job: Job,
    arrow: Select[Any],
    given: dict[str, Any] | None = None,
    event: dict[str, Any] | None = None,
    logs: list[artifacts.NewArtifact] | None = None,
    *,
    device_s: float | None = None,
) -> bool:
    """End this attempt by an arrow; False where its guard did not hold."""
    with db.begin() as connection:
        left = transitions.follow(connection, arrow, transitions.fence(job) | (given or {}), event)
        if left is None:
            return False
        trials.follow_end(connection, [left])
        dependencies.follow_end(connection, [left])
        artifacts.insert_all(connection, job, logs or [])
        _settle(connection, [job.id], device_s=device_s)
    return True


def _settle(connection: Connection, job_ids: list[str], *, learn: bool = False, device_s: float | None = None) -> None:
    """What every end of an attempt has in common: its price is corrected, its previews go."""
    if job_ids:
        artifacts.drop_previews(connection, job_ids)
        artifacts.drop_checkpoints(connection, job_ids)
        costs.settle(connection, job_ids, learn=learn, device_s=device_s)


def _already(db: Database, job: Job) -> JobState | None:
    """The state this very attempt left behind, when an earlier COMMIT was applied but its answer was lost."""
    mine = (jobs.c.id == job.id) & (jobs.c.attempt == job.attempt) & (jobs.c.worker_id == job.worker_id)
    with db.begin() as connection:
        state = connection.execute(
            select(jobs.c.state).where(mine, jobs.c.finished_at.is_not(None))
        ).scalar_one_or_none()
    return JobState(state) if state else None


def _backoff(first_s: float, failures: int) -> float:
    """Doubling with full jitter above half, so that what failed together does not return together."""
    return first_s * float(2**failures) * random.uniform(0.5, 1)
