"""The arrows of a job's life: every way in which its state changes, each one guarded statement, made once.

`shared.jobs`, `shared.attempts`, `shared.batch_jobs`, `shared.workflows` and `shared.dependencies` follow them and
nobody else. Each returns the rows that it
changed and writes their audit event. A guard names the state it expects and, for a worker, the fence: the attempt, and
the worker that holds it.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Connection,
    Double,
    RowMapping,
    Select,
    Text,
    bindparam,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from shared.job import Job, JobState
from shared.records import artifacts, dependencies, events, jobs

MAX_CRASHES = 2
"""A job that took this many workers down with it is poison."""

_JSON = JSONB()


def _arrow(event: str, where: ColumnElement[bool], change: dict[str, Any], *, count: bool = False) -> Select[Any]:
    """An UPDATE of the jobs that fit `where`, with its audit event, as one statement that returns the rows.

    With `count` it returns only how many there were.
    """
    columns = (jobs.c.id, jobs.c.attempt) if count else tuple(jobs.c)
    changed = (
        update(jobs).where(where).values(change | {"revision": jobs.c.revision + 1}).returning(*columns).cte("changed")
    )
    line = select(changed.c.id, changed.c.attempt, literal(event), cast(bindparam("event_data", type_=_JSON), _JSON))
    logged = insert(events).from_select(["job_id", "attempt", "type", "data"], line).cte("logged")
    return (select(func.count()).select_from(changed) if count else select(changed)).add_cte(logged)


def _given(name: str) -> BindParameter[Any]:
    """A value that is given when the statement runs; named apart from the column it goes to."""
    return bindparam(f"new_{name}", type_=jobs.c[name].type)


def _in(name: str) -> ColumnElement[datetime]:
    """A moment so many seconds from now, on the database's clock."""
    return func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam(name, type_=Double()))


def _ended(state: JobState) -> dict[str, Any]:
    return {"state": state, "finished_at": func.now(), "lease_until": None, "wish": None, "held": False}


_MINE = (jobs.c.id == bindparam("job")) & (jobs.c.owner_id == bindparam("owner"))
_OF_WORKFLOW = (jobs.c.workflow_id == bindparam("workflow")) & (jobs.c.owner_id == bindparam("owner"))
_OF_BATCH = (jobs.c.batch_id == bindparam("batch")) & (jobs.c.owner_id == bindparam("owner"))
QUEUED = jobs.c.state == JobState.QUEUED
READY = QUEUED & ~jobs.c.waits & ~jobs.c.held
_RUNNING = jobs.c.state == JobState.RUNNING
_FENCE = (
    (jobs.c.id == bindparam("job"))
    & _RUNNING
    & (jobs.c.attempt == bindparam("held_attempt"))
    & (jobs.c.worker_id == bindparam("held_worker"))
)
_EXPIRED = _RUNNING & (jobs.c.lease_until < func.now())
_ORPHANED = _RUNNING & (jobs.c.device == bindparam("held_device")) & (jobs.c.worker_id != bindparam("held_worker"))

_WAITING: dict[str, Any] = {
    "state": JobState.QUEUED,
    "lease_until": None,
    "worker_id": None,
    "device": None,
    "progress": {},
    # Whoever asked for a pause gets it, whatever brought the job back.
    "held": jobs.c.wish.is_not_distinct_from("pause"),
    "wish": func.nullif(jobs.c.wish, "pause"),
}
"""What a job that goes back to the queue forgets; its rank stays, so it keeps its place."""

_ERROR = {"error_code": _given("error_code"), "error_message": _given("error_message")}
_CRASHED = {"crashes": jobs.c.crashes + 1}
_POISON = _ended(JobState.FAILED) | _CRASHED | _ERROR

_NOW_OR_LATER = func.greatest(jobs.c.run_at, func.now())
_NEVER_RAN = _ended(JobState.CANCELLED) | {"waits": False}

