"""The life of a job. The only module that writes a job's state.

    submit -> queued -> running -> succeeded | failed | cancelled
                 ^         |
                 +---------+   retry, drain, or a lost worker

Every transition is one UPDATE whose WHERE names the state it expects and, for a worker, the fence: the
attempt and the worker that holds it. Zero rows means that somebody else was first. Each writes its audit
event in the same statement. Knows neither the bell nor the object store.
"""

import hashlib
import json
import random
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, BinaryIO

from pydantic_core import to_json
from sqlalchemy import Connection, RowMapping, Select, func, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from shared import artifacts, costs, kinds, library, transitions
from shared.db import Database
from shared.drafts import Terms, draft
from shared.errors import Conflict, Invalid, NotFound, TooMany
from shared.ids import is_id, new_id
from shared.job import Job, JobState, Progress, job_from
from shared.kinds.params import Params
from shared.owners import Owner
from shared.records import devices, jobs
from shared.room import Room
from shared.text import clean
from shared.transitions import MAX_CRASHES, PRIORITY_STEP_S

MAX_FAILURES = 3
"""A job that raised this often has failed."""


_room = Room()


@dataclass(frozen=True)
class Submitted:
    """The job, and whether this request made it (an idempotency key may have found an earlier one)."""

    job: Job
    created: bool


@dataclass(frozen=True)
class PulseReply:
    """What the row said to a worker's pulse: `lost` means that the attempt no longer owns the job."""

    cancel: bool
    lost: bool


@dataclass(frozen=True)
class SweepReport:
    """What one sweep did: jobs put back, jobs ended, and the pools with work to ring for."""

    requeued: int
    ended: int
    pools: list[str]


# ---- the owner's side -----------------------------------------------------------------------------------------


def submit(
    db: Database,
    owner: Owner,
    kind: str,
    params: dict[str, Any] | Params,
    *,
    idempotency_key: str | None = None,
    priority: int = 5,
    pool: str | None = None,
    device: str | None = None,
    parent_id: str | None = None,
    run_at: datetime | None = None,
    time_limit_s: float | None = None,
    batch_id: str | None = None,
    batch_index: int | None = None,
) -> Submitted:
    """Check a request and write its row; the caller rings after this returns.

    The same idempotency key with the same request answers with the first job.

    Raises:
        Invalid: unknown kind, wrong params, unknown model or device, or the key was used for another request.
        TooMany: the owner has as many queued jobs as it may.
    """
    checked = params if isinstance(params, Params) else kinds.validate(kind, params)
    row = draft(kind, checked, Terms(priority, pool, device, time_limit_s))
    asked = row["params"]
    check(db, owner.id, checked, device)
    row |= {
        "owner_id": owner.id,
        "parent_id": parent_id,
        "batch_id": batch_id,
        "batch_index": batch_index,
        "idempotency_key": idempotency_key,
        "fingerprint": _fingerprint(kind, asked, priority, pool, device) if idempotency_key else None,
        "run_at": run_at,
    }
    given = row | {
        "params": to_json(asked).decode(),
        "step": PRIORITY_STEP_S,
        "cap": _room.cap_to_check(db, owner),
    }
    made = db.one(transitions.SUBMIT, given)
    if made is None:
        return Submitted(_earlier(db, owner, row), created=False)
    return Submitted(_new_job(row, *made), created=True)


def check(db: Database, owner_id: str, params: Params, device: str | None = None) -> None:
    """Check what a request refers to, without submitting it.

    Raises:
        Invalid: there is no such model or device.
    """
    for name, task in type(params).model_tasks().items():
        model = getattr(params, name)
        if model is not None:
            library.check(db, owner_id, model, task, name)
    if device:
        check_device(db, device)


def cancel(db: Database, owner_id: str, job_id: str) -> Job:
    """Cancel a queued job at once; ask a running one to stop. Asking twice is asking once.

    Raises:
        NotFound: the owner has no such job.
        Conflict: the job has already succeeded or failed.
    """
    with db.begin() as connection:
        for arrow in (transitions.CANCEL_QUEUED, transitions.CANCEL_RUNNING):
            row = _follow(connection, arrow, {"job": job_id, "owner": owner_id})
            if row is not None:
                return job_from(row)
        job = _owned(connection, owner_id, job_id)
    if job.state in {JobState.SUCCEEDED, JobState.FAILED}:
        raise Conflict(f"This job has already {job.state}; there is nothing left to cancel.", code="already_finished")
    return job


