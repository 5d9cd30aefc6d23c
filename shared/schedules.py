"""Schedules as their owner handles them: make, change, pause, run now, look back. Becoming due is `shared.ticks`'s."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from shared import cursors, jobs, ticks
from shared.complaints import field_errors, sentence
from shared.db import Database
from shared.errors import Conflict, Invalid, NotFound
from shared.ids import is_id, new_id
from shared.owners import Owner
from shared.records import runs as run_rows
from shared.records import schedules
from shared.run_listing import RUNS, with_batches
from shared.schedule import WINDOW_S, Run, RunState, Schedule, Terms, run_from, schedule_from
from shared.schedule_checks import checked
from shared.sources import digest

MAX_SCHEDULES = 1000
"""Schedules of one owner."""

MAX_PAGE = 200


@dataclass(frozen=True)
class Page:
    """Some schedules, newest first, and the cursor of the next page if there is one."""

    items: list[Schedule]
    next: str | None


@dataclass(frozen=True)
class RunPage:
    """Some runs of a schedule, newest first, and the cursor of the next page if there is one."""

    items: list[Run]
    next: str | None


@dataclass(frozen=True)
class RunNow:
    """A run that was asked for by hand, and the pools to ring for it."""

    run: Run
    pools: set[str]


# ---- make and change ------------------------------------------------------------------------------------------


def create(db: Database, owner: Owner, terms: Terms, *, idempotency_key: str | None = None) -> Schedule:
    """Check a schedule as its next run would be checked, and write it down.

    The same idempotency key with the same terms answers with the first schedule.

    Raises:
        Invalid: wrong cron, zone, variable, kind or params, an unknown model or device, or the key was used for others.
        Conflict: the owner has as many schedules as it may.
    """
    terms, due = checked(db, owner, terms, _now(db), 1)
    key, asked = idempotency_key, _columns(terms)
    row = {"id": new_id("sch"), "owner_id": owner.id, "next_due": due, "idempotency_key": key} | asked
    row["fingerprint"] = digest(asked) if key else None
    with db.begin() as connection:
        earlier = _earlier(connection, row)
        if earlier is not None:
            return earlier
        have = connection.execute(select(func.count()).where(schedules.c.owner_id == owner.id)).scalar_one()
        if have >= MAX_SCHEDULES:
            raise Conflict(
                f"You have {have} schedules, which is the most. Delete one first.", code="too_many_schedules"
            )
        new = insert(schedules).values(row).on_conflict_do_nothing().returning(*schedules.c)
        made = connection.execute(new).mappings().one_or_none()
        # Whoever came first under the same key has ended its transaction by now.
        found = schedule_from(made) if made is not None else _earlier(connection, row)
    assert found is not None, "only an idempotency key keeps a schedule from being written"
    return found


def change(db: Database, owner: Owner, schedule_id: str, changes: dict[str, Any]) -> Schedule:
    """Change some of the terms. A new cron or zone counts from now; what was due by the old one is not made up for.

    Raises:
        NotFound: the owner has no such schedule.
        Invalid: as for `create`.
    """
    with db.begin() as connection:
        old = _owned(connection, owner.id, schedule_id, lock=True)
        terms, due = checked(db, owner, _merged(old.terms, changes), _now(db), old.run_count + 1)
        values: dict[str, Any] = _columns(terms) | {"failures": 0}
        moved = (terms.cron, terms.zone) != (old.terms.cron, old.terms.zone)
        if moved and old.paused_at is None:
            values["next_due"] = due
        return _update(connection, old.id, values)


def pause(db: Database, owner_id: str, schedule_id: str, reason: str | None = None) -> Schedule:
    """Let nothing become due until `resume`. Pausing again changes only the reason.

    Raises:
        NotFound: the owner has no such schedule.
    """
    with db.begin() as connection:
        old = _owned(connection, owner_id, schedule_id, lock=True)
        values = {"paused_at": func.coalesce(schedules.c.paused_at, func.now()), "next_due": None}
        return _update(connection, old.id, values | {"pause_reason": reason})


def resume(db: Database, owner: Owner, schedule_id: str) -> Schedule:
    """Go on from now: what would have been due during the pause is neither run nor missed.

    Raises:
        NotFound: the owner has no such schedule.
        Invalid: its terms can no longer be met, because a model is gone, say.
    """
    with db.begin() as connection:
        old = _owned(connection, owner.id, schedule_id, lock=True)
        if old.paused_at is None:
            return old
        _, due = checked(db, owner, old.terms, _now(db), old.run_count + 1)
        running = {"paused_at": None, "pause_reason": None, "next_due": due, "failures": 0}
        return _update(connection, old.id, running)


def delete_schedule(db: Database, owner_id: str, schedule_id: str) -> None:
    """Delete a schedule and its history; the jobs that it submitted stay.

    Raises:
        NotFound: the owner has no such schedule.
    """
    with db.begin() as connection:
        found = _owned(connection, owner_id, schedule_id, lock=True)
        connection.execute(delete(schedules).where(schedules.c.id == found.id))


def run_now(db: Database, owner_id: str, schedule_id: str) -> RunNow:
    """Run a schedule at once, paused or not, by its own overlap policy. Twice within a second is one run.

    Raises:
        NotFound: the owner has no such schedule.
    """
    with db.begin() as connection:
        schedule = _owned(connection, owner_id, schedule_id, lock=True)
        number = schedule.run_count + 1
        new = {"schedule_id": schedule.id, "number": number, "state": RunState.DUE, "manual": True}
        new |= {"due_at": func.date_trunc("second", func.now())}
        made = insert(run_rows).values(new).on_conflict_do_nothing().returning(run_rows.c.due_at)
        due_at = connection.execute(made).scalar_one_or_none()
        if due_at is None:
            due_at = connection.execute(select(func.date_trunc("second", func.now()))).scalar_one()
        else:
            _update(connection, schedule.id, {"run_count": number})
    pools = ticks.submit_runs(db, schedule.id, wait=True)
    with db.begin() as connection:
        found = connection.execute(RUNS.where(_this(schedule.id), run_rows.c.due_at == due_at)).mappings().one()
    return RunNow(with_batches(db, [run_from(found)])[0], pools)


# ---- look -----------------------------------------------------------------------------------------------------


def get(db: Database, owner_id: str, schedule_id: str) -> Schedule:
    """The owner's schedule with this id.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    with db.begin() as connection:
        return _owned(connection, owner_id, schedule_id)