CANCEL_QUEUED = _arrow("cancelled", _MINE & QUEUED, _NEVER_RAN)
CANCEL_RUNNING = _arrow("cancel_requested", _MINE & _RUNNING & ~jobs.c.cancel_requested, {"cancel_requested": True})
CANCEL_REST = (
    _arrow("cancelled", _OF_BATCH & QUEUED, _NEVER_RAN, count=True),
    _arrow(
        "cancel_requested",
        _OF_BATCH & _RUNNING & ~jobs.c.cancel_requested,
        {"cancel_requested": True},
        count=True,
    ),
)
CANCEL_WORKFLOW = (
    _arrow("cancelled", _OF_WORKFLOW & QUEUED, _NEVER_RAN),
    _arrow("cancel_requested", _OF_WORKFLOW & _RUNNING & ~jobs.c.cancel_requested, {"cancel_requested": True}),
)
PAUSE = (
    _arrow("paused", _MINE & QUEUED & ~jobs.c.held, {"held": True, "wish": None}),
    _arrow(
        "pause_requested",
        _MINE & _RUNNING & ~jobs.c.cancel_requested & jobs.c.wish.is_distinct_from("pause"),
        {"wish": "pause"},
    ),
)
RESUME = (
    _arrow("resumed", _MINE & QUEUED & jobs.c.held, {"held": False, "run_at": _NOW_OR_LATER}),
    _arrow("resumed", _MINE & _RUNNING & ~jobs.c.cancel_requested & (jobs.c.wish == "pause"), {"wish": None}),
)
_trial = jobs.alias("trial")
_LEARNED = or_(
    exists().where(artifacts.c.job_id == jobs.c.id, artifacts.c.role == "checkpoint"),
    exists().where(_trial.c.searched_by == jobs.c.id, _trial.c.state == JobState.SUCCEEDED),
)
_UNKEPT = jobs.c.wish.is_distinct_from("keep")
KEEP = (
    _arrow(
        "keep_requested", _MINE & QUEUED & _UNKEPT & _LEARNED, {"wish": "keep", "held": False, "run_at": func.now()}
    ),
    _arrow("keep_requested", _MINE & _RUNNING & _UNKEPT & ~jobs.c.cancel_requested, {"wish": "keep"}),
)
"""A paused training has to run once more, for a moment, to make a model of its checkpoint."""

_GIVEN_JOBS = jobs.c.id == func.any(bindparam("jobs", type_=ARRAY(Text())))
_need = jobs.alias("need")
UNMET = exists().where(
    dependencies.c.job_id == jobs.c.id,
    _need.c.id == dependencies.c.needs_job_id,
    _need.c.state != JobState.SUCCEEDED,
)
WAKE = _arrow(
    "ready",
    _GIVEN_JOBS & QUEUED & jobs.c.waits & ~UNMET,
    {"waits": False, "run_at": _NOW_OR_LATER},
)
"""Those of some jobs whose needs have all succeeded wait no longer. They keep their rank, and so their place."""

CLOSE = _arrow("cancelled", _GIVEN_JOBS & QUEUED & jobs.c.waits, _NEVER_RAN | _ERROR)
"""What waits for a job that will never succeed is cancelled, with the reason."""

START = _arrow(
    "claimed",
    _GIVEN_JOBS & READY,
    {
        "state": JobState.RUNNING,
        "attempt": jobs.c.attempt + 1,
        "lease_until": _in("lease_s"),
        "worker_id": _given("worker_id"),
        "device": _given("device"),
        "charged": _given("charged"),
        "started_at": func.now(),
        "progress": {},
        "metrics": {},
    },
)
SUCCEED = _arrow(
    "succeeded",
    _FENCE & ~jobs.c.cancel_requested,
    {
        **_ended(JobState.SUCCEEDED),
        "progress": _given("progress"),
        "metrics": _given("metrics"),
        "model_version": _given("model_version"),
        "made_with": _given("made_with"),
        "error_code": None,
        "error_message": None,
    },
)
STOP = _arrow("cancelled", _FENCE & jobs.c.cancel_requested, _ended(JobState.CANCELLED))
FAIL = _arrow(
    "failed", _FENCE & ~jobs.c.cancel_requested, _ended(JobState.FAILED) | {"failures": jobs.c.failures + 1} | _ERROR
)
RETRY = _arrow(
    "retried",
    _FENCE & ~jobs.c.cancel_requested,
    _WAITING | {"failures": jobs.c.failures + 1, "run_at": _in("delay_s")} | _ERROR,
)
RELEASE = _arrow("released", _FENCE & ~jobs.c.cancel_requested, _WAITING)
AWAIT = _arrow(
    "awaits_trials",
    _FENCE & ~jobs.c.cancel_requested,
    _WAITING
    | {
        "progress": _given("progress"),
        "metrics": _given("metrics"),
        "run_at": _in("delay_s"),
        "failures": 0,
        "crashes": 0,
    },
)
"""A search waits for its trials in the queue, not on a device. What it has found so far stays to be seen."""