def retry(db: Database, owner: Owner, job_id: str) -> Submitted:
    """Submit the same request again as a new job that names this one as its parent.

    Raises:
        NotFound: the owner has no such job.
        Conflict: the job has not ended yet.
    """
    with db.begin() as connection:
        old = _owned(connection, owner.id, job_id)
    if not old.done:
        raise Conflict(f"This job is still {old.state}; cancel it first, or wait for its end.", code="not_finished")
    return submit(
        db,
        owner,
        old.kind,
        old.params,
        priority=old.priority,
        pool=None if old.device_pin else old.pool,
        device=old.device_pin,
        parent_id=old.id,
        time_limit_s=old.time_limit_s,
        batch_id=old.batch_id,
        batch_index=old.batch_index,
    )


# ---- many at once: the jobs of a batch, inside the transaction of `shared.batches` ---------------------------------


def submit_many(connection: Connection, owner: Owner, batch_id: str, lines: BinaryIO, total: int) -> None:
    """Write the jobs of a batch: `lines` are those of `transitions.copy_line`, read a few megabytes at a time.

    Raises:
        TooMany: not all of them fit into the owner's queue.
    """
    _make_room(connection, owner, total)
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        while chunk := lines.readlines(COPIED_AT_ONCE):
            with cursor.copy(transitions.SUBMIT_MANY) as copy:
                copy.write(b"".join(chunk))
    connection.execute(transitions.LOG_SUBMITTED, {"batch": batch_id})


def cancel_rest(connection: Connection, owner_id: str, batch_id: str) -> int:
    """Cancel every job of a batch that waits, and ask every one that runs to stop; how many that were."""
    connection.execute(_ONE_AT_A_TIME)
    stopped = 0
    # Again until nothing is left: between the two a job may have been claimed, or put back.
    while True:
        given = {"batch": batch_id, "owner": owner_id, "event_data": {}}
        found = sum(connection.execute(arrow, given).scalar_one() for arrow in transitions.CANCEL_REST)
        if not found:
            return stopped
        stopped += found


def retry_many(connection: Connection, owner: Owner, batch_id: str, states: Collection[JobState]) -> int:
    """Submit anew each job of a batch that is the latest of its number and in one of these states; how many.

    The caller holds the batch's row, so that asking twice at once is asking once.

    Raises:
        TooMany: not all of them fit into the owner's queue.
    """
    latest = (
        select(jobs.c.id, jobs.c.state)
        .where(jobs.c.batch_id == batch_id, jobs.c.owner_id == owner.id)
        .ext(distinct_on(jobs.c.batch_index))
        .order_by(jobs.c.batch_index.desc(), jobs.c.id.desc())
        .subquery()
    )
    ended = connection.execute(select(latest.c.id).where(latest.c.state.in_(list(states)))).scalars().all()
    if ended:
        _make_room(connection, owner, len(ended))
        fresh = [new_id("job") for _ in ended]
        connection.execute(transitions.RETRY_MANY, {"ended": list(ended), "fresh": fresh})
    return len(ended)


COPIED_AT_ONCE = 4 << 20
"""Bytes of one COPY: little enough to hold, and to be far from the statement's time limit."""


def _make_room(connection: Connection, owner: Owner, more: int) -> None:
    """Raises TooMany unless so many more jobs fit; batches of one owner are counted in turn."""
    connection.execute(_OWNER_IN_TURN, {"owner": owner.id})
    waiting = (jobs.c.owner_id == owner.id) & (jobs.c.state == JobState.QUEUED)
    room = max(0, owner.cap_queued - connection.execute(select(func.count()).where(waiting)).scalar_one())
    if more > room:
        raise TooMany(
            f"These are {more:,} jobs, and there is room for {room:,} more now: of yours {owner.cap_queued:,} "
            "may wait at one time.",
            code="queue_full",
            retry_after=30,
        )


_OWNER_IN_TURN = text("select pg_advisory_xact_lock(7310003, hashtext(:owner))")


