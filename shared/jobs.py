"""The owner's side of a job's life: submit, cancel, retry.

    submit -> queued -> running -> succeeded | failed | cancelled
                 ^         |
                 +---------+   retry, drain, or a lost worker

The arrows are statements of `shared.transitions`, each one UPDATE whose WHERE names the state it expects. Zero rows
means that somebody else was first. The worker's side is `shared.attempts`, that of a batch `shared.batch_jobs`.
Knows neither the bell nor the object store.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Connection, select

from shared import artifacts, dependencies, kinds, library, search_space, transitions, trials, versions
from shared.datasets import Datasets
from shared.db import Database
from shared.drafts import Placement, draft, lane_of
from shared.errors import Conflict, Invalid, NotFound, TooMany
from shared.ids import is_id, new_ids
from shared.inputs import Inputs
from shared.job import MAX_TIME_LIMIT_S, Job, JobState, Progress, job_from
from shared.kinds.params import Params
from shared.kinds.search_hyperparameters import SearchHyperparameters
from shared.kinds.training_params import Training
from shared.new_rows import PRIORITY_STEP_S, SUBMIT
from shared.owners import Owner
from shared.placeholders import placeholders
from shared.records import devices, jobs
from shared.room import Room

_room = Room()


@dataclass(frozen=True)
class Submitted:
    """The job, and whether this request made it (an idempotency key may have found an earlier one)."""

    job: Job
    created: bool


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
    workflow_id: str | None = None,
    step: str | None = None,
    depends_on: Sequence[str] = (),
) -> Submitted:
    """Check a request and write its row; the caller rings after this returns.

    `depends_on` names jobs of the owner that must succeed before it may start. The same idempotency key with the same
    request answers with the first job.

    Raises:
        Invalid: unknown kind, wrong params, unknown model, device or need, or the key was used for another request.
        TooMany: the owner has as many queued jobs as it may.
    """
    checked = params if isinstance(params, Params) else kinds.validate(kind, params)
    row = draft(kind, Datasets(db, owner.id).pin(checked), Placement(priority, pool, device, time_limit_s))
    # A dataset as it was named: the same request is the same although there is a newer version by now.
    asked = row["params"] | {name: ref for name in type(checked).dataset_formats() if (ref := getattr(checked, name))}
    check(db, owner.id, checked, device)
    row |= {
        "owner_id": owner.id,
        "parent_id": parent_id,
        "batch_id": batch_id,
        "batch_index": batch_index,
        "workflow_id": workflow_id,
        "step": step,
        "waits": False,
        "needed": False,
        "idempotency_key": idempotency_key,
        "fingerprint": _fingerprint(kind, asked, priority, pool, device, *depends_on) if idempotency_key else None,
        "run_at": run_at,
    }
    cap = _room.cap_to_check(db, owner)
    made = _behind(db, owner, row, depends_on, cap) if depends_on else db.one(SUBMIT, given(row, cap))
    if made is None:
        return Submitted(_earlier(db, owner, row), created=False)
    return Submitted(_new_job(row, *made), created=True)


def given(row: dict[str, Any], cap: int | None) -> dict[str, Any]:
    """A drafted row as `SUBMIT` takes it; with a cap only where fewer jobs of the owner wait."""
    more = {"params": to_json(row["params"]).decode(), "priority_step": PRIORITY_STEP_S, "cap": cap}
    more["lane"] = lane_of(row["kind"], of_batch=row["batch_id"] is not None)
    return {"searched_by": None, "trial": None} | row | more


def check(db: Database, owner_id: str, params: Params, device: str | None = None) -> None:
    """Check what a request refers to, without submitting it.

    Raises:
        Invalid: there is no such model, dataset, input or device.
    """
    for name, task in type(params).model_tasks().items():
        model = getattr(params, name)
        if model is not None:
            library.check(db, owner_id, model, task, name)
    for name, task in type(params).adapter_tasks().items():
        for adapter in getattr(params, name) or ():
            library.check(db, owner_id, adapter.model, task, name)
    Inputs(db, owner_id).check(params)
    if isinstance(params, SearchHyperparameters):
        # A search is checked by its first trial; in its form that is one field.
        with search_space.within("params"):
            check(db, owner_id, search_space.check(params))
    Datasets(db, owner_id).pin(params)
    if isinstance(params, Training):
        versions.check_name(db, owner_id, params.name)
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
            row = transitions.follow(connection, arrow, {"job": job_id, "owner": owner_id})
            if row is not None:
                dependencies.follow_end(connection, [row])
                trials.follow_end(connection, [row])
                artifacts.drop_checkpoints(connection, [job_id])
                job = job_from(row)
                break
        else:
            job = _owned(connection, owner_id, job_id)
    if kinds.searches(job.kind):
        trials.forsake(db)
    if job.state in {JobState.SUCCEEDED, JobState.FAILED}:
        raise Conflict(f"This job has already {job.state}; there is nothing left to cancel.", code="already_finished")
    return job


def retry(
    db: Database, owner: Owner, job_id: str, *, longer: float = 1, idempotency_key: str | None = None
) -> Submitted:
    """Submit the same request as a new job that names this one as its parent, with a time limit `longer` times as long.

    Raises:
        NotFound: the owner has no such job.
        Conflict: the job has not ended yet.
        Invalid: what it refers to is not there any more.
        TooMany: the owner has as many queued jobs as it may.
    """
    with db.begin() as connection:
        old = _owned(connection, owner.id, job_id)
    if placeholders(old.params):
        told = "It is not known yet what this step would run with. Retry its workflow instead."
        raise Conflict(told, code="step_not_known_yet")
    if not old.done:
        raise Conflict(f"This job is still {old.state}; cancel it first, or wait for its end.", code="not_finished")
    # What has been fixed since is not asked for again.
    asked = {name: value for name, value in old.params.items() if name not in kinds.fixed(old.kind)}
    if "seed" in kinds.params_class(old.kind).model_fields and artifacts.has_checkpoint(db, old.id):
        asked["seed"] = old.seed  # it goes on from there, with the same dice
    return submit(
        db,
        owner,
        old.kind,
        asked,
        idempotency_key=idempotency_key,
        priority=old.priority,
        pool=None if old.device_pin else old.pool,
        device=old.device_pin,
        parent_id=old.id,
        time_limit_s=min(old.time_limit_s * longer, max(old.time_limit_s, MAX_TIME_LIMIT_S)),
        batch_id=old.batch_id,
        batch_index=old.batch_index,
        workflow_id=old.workflow_id,
        step=old.step,
        depends_on=[need.job_id for need in dependencies.needs(db, old.id)],
    )


def check_device(db: Database, device: str) -> None:
    """Raises Invalid unless there is such a device."""
    with db.begin() as connection:
        known = connection.execute(select(devices.c.id).where(devices.c.id == device)).first()
    if known is None:
        raise Invalid(f"There is no device {device!r} here.", code="unknown_device", field="device")


def used_for_another(noun: str) -> Invalid:
    """What is said of an idempotency key that comes a second time with something else."""
    return Invalid(
        f"This Idempotency-Key was used for a different request. Use a fresh key for a new {noun}.",
        code="idempotency_mismatch",
        field="Idempotency-Key",
    )


def _behind(
    db: Database, owner: Owner, row: dict[str, Any], needs: Sequence[str], cap: int | None
) -> tuple[datetime, datetime] | None:
    """Write the row of a job that needs others, changing it to say whether it waits; None as `SUBMIT` has it."""
    mine = (jobs.c.owner_id == owner.id) & (jobs.c.idempotency_key == row["idempotency_key"])
    with db.begin() as connection:
        if row["idempotency_key"] and connection.execute(select(jobs.c.id).where(mine)).first() is not None:
            return None  # whatever has become of its needs since
        wanted = list(dict.fromkeys(needs))
        states = dependencies.hold(connection, owner.id, wanted)
        row["waits"] = dependencies.must_wait(states, wanted)
        row["id"] = new_ids("job", 1, behind=max(wanted))[0]
        made = connection.exec_driver_sql(SUBMIT, given(row, cap)).one_or_none()
        if made is not None:
            dependencies.write(connection, {row["id"]: wanted})
    return (made[0], made[1]) if made is not None else None


def _fingerprint(kind: str, params: dict[str, Any], *rest: object) -> str:
    return hashlib.sha256(json.dumps([kind, params, *rest], sort_keys=True).encode()).hexdigest()


def _new_job(row: dict[str, Any], created_at: datetime, run_at: datetime) -> Job:
    """The job as it was just written, without asking for it again."""
    told = {name: row[name] for name in row if name not in {"idempotency_key", "fingerprint"}}
    nothing = dict.fromkeys(
        (
            "model_version",
            "made_with",
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


def _owned(connection: Connection, owner_id: str, job_id: str) -> Job:
    if is_id(job_id):
        mine = (jobs.c.id == job_id) & (jobs.c.owner_id == owner_id)
        row = connection.execute(select(*jobs.c).where(mine)).mappings().one_or_none()
        if row is not None:
            return job_from(row)
    raise NotFound("There is no such job.")