CALL_BACK = (
    update(jobs)
    .where(jobs.c.id == bindparam("search"), jobs.c.finished_at.is_(None))
    .values(run_at=func.least(jobs.c.run_at, func.now()))
    .returning(jobs.c.pool)
)
"""A trial has ended, so its search is due. Whatever state it is in: one that is just about to wait must not miss it."""

_search = jobs.alias("search")
_OVER = _search.c.finished_at.is_not(None) | _search.c.cancel_requested
_FORSAKEN = (
    jobs.c.searched_by.is_not(None)
    & jobs.c.finished_at.is_(None)
    & exists().where(
        _search.c.id == jobs.c.searched_by, _search.c.finished_at.is_not(None) | _search.c.cancel_requested
    )
)
FORSAKE = (
    _arrow("cancelled", _FORSAKEN & QUEUED, _NEVER_RAN),
    _arrow("cancel_requested", _FORSAKEN & _RUNNING & ~jobs.c.cancel_requested, {"cancel_requested": True}),
)
"""The trials of a search that is over, or is being cancelled, are cancelled with it."""


def _recovery(lost: ColumnElement[bool]) -> tuple[Select[Any], Select[Any], Select[Any]]:
    """What becomes of jobs whose worker is gone: cancelled if that was asked for, poison, or back to the queue."""
    return (
        _arrow("cancelled", lost & jobs.c.cancel_requested, _ended(JobState.CANCELLED)),
        _arrow("failed", lost & (jobs.c.crashes + 1 >= MAX_CRASHES), _POISON),
        _arrow("stalled", lost, _WAITING | _CRASHED),
    )


SWEEP = _recovery(_EXPIRED)
RECLAIM = _recovery(_ORPHANED)

HOLD = update(jobs).where(_FENCE).values(lease_until=_in("lease_s")).returning(jobs.c.cancel_requested, jobs.c.wish)
HOLD_WITH_NEWS = HOLD.values(progress=_given("progress"), metrics=_given("metrics"), revision=jobs.c.revision + 1)
REWRITE = (
    update(jobs)
    .where(_FENCE)
    .values(params=_given("params"), title=_given("title"), revision=jobs.c.revision + 1)
    .returning(jobs.c.id)
)
ADVANCE = update(jobs).where(_FENCE).values(crashes=0, failures=0, revision=jobs.c.revision + 1).returning(jobs.c.id)
"""A job with a new checkpoint has come further: what went wrong before it does not count any more."""

POOLS_WITH_WORK = select(jobs.c.pool).where(READY, jobs.c.run_at <= func.now()).group_by(jobs.c.pool)

ONE_AT_A_TIME = text("select pg_advisory_xact_lock(7310002)")
"""For what touches the rows of several owners: in turn, or two of them could wait for each other."""


def fence(job: Job) -> dict[str, Any]:
    """What the worker of this attempt must show."""
    return {"job": job.id, "held_attempt": job.attempt, "held_worker": job.worker_id}


def follow(
    connection: Connection, arrow: Select[Any], given: dict[str, Any], event: dict[str, Any] | None = None
) -> RowMapping | None:
    """Take an arrow with one job; None where its guard did not hold."""
    return connection.execute(arrow, given | {"event_data": event or {}}).mappings().one_or_none()


def follow_all(
    connection: Connection, arrow: Select[Any], given: dict[str, Any], event: dict[str, Any] | None = None
) -> list[RowMapping]:
    """Take an arrow with every job that fits; the rows."""
    return list(connection.execute(arrow, given | {"event_data": event or {}}).mappings())