# ---- the worker's side ----------------------------------------------------------------------------------------


def start(
    connection: Connection, job_id: str, *, worker_id: str, device: str, lease_s: float, charged: float
) -> Job | None:
    """queued -> running, within the claim's transaction; None where the job is no longer queued."""
    given = {
        "job": job_id,
        "lease_s": lease_s,
        "new_worker_id": worker_id,
        "new_device": device,
        "new_charged": charged,
    }
    row = _follow(connection, transitions.START, given, {"device": device})
    return job_from(row) if row else None


def pulse(
    db: Database, job: Job, lease_s: float, progress: Progress | None = None, metrics: dict[str, float] | None = None
) -> PulseReply:
    """Renew the lease, write progress if there is news, and read the cancel flag: one UPDATE."""
    given: dict[str, Any] = _held(job) | {"lease_s": lease_s}
    statement = transitions.HOLD
    if progress is not None:
        statement, given = (
            transitions.HOLD_WITH_NEWS,
            given | {"new_progress": asdict(progress), "new_metrics": metrics or {}},
        )
    with db.begin(durable=False) as connection:
        cancel_requested = connection.execute(statement, given).scalar_one_or_none()
    return PulseReply(cancel=bool(cancel_requested), lost=cancel_requested is None)


def finish(
    db: Database,
    job: Job,
    outputs: list[artifacts.NewArtifact],
    *,
    progress: Progress,
    metrics: dict[str, float],
    model_version: str | None = None,
) -> JobState | None:
    """running -> succeeded with its artifacts, in one transaction.

    Safe to repeat when a COMMIT's answer was lost. A cancel that came first wins.

    Returns:
        The state in which this attempt left the job, or None where another attempt owns it.
    """
    result = {"new_progress": asdict(progress), "new_metrics": metrics, "new_model_version": model_version}
    with db.begin() as connection:
        if _follow(connection, transitions.SUCCEED, _held(job) | result) is not None:
            artifacts.insert_all(connection, job, outputs)
            _settle(connection, [job.id], learn=True)
            return JobState.SUCCEEDED
    return stop(db, job) or _already(db, job)


def stop(db: Database, job: Job) -> JobState | None:
    """running -> cancelled, by the worker that saw the flag; None where it may not."""
    return JobState.CANCELLED if _leave(db, job, transitions.STOP) else None


