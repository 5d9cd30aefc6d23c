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
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Select, Update, cast, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from shared import artifacts, costs, kinds, library
from shared.db import Database
from shared.errors import Conflict, Invalid, NotFound, TooMany
from shared.ids import is_id, new_id
from shared.job import Job, JobState, Progress, job_from
from shared.kinds.params import Params
from shared.owners import Owner
from shared.records import devices, events, jobs

MAX_FAILURES = 3
"""A job that raised this often has failed."""

MAX_CRASHES = 2
"""A job that took this many workers down with it is poison."""

PRIORITY_STEP_S = 60.0
"""A job of priority p overtakes one of p - 1 that was submitted up to this much earlier, and no more."""

_JSON = JSONB()


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


def recorded(change: Insert | Update, event: str, data: dict[str, Any] | None = None) -> Select[Any]:
    """`change` to the jobs table together with its audit event, as one statement that returns the rows."""
    changed = change.returning(*jobs.c).cte("changed")
    line = select(changed.c.id, changed.c.attempt, literal(event), cast(literal(data or {}, _JSON), _JSON))
    logged = insert(events).from_select(["job_id", "attempt", "type", "data"], line).cte("logged")
    return select(changed).add_cte(logged)


_SUBMIT = text(
    """
    with made as (
        insert into jobs (id, owner_id, kind, params, title, state, priority, pool, device_pin, model, seed,
                          time_limit_s, parent_id, idempotency_key, fingerprint, run_at, rank)
        select :id, :owner_id, :kind, cast(:params as jsonb), :title, 'queued', :priority, :pool, :device_pin, :model,
               :seed, :time_limit_s, :parent_id, :idempotency_key, :fingerprint, due.at,
               extract(epoch from greatest(now(), due.at)) - :priority * :step
        from (select coalesce(cast(:run_at as timestamptz), now()) as at) as due
        where not exists (select from jobs where owner_id = :owner_id and state = 'queued' offset greatest(:cap, 1) - 1)
        on conflict on constraint uq_jobs_idempotency do nothing
        returning id, attempt, created_at, run_at
    ), logged as (
        insert into events (job_id, attempt, type) select id, attempt, 'submitted' from made
    )
    select created_at, run_at from made
    """
).bindparams(step=PRIORITY_STEP_S)
"""One statement, and one round trip, for the way that every job takes: the row and its event, if there is room."""


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
) -> Submitted:
    """Check a request and write its row; the caller rings after this returns.

    The same idempotency key with the same request answers with the first job.

    Raises:
        Invalid: unknown kind, wrong params, unknown model or device, or the key was used for another request.
        TooMany: the owner has as many queued jobs as it may.
    """
    checked = params if isinstance(params, Params) else kinds.validate(kind, params)
    asked = checked.model_dump(mode="json", exclude_none=True)
    row = {
        "id": new_id("job"),
        "owner_id": owner.id,
        "kind": kind,
        "params": asked,
        "title": checked.headline()[:200],
        "priority": priority,
        "pool": device or pool or type(checked).pool,
        "device_pin": device,
        "model": checked.affinity(),
        "seed": asked.get("seed", secrets.randbits(53)),
        "time_limit_s": time_limit_s or type(checked).time_limit_s,
        "parent_id": parent_id,
        "idempotency_key": idempotency_key,
        "fingerprint": _fingerprint(kind, asked, priority, pool, device) if idempotency_key else None,
        "run_at": run_at,
    }
    with db.single() as connection:
        for name, task in type(checked).model_tasks().items():
            if name in asked:
                library.check(connection, owner.id, asked[name], task, name)
        if device:
            _check_device(connection, device)
        made = connection.execute(_SUBMIT, row | {"params": json.dumps(asked), "cap": owner.cap_queued}).one_or_none()
        if made is None:
            return Submitted(_earlier(connection, owner, row), created=False)
    return Submitted(_new_job(row, made.created_at, made.run_at), created=True)


def cancel(db: Database, owner_id: str, job_id: str) -> Job:
    """Cancel a queued job at once; ask a running one to stop. Asking twice is asking once.

    Raises:
        NotFound: the owner has no such job.
        Conflict: the job has already succeeded or failed.
    """
    mine = (jobs.c.id == job_id) & (jobs.c.owner_id == owner_id)
    waiting = update(jobs).where(mine, jobs.c.state == JobState.QUEUED).values(_ended(JobState.CANCELLED))
    working = (
        update(jobs)
        .where(mine, jobs.c.state == JobState.RUNNING, ~jobs.c.cancel_requested)
        .values(cancel_requested=True, revision=jobs.c.revision + 1)
    )
    with db.begin() as connection:
        for statement, event in ((waiting, "cancelled"), (working, "cancel_requested")):
            row = connection.execute(recorded(statement, event)).mappings().one_or_none()
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
    )


# ---- the worker's side ----------------------------------------------------------------------------------------