def page(db: Database, owner_id: str, *, limit: int = 50, cursor: str | None = None) -> Page:
    """The owner's schedules, newest first."""
    cursors.check(cursor)
    limit = max(1, min(limit, MAX_PAGE))
    wanted = [schedules.c.owner_id == owner_id, *([schedules.c.id < cursor] if cursor else [])]
    query = select(*schedules.c).where(*wanted).order_by(schedules.c.id.desc()).limit(limit + 1)
    with db.begin() as connection:
        found = [schedule_from(row) for row in connection.execute(query).mappings()]
    return Page(found[:limit], next=found[limit - 1].id if len(found) > limit else None)


def runs(db: Database, owner_id: str, schedule_id: str, *, limit: int = 50, cursor: str | None = None) -> RunPage:
    """What became of a schedule's due ticks, newest first, each with the state of its job.

    Raises:
        NotFound: the owner has no such schedule.
    """
    limit = max(1, min(limit, MAX_PAGE))
    query = RUNS.order_by(run_rows.c.due_at.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(run_rows.c.due_at < _moment(cursor))
    with db.begin() as connection:
        schedule = _owned(connection, owner_id, schedule_id)
        found = [run_from(row) for row in connection.execute(query.where(_this(schedule.id))).mappings()]
    found = with_batches(db, found)
    last = found[limit - 1].due_at.astimezone(UTC).strftime(_CURSOR) if len(found) > limit else None
    return RunPage(found[:limit], next=last)


# ---- pieces ---------------------------------------------------------------------------------------------------

# Without a plus sign, which an address would have to escape.
_CURSOR = "%Y-%m-%dT%H:%M:%S.%fZ"


def _earlier(connection: Connection, row: dict[str, Any]) -> Schedule | None:
    """The schedule that was made with the key of this row.

    Raises:
        Invalid: it was made with other terms.
    """
    if row["idempotency_key"] is None:
        return None
    mine = schedules.c.owner_id == row["owner_id"], schedules.c.idempotency_key == row["idempotency_key"]
    found = connection.execute(select(*schedules.c).where(*mine)).mappings().one_or_none()
    if found is not None and found["fingerprint"] != row["fingerprint"]:
        raise jobs.used_for_another("schedule")
    return schedule_from(found) if found is not None else None


def _merged(old: Terms, changes: dict[str, Any]) -> Terms:
    merged = old.model_dump() | changes
    if merged["missed"] != "all" and "window_s" not in changes:
        merged["window_s"] = None
    try:
        return Terms.model_validate(merged)
    except ValidationError as error:
        errors = field_errors(error)
    raise Invalid(sentence(errors[0]), field=errors[0]["field"] or None, errors=errors)


def _columns(terms: Terms) -> dict[str, Any]:
    window_s = (terms.window_s or WINDOW_S) if terms.missed == "all" else None
    return terms.model_dump(mode="json") | {"window_s": window_s}


def _owned(connection: Connection, owner_id: str, schedule_id: str, *, lock: bool = False) -> Schedule:
    if is_id(schedule_id):
        mine = (schedules.c.id == schedule_id) & (schedules.c.owner_id == owner_id)
        query = select(*schedules.c).where(mine)
        # Not a lock that would keep a run's foreign key waiting.
        query = query.with_for_update(key_share=True) if lock else query
        row = connection.execute(query).mappings().one_or_none()
        if row is not None:
            return schedule_from(row)
    raise NotFound("There is no such schedule.")


def _update(connection: Connection, schedule_id: str, values: dict[str, Any]) -> Schedule:
    changed = values | {"revision": schedules.c.revision + 1}
    statement = update(schedules).where(schedules.c.id == schedule_id).values(changed).returning(*schedules.c)
    return schedule_from(connection.execute(statement).mappings().one())


def _this(schedule_id: str) -> ColumnElement[bool]:
    return run_rows.c.schedule_id == schedule_id


def _now(db: Database) -> datetime:
    """The database's clock, by which schedules become due."""
    now: datetime
    (now,) = db.one("select now()", {}) or (datetime.now(UTC),)
    return now


def _moment(cursor: str) -> datetime:
    try:
        return datetime.strptime(cursor, _CURSOR).replace(tzinfo=UTC)
    except ValueError:
        raise cursors.foreign() from None
