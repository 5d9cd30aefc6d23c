"""Looking at jobs: one, a page of them, counts, places in line, the audit log. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select

from shared import cursors, kinds
from shared.db import Database
from shared.devices import serving
from shared.errors import NotFound
from shared.ids import first_id, is_id
from shared.job import Event, Job, JobState, job_from
from shared.outlook import before, gives_way
from shared.records import devices, events, jobs
from shared.transitions import POOLS_WITH_WORK

MAX_PAGE = 200

COUNTED = 10_000
"""Jobs in one state are counted up to here: nobody reads the number behind it, and counting it slows every page."""


@dataclass(frozen=True)
class Page:
    """Some jobs, newest first, and the cursor of the next page if there is one."""

    items: list[Job]
    next: str | None


@dataclass(frozen=True)
class Position:
    """A queued job's place: how many are before it, and about how long until it starts (None: nobody knows).

    `makes_room`: a device of its pool is taken by a training that steps aside for it.
    """

    ahead: int
    wait_s: float | None
    makes_room: bool = False


@dataclass(frozen=True)
class Depth:
    """How many jobs wait, and run, in one pool with one kind."""

    pool: str
    kind: str
    state: JobState
    count: int


def get(db: Database, owner_id: str, job_id: str) -> Job:
    """The owner's job with this id.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    if is_id(job_id):
        with db.begin() as connection:
            row = (
                connection.execute(select(*jobs.c).where(_mine(owner_id), jobs.c.id == job_id)).mappings().one_or_none()
            )
        if row is not None:
            return job_from(row)
    raise NotFound("There is no such job.")


def page(
    db: Database,
    owner_id: str,
    *,
    states: Sequence[JobState] = (),
    kind: str | None = None,
    model: str | None = None,
    search: str | None = None,
    batch_id: str | None = None,
    searched_by: str | None = None,
    trials: bool = True,
    before: datetime | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page:
    """The owner's jobs that fit every given filter, newest first; `search` looks in titles and ids.

    `before` leaves out what was submitted at that moment or later; without `trials` those of searches are left out.
    """
    cursors.check(cursor)
    limit = max(1, min(limit, MAX_PAGE))
    wanted = [_mine(owner_id), *_filters(states, kind, model, search, batch_id)]
    if searched_by is not None:
        wanted.append(jobs.c.searched_by == searched_by)
    if not trials:
        wanted.append(jobs.c.searched_by.is_(None))
    if cursor is not None:
        wanted.append(jobs.c.id < cursor)
    if before is not None:
        wanted.append(jobs.c.id < first_id("job", before))
    with db.begin() as connection:
        query = select(*jobs.c).where(*wanted).order_by(jobs.c.id.desc()).limit(limit + 1)
        found = [job_from(row) for row in connection.execute(query).mappings()]
    return Page(found[:limit], next=found[limit - 1].id if len(found) > limit else None)


def counts(db: Database, owner_id: str, *, states: Sequence[JobState] = tuple(JobState)) -> dict[JobState, int]:
    """How many jobs the owner has in each of these states; COUNTED stands for that many or more."""
    some = {state: select(jobs.c.id).where(_mine(owner_id), jobs.c.state == state).limit(COUNTED) for state in states}
    numbers = [select(func.count()).select_from(found.subquery()).scalar_subquery() for found in some.values()]
    with db.begin() as connection:
        return dict(zip(states, connection.execute(select(*numbers)).one(), strict=True))


def position(db: Database, job: Job) -> Position | None:
    """Where a queued job stands in its pool; None for any other, for one that waits for others, and a held one.

    Counted by aged priority alone: fairness between owners can only bring a job forward of a flood.
    """
    if job.state is not JobState.QUEUED or job.waits or job.held:
        return None
    rank = select(jobs.c.rank).where(jobs.c.id == job.id).scalar_subquery()
    awaited = job.batch_id is None and not kinds.trains(job.kind)
    line = before(job.pool, rank, awaited=awaited).subquery()
    queue = select(func.count(), func.coalesce(func.sum(line.c.seconds), 0.0)).select_from(line)
    with db.begin() as connection:
        ahead, work_s = connection.execute(queue).one()
        slots = connection.execute(select(func.count()).select_from(devices).where(serving(job.pool))).scalar_one()
        makes_room = awaited and connection.execute(select(gives_way(job.pool))).scalar_one()
    return Position(ahead=ahead, wait_s=round(work_s / slots, 1) if slots else None, makes_room=makes_room)


def events_of(db: Database, owner_id: str, job_id: str, after: int = 0) -> list[Event]:
    """The job's audit log after event id `after`, oldest first.

    Raises:
        NotFound: the owner has no such job.
    """
    get(db, owner_id, job_id)
    with db.begin() as connection:
        log = select(*events.c).where(events.c.job_id == job_id, events.c.id > after).order_by(events.c.id)
        return [Event(**row) for row in connection.execute(log).mappings()]


def revisions(db: Database, job_ids: Sequence[str]) -> dict[str, int]:
    """The revisions of these jobs, in one query: how a process watches all that its clients wait for."""
    if not job_ids:
        return {}
    with db.begin() as connection:
        found = connection.execute(select(jobs.c.id, jobs.c.revision).where(jobs.c.id.in_(job_ids)))
        return {row.id: row.revision for row in found}


def depths(db: Database) -> list[Depth]:
    """Jobs of every owner that stand in a line or run, by pool and kind, for the metrics page.

    One that waits for other jobs, or is held back, stands in no line.
    """
    with db.begin() as connection:
        live = jobs.c.state.in_([JobState.QUEUED, JobState.RUNNING]) & ~jobs.c.waits & ~jobs.c.held
        group = (jobs.c.pool, jobs.c.kind, jobs.c.state)
        rows = connection.execute(select(*group, func.count()).where(live).group_by(*group))
        return [Depth(pool, kind, JobState(state), count) for pool, kind, state, count in rows]


def ended(db: Database) -> list[tuple[str, JobState, int]]:
    """How many jobs of every owner have ended, by kind and state, for the metrics page."""
    over = jobs.c.finished_at.is_not(None)
    with db.begin() as connection:
        rows = connection.execute(
            select(jobs.c.kind, jobs.c.state, func.count()).where(over).group_by(jobs.c.kind, jobs.c.state)
        )
        return [(kind, JobState(state), count) for kind, state, count in rows]


def pools_with_work(db: Database) -> list[str]:
    """Pools that hold a job which could start now."""
    with db.begin() as connection:
        return list(connection.execute(POOLS_WITH_WORK).scalars())


def _mine(owner_id: str) -> ColumnElement[bool]:
    return jobs.c.owner_id == owner_id


def _filters(
    states: Sequence[JobState], kind: str | None, model: str | None, search: str | None, batch_id: str | None
) -> list[Any]:
    wanted: list[Any] = []
    if states:
        wanted.append(jobs.c.state.in_(states))
    if kind:
        wanted.append(jobs.c.kind == kind)
    if model:
        wanted.append(jobs.c.model == model)
    if batch_id:
        wanted.append(jobs.c.batch_id == batch_id)
    if search:
        # Not ILIKE: no wildcards to escape, and the planner, knowing nothing of the words, keeps to the index by id.
        found = func.strpos(func.lower(jobs.c.title), func.lower(search)) > 0
        wanted.append(or_(found, jobs.c.id == search.strip().lower()))
    return wanted