def start(
    connection: Connection, job_id: str, *, worker_id: str, device: str, lease_s: float, charged: float
) -> Job | None:
    """queued -> running, within the claim's transaction; None where the job is no longer queued."""
    taken = (
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED)
        .values(
            state=JobState.RUNNING,
            attempt=jobs.c.attempt + 1,
            lease_until=_in(lease_s),
            worker_id=worker_id,
            device=device,
            charged=charged,
            started_at=func.now(),
            progress={},
            metrics={},
            revision=jobs.c.revision + 1,
        )
    )
    row = connection.execute(recorded(taken, "claimed", {"device": device})).mappings().one_or_none()
    return job_from(row) if row else None


def pulse(
    db: Database, job: Job, lease_s: float, progress: Progress | None = None, metrics: dict[str, float] | None = None
) -> PulseReply:
    """Renew the lease, write progress if there is news, and read the cancel flag: one UPDATE."""
    values: dict[str, Any] = {"lease_until": _in(lease_s)}
    if progress is not None:
        values |= {"progress": _plain(progress), "metrics": metrics or {}, "revision": jobs.c.revision + 1}
    with db.begin(durable=False) as connection:
        flag = connection.execute(update(jobs).where(_fence(job)).values(values).returning(jobs.c.cancel_requested))
        cancel_requested = flag.scalar_one_or_none()
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
    done = (
        update(jobs)
        .where(_fence(job), ~jobs.c.cancel_requested)
        .values(
            **_ended(JobState.SUCCEEDED),
            progress=_plain(progress),
            metrics=metrics,
            model_version=model_version,
            error_code=None,
            error_message=None,
        )
    )
    with db.begin() as connection:
        row = connection.execute(recorded(done, "succeeded")).mappings().one_or_none()
        if row is not None:
            artifacts.insert_all(connection, job, outputs)
            artifacts.drop_previews(connection, [job.id])
            costs.learn(connection, row)
            return JobState.SUCCEEDED
    return stop(db, job) or _already(db, job)


def stop(db: Database, job: Job) -> JobState | None:
    """running -> cancelled, by the worker that saw the flag; None where it may not."""
    ended = update(jobs).where(_fence(job), jobs.c.cancel_requested).values(_ended(JobState.CANCELLED))
    with db.begin() as connection:
        row = connection.execute(recorded(ended, "cancelled")).mappings().one_or_none()
        if row is None:
            return None
        artifacts.drop_previews(connection, [job.id])
        costs.settle(connection, row)
    return JobState.CANCELLED


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
    if retryable and job.failures + 1 < MAX_FAILURES:
        return _requeue(db, job, code, message, _backoff(retry_s, job.failures))
    values = {**_ended(JobState.FAILED), "failures": jobs.c.failures + 1, "error_code": code, "error_message": message}
    failed = update(jobs).where(_fence(job), ~jobs.c.cancel_requested).values(values)
    with db.begin() as connection:
        row = (
            connection.execute(recorded(failed, "failed", {"code": code, "message": message})).mappings().one_or_none()
        )
        if row is not None:
            artifacts.insert_all(connection, job, logs or [])
            artifacts.drop_previews(connection, [job.id])
            costs.settle(connection, row)
            return JobState.FAILED
    return stop(db, job) or _already(db, job)


def release(db: Database, job: Job, reason: str) -> bool:
    """running -> queued at no cost to any budget: the worker drains, or never began."""
    put_back = update(jobs).where(_fence(job)).values(_waiting())
    with db.begin() as connection:
        row = connection.execute(recorded(put_back, "released", {"reason": reason})).mappings().one_or_none()
        if row is not None:
            costs.settle(connection, row)
    return row is not None


# ---- nobody's side: what a dead worker leaves behind ------------------------------------------------------------


def reclaim(db: Database, device: str, worker_id: str) -> SweepReport:
    """Put back what an earlier process of this device was running: there is one at a time, so it is dead."""
    return _recover(db, (jobs.c.device == device) & (jobs.c.worker_id != worker_id), "its worker was replaced")


def sweep(db: Database) -> SweepReport:
    """Put back, or end, every job whose lease ran out; any number of sweeps at a time is safe."""
    return _recover(db, jobs.c.lease_until < func.now(), "its worker stopped answering")