def fail(
    db: Database,
    job: Job,
    code: str,
    message: str,
    *,
    retryable: bool = False,
    retry_s: float = 5,
    logs: list[artifacts.NewArtifact] | None = None,
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
        if _leave(db, job, transitions.RETRY, error | {"delay_s": delay_s}, why | {"delay_s": round(delay_s, 1)}):
            return JobState.QUEUED
    elif _leave(db, job, transitions.FAIL, error, why, logs):
        return JobState.FAILED
    return stop(db, job) or _already(db, job)


def release(db: Database, job: Job, reason: str) -> bool:
    """running -> queued at no cost to any budget: the worker drains, or never began."""
    return _leave(db, job, transitions.RELEASE, event={"reason": reason}) or stop(db, job) is not None


# ---- nobody's side: what a dead worker leaves behind ------------------------------------------------------------


def reclaim(db: Database, device: str, worker_id: str) -> SweepReport:
    """Put back what an earlier process of this device was running: there is one at a time, so it is dead."""
    return _recover(
        db, transitions.RECLAIM, {"held_device": device, "held_worker": worker_id}, "its worker was replaced"
    )


def sweep(db: Database) -> SweepReport:
    """Put back, or end, every job whose lease ran out; any number of sweeps at a time is safe."""
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
        connection.execute(_ONE_AT_A_TIME)
        gone = _follow_all(connection, cancelled, given)
        dead = _follow_all(connection, poisoned, given | error, {"code": "poison", "reason": why})
        back = _follow_all(connection, stalled, given, {"reason": why})
        _settle(connection, [*gone, *dead, *back])
        pools = connection.execute(transitions.POOLS_WITH_WORK).scalars().all()
    return SweepReport(requeued=len(back), ended=len(gone) + len(dead), pools=list(pools))


_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(7310002)")


# ---- pieces ---------------------------------------------------------------------------------------------------


def _follow(
    connection: Connection, arrow: Select[Any], given: dict[str, Any], event: dict[str, Any] | None = None
) -> RowMapping | None:
    """Take an arrow with one job; None where its guard did not hold."""
    return connection.execute(arrow, given | {"event_data": event or {}}).mappings().one_or_none()


def _follow_all(
    connection: Connection, arrow: Select[Any], given: dict[str, Any], event: dict[str, Any] | None = None
) -> list[str]:
    """Take an arrow with every job that fits; their ids."""
    return [row["id"] for row in connection.execute(arrow, given | {"event_data": event or {}}).mappings()]


def _leave(
    db: Database,
    job: Job,
    arrow: Select[Any],
    given: dict[str, Any] | None = None,
    event: dict[str, Any] | None = None,
    logs: list[artifacts.NewArtifact] | None = None,
) -> bool:
    """End this attempt by an arrow; False where its guard did not hold."""
    with db.begin() as connection:
        if _follow(connection, arrow, _held(job) | (given or {}), event) is None:
            return False
        artifacts.insert_all(connection, job, logs or [])
        _settle(connection, [job.id])
    return True


def _held(job: Job) -> dict[str, Any]:
    """The fence: what the worker of this attempt must show."""
    return {"job": job.id, "held_attempt": job.attempt, "held_worker": job.worker_id}


def _settle(connection: Connection, job_ids: list[str], *, learn: bool = False) -> None:
    """What every end of an attempt has in common: its price is corrected, its previews go."""
    if job_ids:
        artifacts.drop_previews(connection, job_ids)
        costs.settle(connection, job_ids, learn=learn)


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


def _fingerprint(kind: str, params: dict[str, Any], *rest: object) -> str:
    return hashlib.sha256(json.dumps([kind, params, *rest], sort_keys=True).encode()).hexdigest()


def _new_job(row: dict[str, Any], created_at: datetime, run_at: datetime) -> Job:
    """The job as it was just written, without asking for it again."""
    told = {name: row[name] for name in row if name not in {"idempotency_key", "fingerprint"}}
    nothing = dict.fromkeys(
        (
            "model_version",
            "started_at",
            "finished_at",
            "lease_until",
            "worker_id",
            "device",
            "error_code",
            "error_message",
        )
    )
    counters = dict.fromkeys(("attempt", "failures", "crashes", "revision"), 0)
    return Job(
        **told | nothing | counters | {"created_at": created_at, "run_at": run_at},
        state=JobState.QUEUED,
        cancel_requested=False,
        progress=Progress(),
        metrics={},
    )


def _earlier(db: Database, owner: Owner, row: dict[str, Any]) -> Job:
    """Why a submit made no row: the key was used before, or the owner's queue is full."""
    mine = (jobs.c.owner_id == owner.id) & (jobs.c.idempotency_key == row["idempotency_key"])
    with db.begin() as connection:
        found = connection.execute(select(*jobs.c).where(mine)).mappings().first() if row["idempotency_key"] else None
    if found is None:
        raise TooMany(
            f"{owner.cap_queued} of your jobs are waiting already, which is the most at one time.",
            code="queue_full",
            retry_after=30,
        )
    if found["fingerprint"] != row["fingerprint"]:
        raise used_for_another("job")
    return job_from(found)


def used_for_another(noun: str) -> Invalid:
    """What is said of an idempotency key that comes a second time with something else."""
    return Invalid(
        f"This Idempotency-Key was used for a different request. Use a fresh key for a new {noun}.",
        code="idempotency_mismatch",
        field="Idempotency-Key",
    )


def _owned(connection: Connection, owner_id: str, job_id: str) -> Job:
    if is_id(job_id):
        mine = (jobs.c.id == job_id) & (jobs.c.owner_id == owner_id)
        row = connection.execute(select(*jobs.c).where(mine)).mappings().one_or_none()
        if row is not None:
            return job_from(row)
    raise NotFound("There is no such job.")


def check_device(db: Database, device: str) -> None:
    """Raises Invalid unless there is such a device."""
    with db.begin() as connection:
        known = connection.execute(select(devices.c.id).where(devices.c.id == device)).first()
    if known is None:
        raise Invalid(f"There is no device {device!r} here.", code="unknown_device", field="device")
