"""Due ticks become runs, and runs become jobs or batches: exactly one run a due tick, with any number of beats.

Two phases, each with the schedule's row locked and skipped by whoever comes second. First the due ticks are written
down as runs and `next_due` moves on, in one transaction. Then each run is submitted under an idempotency key of its
own and marked. A crash between them leaves runs that are due; a crash between submit and mark finds its job or batch
again.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from shared import batches, cron, drafts, jobs, owners, templates, variables
from shared.db import Database
from shared.errors import AtelierError, Conflict, Invalid, NotFound, TooMany, Unavailable
from shared.job import JobState
from shared.owners import Owner
from shared.plan import Plan, Tick, Timing, plan
from shared.records import batches as batch_rows
from shared.records import jobs as job_rows
from shared.records import runs, schedules
from shared.schedule import Run, RunState, Terms, run_from, schedule_from
from shared.variations import Varied

AT_ONCE = 100
"""Schedules planned in one transaction."""

MAX_FAILURES = 3
"""A schedule whose runs were refused this often in a row is paused."""

KEEP_DAYS = 90
"""How long a run stays in the history; its job stays as long as jobs do."""

log = logging.getLogger(__name__)


def tick(db: Database) -> set[str]:
    """Submit all that is due; the pools to ring."""
    while write_down(db):
        pass
    return submit_due(db)


def next_due_in(db: Database) -> float | None:
    """Seconds until the next due tick that is still to come; None where there is none."""
    soonest = select(func.extract("epoch", func.min(schedules.c.next_due) - func.now()))
    with db.begin() as connection:
        seconds = connection.execute(soonest.where(schedules.c.next_due > func.now())).scalar_one()
    return None if seconds is None else float(seconds)


def forget(db: Database) -> None:
    """Delete the runs that the history no longer shows."""
    old = runs.c.created_at < func.now() - func.make_interval(0, 0, 0, KEEP_DAYS)
    with db.begin() as connection:
        connection.execute(delete(runs).where(old, runs.c.state != RunState.DUE))


# ---- first phase: due ticks become runs -------------------------------------------------------------------------


def write_down(db: Database) -> int:
    """Write down the runs of schedules that are due, and move these on; returns how many schedules that were."""
    due = select(*schedules.c, func.now().label("now")).where(schedules.c.next_due <= func.now())
    due = due.order_by(schedules.c.next_due).limit(AT_ONCE).with_for_update(key_share=True, skip_locked=True)
    with db.begin() as connection:
        found = connection.execute(due).mappings().all()
        for row in found:
            try:
                made = _planned(row)
            except Exception as error:
                log.warning("schedule %s is paused: it cannot be planned", row["id"], exc_info=True)
                told = str(error) if isinstance(error, AtelierError) else "Its next due tick cannot be worked out."
                _set(connection, row["id"], _paused(told))
            else:
                _write(connection, row, made)
    return len(found)


def _planned(row: RowMapping) -> Plan:
    window = timedelta(seconds=row["window_s"]) if row["window_s"] else None
    timing = Timing(cron.parse(row["cron"]), cron.zone(row["zone"]))
    return plan(timing, row["next_due"], row["now"], row["missed"], window)


def _write(connection: Connection, row: RowMapping, made: Plan) -> None:
    number = row["run_count"]
    new = [_new_run(row["id"], tick, RunState.DUE, number + place) for place, tick in enumerate(made.run, 1)]
    new += [_new_run(row["id"], made.dropped, RunState.SKIPPED, None)] if made.dropped else []
    # A run asked for by hand in the same second is the run of that due tick.
    connection.execute(insert(runs).values(new).on_conflict_do_nothing())
    on = {"last_due": max(each["due_at"] for each in new), "run_count": number + len(made.run)}
    moved = {"next_due": made.next} if made.next else _paused("No due tick is left to come.")
    _set(connection, row["id"], on | moved)


def _new_run(schedule_id: str, tick: Tick, state: RunState, number: int | None) -> dict[str, Any]:
    return {
        "schedule_id": schedule_id,
        "due_at": tick.due_at,
        "number": number,
        "state": state,
        "reason": tick.reason,
    }


# ---- second phase: runs become jobs -------------------------------------------------------------------------------


def submit_due(db: Database) -> set[str]:
    """Submit every run that is due; the pools to ring. One schedule's trouble is not another's."""
    with db.begin() as connection:
        waiting = connection.execute(select(runs.c.schedule_id).where(runs.c.state == RunState.DUE).distinct())
        ids = waiting.scalars().all()
    pools: set[str] = set()
    for schedule_id in ids:
        try:
            pools |= submit_runs(db, schedule_id)
        except Unavailable:
            raise
        except Exception:
            log.exception("the runs of schedule %s stay due", schedule_id)
    return pools


def submit_runs(db: Database, schedule_id: str, *, wait: bool = False) -> set[str]:
    """Submit a schedule's due runs, oldest first, unless somebody else is at it; the pools to ring.

    `wait` stands in line for whoever is at it.
    """
    pools: set[str] = set()
    while (outcome := _submit_oldest(db, schedule_id, wait=wait)) is not None:
        pools |= {outcome.pool} if outcome.pool else set()
    return pools


@dataclass(frozen=True)
class _Outcome:
    """What became of a run. `refused`: it would be refused again, so it counts towards pausing the schedule."""

    state: RunState
    reason: str | None = None
    job_id: str | None = None
    batch_id: str | None = None
    pool: str | None = None
    refused: bool = False


def _submit_oldest(db: Database, schedule_id: str, *, wait: bool) -> _Outcome | None:
    mine = select(*schedules.c).where(schedules.c.id == schedule_id)
    oldest = select(*runs.c).where(runs.c.schedule_id == schedule_id, runs.c.state == RunState.DUE)
    with db.begin() as connection:
        row = connection.execute(mine.with_for_update(key_share=True, skip_locked=not wait)).mappings().one_or_none()
        found = row and connection.execute(oldest.order_by(runs.c.due_at).limit(1)).mappings().one_or_none()
        if not row or not found:
            return None
        run = run_from(found)
        outcome = _submit(db, connection, row, run)
        marked = {"state": outcome.state, "job_id": outcome.job_id, "batch_id": outcome.batch_id}
        marked |= {"reason": outcome.reason or run.reason}
        this = (runs.c.schedule_id == schedule_id) & (runs.c.due_at == run.due_at)
        connection.execute(update(runs).where(this).values(marked))
        _set(connection, schedule_id, _counted(row, outcome))
    return outcome


def _submit(db: Database, connection: Connection, row: RowMapping, run: Run) -> _Outcome:
    """Decide by the overlap policy, and submit; Unavailable leaves the run as it was."""
    key = f"schedule:{run.schedule_id}:{run.due_at.astimezone(UTC).isoformat()}"
    earlier = _submitted(connection, row["owner_id"], key)
    if earlier is not None:
        return earlier
    try:
        schedule = schedule_from(row)
        owner = owners.get(db, schedule.owner_id)
        live_jobs, live_batches = _live_jobs(connection, schedule.id), _live_batches(connection, schedule.id)
        if schedule.terms.overlap == "skip" and (live_jobs or live_batches):
            told = (
                f"The job of an earlier run, {live_jobs[0]}, has not ended yet."
                if live_jobs
                else f"The batch of an earlier run, {live_batches[0]}, has not ended yet."
            )
            return _Outcome(RunState.SKIPPED, told)
        if schedule.terms.overlap == "cancel_old":
            _cancel(db, owner, live_jobs, live_batches)
        return _submit_template(db, owner, filled(schedule.terms, run.due_at, run.number or 0), key)
    except TooMany as error:
        return _Outcome(RunState.FAILED, str(error))
    except (Invalid, NotFound) as error:
        return _Outcome(RunState.FAILED, str(error), refused=True)
    except ValidationError:
        return _Outcome(RunState.FAILED, "Its template is of a form that is no longer known.", refused=True)


def _submitted(connection: Connection, owner_id: str, key: str) -> _Outcome | None:
    """What was submitted under this key already, before somebody crashed."""
    for rows, name in ((job_rows, "job_id"), (batch_rows, "batch_id")):
        mine = (rows.c.owner_id == owner_id) & (rows.c.idempotency_key == key)
        made = connection.execute(select(rows.c.id, rows.c.pool).where(mine)).one_or_none()
        if made is not None:
            return _Outcome(RunState.SUBMITTED, pool=made.pool, **{name: made.id})
    return None


def _submit_template(db: Database, owner: Owner, template: templates.Template, key: str) -> _Outcome:
    if template.batch is not None:
        source, placement = batch_of(template.batch)
        made = batches.submit(
            db, owner, template.batch.kind, source, placement=placement, title=template.batch.title, idempotency_key=key
        ).batch
        return _Outcome(RunState.SUBMITTED, batch_id=made.id, pool=made.pool)
    job = template.content
    submitted = jobs.submit(
        db,
        owner,
        job.kind,
        job.params,
        idempotency_key=key,
        priority=job.priority,
        pool=job.pool,
        device=job.device,
        time_limit_s=job.time_limit_s,
    )
    return _Outcome(RunState.SUBMITTED, job_id=submitted.job.id, pool=submitted.job.pool)


def batch_of(batch: templates.BatchTemplate) -> tuple[Varied, drafts.Placement]:
    """The items of a filled template, and what is asked for beside them.

    Raises:
        Invalid: nothing is varied, or the values do not fit together.
    """
    placement = drafts.Placement(batch.priority, batch.pool, batch.device, batch.time_limit_s)
    return Varied(batch.params, batch.vary, batch.mode), placement


def filled(terms: Terms, due_at: datetime, number: int) -> templates.Template:
    """What a schedule submits at a due tick.

    Raises:
        Invalid: the zone or a variable is unknown.
    """
    given = variables.values(due_at, cron.zone(terms.zone), run=number, schedule=terms.name)
    return templates.fill(terms.template, given)


def _live_jobs(connection: Connection, schedule_id: str) -> list[str]:
    live = job_rows.c.state.in_([JobState.QUEUED, JobState.RUNNING])
    theirs = select(job_rows.c.id).join(runs, runs.c.job_id == job_rows.c.id)
    return list(connection.execute(theirs.where(runs.c.schedule_id == schedule_id, live)).scalars())


def _live_batches(connection: Connection, schedule_id: str) -> list[str]:
    """The batches of earlier runs of which any job waits or runs, one that was retried too."""
    live = job_rows.c.state.in_([JobState.QUEUED, JobState.RUNNING])
    theirs = select(runs.c.batch_id).join(job_rows, job_rows.c.batch_id == runs.c.batch_id).distinct()
    return list(connection.execute(theirs.where(runs.c.schedule_id == schedule_id, live)).scalars())


def _cancel(db: Database, owner: Owner, job_ids: Iterable[str], batch_ids: Iterable[str]) -> None:
    for cancel, ids in ((jobs.cancel, job_ids), (batches.cancel, batch_ids)):
        for each in ids:
            try:
                cancel(db, owner.id, each)
            except (Conflict, NotFound):
                pass  # it has ended by itself meanwhile


def _counted(row: RowMapping, outcome: _Outcome) -> dict[str, Any]:
    if outcome.state is RunState.SUBMITTED:
        return {"failures": 0}
    if not outcome.refused:
        return {}
    failures = row["failures"] + 1
    if failures < MAX_FAILURES or row["paused_at"] is not None:
        return {"failures": failures}
    return _paused(f"{failures} runs in a row were refused. The last one: {outcome.reason}") | {"failures": failures}


def _paused(reason: str) -> dict[str, Any]:
    return {"paused_at": func.now(), "pause_reason": reason, "next_due": None}


def _set(connection: Connection, schedule_id: str, values: dict[str, Any]) -> None:
    changed = values | {"revision": schedules.c.revision + 1}
    connection.execute(update(schedules).where(schedules.c.id == schedule_id).values(changed))