def _recover(db: Database, lost: ColumnElement[bool], why: str) -> SweepReport:
    held = (jobs.c.state == JobState.RUNNING) & lost
    poison = {
        **_ended(JobState.FAILED),
        "crashes": jobs.c.crashes + 1,
        "error_code": "poison",
        "error_message": f"The job ended {MAX_CRASHES} workers in a row and was stopped. Its last one: {why}.",
    }
    again = {**_waiting(), "crashes": jobs.c.crashes + 1}
    with db.begin() as connection:
        gone = (
            connection.execute(
                recorded(
                    update(jobs).where(held, jobs.c.cancel_requested).values(_ended(JobState.CANCELLED)), "cancelled"
                )
            )
            .mappings()
            .all()
        )
        dead = (
            connection.execute(
                recorded(
                    update(jobs).where(held, jobs.c.crashes + 1 >= MAX_CRASHES).values(poison),
                    "failed",
                    {"code": "poison"},
                )
            )
            .mappings()
            .all()
        )
        back = (
            connection.execute(recorded(update(jobs).where(held).values(again), "stalled", {"reason": why}))
            .mappings()
            .all()
        )
        artifacts.drop_previews(connection, [row["id"] for row in (*gone, *dead, *back)])
        for row in (*gone, *dead, *back):
            costs.settle(connection, row)
        pools = connection.execute(select(jobs.c.pool).where(_due()).group_by(jobs.c.pool)).scalars().all()
    return SweepReport(requeued=len(back), ended=len(gone) + len(dead), pools=list(pools))


# ---- pieces ---------------------------------------------------------------------------------------------------


def _fence(job: Job) -> ColumnElement[bool]:
    held = (jobs.c.id == job.id) & (jobs.c.state == JobState.RUNNING)
    return held & (jobs.c.attempt == job.attempt) & (jobs.c.worker_id == job.worker_id)


def _due() -> ColumnElement[bool]:
    return (jobs.c.state == JobState.QUEUED) & (jobs.c.run_at <= func.now())


def _ended(state: JobState) -> dict[str, Any]:
    return {"state": state, "finished_at": func.now(), "lease_until": None, "revision": jobs.c.revision + 1}


def _waiting() -> dict[str, Any]:
    """What a job that goes back to the queue forgets; its rank stays, so it keeps its place."""
    forgotten: dict[str, Any] = {"lease_until": None, "worker_id": None, "device": None, "progress": {}}
    return {"state": JobState.QUEUED, "revision": jobs.c.revision + 1, **forgotten}


def _requeue(db: Database, job: Job, code: str, message: str, delay_s: float) -> JobState | None:
    values = {
        **_waiting(),
        "failures": jobs.c.failures + 1,
        "error_code": code,
        "error_message": message,
        "run_at": _in(delay_s),
    }
    again = update(jobs).where(_fence(job), ~jobs.c.cancel_requested).values(values)
    data = {"code": code, "message": message, "delay_s": round(delay_s, 1)}
    with db.begin() as connection:
        row = connection.execute(recorded(again, "retried", data)).mappings().one_or_none()
        if row is not None:
            artifacts.drop_previews(connection, [job.id])
            costs.settle(connection, row)
            return JobState.QUEUED
    return stop(db, job) or _already(db, job)


def _already(db: Database, job: Job) -> JobState | None:
    """The state this very attempt left behind, when an earlier COMMIT was applied but its answer was lost."""
    mine = (jobs.c.id == job.id) & (jobs.c.attempt == job.attempt) & (jobs.c.worker_id == job.worker_id)
    with db.begin() as connection:
        state = connection.execute(
            select(jobs.c.state).where(mine, jobs.c.finished_at.is_not(None))
        ).scalar_one_or_none()
    return JobState(state) if state else None


def _in(seconds: float) -> ColumnElement[datetime]:
    return func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def _backoff(first_s: float, failures: int) -> float:
    """Doubling with full jitter above half, so that what failed together does not return together."""
    return first_s * float(2**failures) * random.uniform(0.5, 1)


def _plain(progress: Progress) -> dict[str, Any]:
    return {"done": progress.done, "total": progress.total, "note": progress.note, "text": progress.text}


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


def _earlier(connection: Connection, owner: Owner, row: dict[str, Any]) -> Job:
    """Why a submit made no row: the key was used before, or the owner's queue is full."""
    mine = (jobs.c.owner_id == owner.id) & (jobs.c.idempotency_key == row["idempotency_key"])
    found = connection.execute(select(*jobs.c).where(mine)).mappings().first() if row["idempotency_key"] else None
    if found is None:
        raise TooMany(
            f"{owner.cap_queued} of your jobs are waiting already, which is the most at one time.",
            code="queue_full",
            retry_after=30,
        )
    if found["fingerprint"] != row["fingerprint"]:
        raise Invalid(
            "This Idempotency-Key was used for a different request. Use a fresh key for a new job.",
            code="idempotency_mismatch",
            field="Idempotency-Key",
        )
    return job_from(found)


def _owned(connection: Connection, owner_id: str, job_id: str) -> Job:
    if is_id(job_id):
        mine = (jobs.c.id == job_id) & (jobs.c.owner_id == owner_id)
        row = connection.execute(select(*jobs.c).where(mine)).mappings().one_or_none()
        if row is not None:
            return job_from(row)
    raise NotFound("There is no such job.")


def _check_device(connection: Connection, device: str) -> None:
    if connection.execute(select(devices.c.id).where(devices.c.id == device)).first() is None:
        raise Invalid(f"There is no device {device!r} here.", code="unknown_device", field="device")
