"""Looking at batches: one, a page of them, how they stand, and their jobs by number. Reads only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from shared import cursors
from shared.batch import Batch, Tally, batch_from
from shared.db import Database
from shared.errors import NotFound
from shared.ids import is_id
from shared.job import Job, JobState, job_from
from shared.listing import MAX_PAGE, Page
from shared.records import batches, jobs


@dataclass(frozen=True)
class BatchPage:
    """Some batches, newest first, and the cursor of the next page if there is one."""

    items: list[Batch]
    next: str | None


def get(db: Database, owner_id: str, batch_id: str) -> Batch:
    """The owner's batch with this id.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    if is_id(batch_id):
        mine = (batches.c.id == batch_id) & (batches.c.owner_id == owner_id)
        with db.begin() as connection:
            row = connection.execute(select(*batches.c).where(mine)).mappings().one_or_none()
        if row is not None:
            return batch_from(row)
    raise NotFound("There is no such batch.")


def page(db: Database, owner_id: str, *, limit: int = 20, cursor: str | None = None) -> BatchPage:
    """The owner's batches, newest first."""
    cursors.check(cursor)
    limit = max(1, min(limit, MAX_PAGE))
    wanted = [batches.c.owner_id == owner_id, *([batches.c.id < cursor] if cursor else [])]
    with db.begin() as connection:
        query = select(*batches.c).where(*wanted).order_by(batches.c.id.desc()).limit(limit + 1)
        found = [batch_from(row) for row in connection.execute(query).mappings()]
    return BatchPage(found[:limit], next=found[limit - 1].id if len(found) > limit else None)


def tallies(db: Database, found: Sequence[Batch]) -> dict[str, Tally]:
    """How each of these batches stands, in one query."""
    return tallies_of(db, [batch.id for batch in found])


def tallies_of(db: Database, batch_ids: Sequence[str]) -> dict[str, Tally]:
    """How the batches with these ids stand; whose they are, the caller knows."""
    again = jobs.alias("again")
    # Few jobs were retried, and an index knows them: far cheaper than to sort all jobs for the latest of each number.
    superseded = exists().where(
        again.c.batch_id == jobs.c.batch_id,
        again.c.batch_index == jobs.c.batch_index,
        again.c.id > jobs.c.id,
        again.c.batch_id.in_(batch_ids),
        again.c.parent_id.is_not(None),
    )
    each = (jobs.c.batch_id, jobs.c.state)
    took_s = func.extract("epoch", jobs.c.finished_at - jobs.c.started_at)
    figures = (
        func.count(),
        func.max(jobs.c.id),
        func.sum(jobs.c.revision),
        func.max(jobs.c.finished_at),
        func.avg(took_s),
    )
    wanted = jobs.c.batch_id.in_(batch_ids) & ~superseded
    rows: dict[str, list[Any]] = {batch_id: [] for batch_id in batch_ids}
    with db.begin() as connection:
        for batch_id, *rest in connection.execute(select(*each, *figures).where(wanted).group_by(*each)):
            rows[batch_id].append(rest)
    return {batch_id: _tally(states) for batch_id, states in rows.items()}


def tally(db: Database, batch: Batch) -> Tally:
    """How a batch stands."""
    return tallies(db, [batch])[batch.id]


def items(
    db: Database, batch: Batch, *, states: Sequence[JobState] = (), limit: int = 50, cursor: str | None = None
) -> Page:
    """The jobs of a batch by number, of each number the latest; in these states, if any are named."""
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 9):
        raise cursors.foreign()
    limit = max(1, min(limit, MAX_PAGE))
    with db.begin() as connection:
        query = _latest(batch, int(cursor or 0), states).limit(limit + 1)
        found = [job_from(row) for row in connection.execute(query).mappings()]
    return Page(found[:limit], next=str(found[limit - 1].batch_index) if len(found) > limit else None)


def numbered(db: Database, batch: Batch, numbers: Sequence[int]) -> dict[int, Job]:
    """The latest job of each of these numbers, MAX_PAGE of them at most."""
    query = (
        select(*jobs.c)
        .where(jobs.c.batch_id == batch.id, jobs.c.owner_id == batch.owner_id)
        .where(jobs.c.batch_index.in_(numbers[:MAX_PAGE]))
        .ext(distinct_on(jobs.c.batch_index))
        .order_by(jobs.c.batch_index, jobs.c.id.desc())
    )
    with db.begin() as connection:
        found = [job_from(row) for row in connection.execute(query).mappings()]
    return {job.batch_index or 0: job for job in found}


def named(db: Database, batch: Batch, states: Sequence[JobState], params: Sequence[str]) -> dict[str, set[str]]:
    """What the jobs in these states name in each of these params; under `device`, the devices they are pinned to."""
    latest = _latest(batch, 0, states).subquery()
    wanted = {name: latest.c.params[name].astext for name in params} | {"device": latest.c.device_pin}
    found: dict[str, set[str]] = {}
    with db.begin() as connection:
        for name, column in wanted.items():
            found[name] = {value for (value,) in connection.execute(select(column).distinct()) if value is not None}
    return found


def every_item(db: Database, batch: Batch) -> Iterator[list[Job]]:
    """All of them, a page at a time; no transaction stays open between the pages."""
    for after in range(0, batch.total, MAX_PAGE):
        with db.begin() as connection:
            found = [
                job_from(row) for row in connection.execute(_latest(batch, after, (), after + MAX_PAGE)).mappings()
            ]
        yield found


def _latest(batch: Batch, after: int, states: Sequence[JobState], last: int | None = None) -> Select[Any]:
    latest = (
        select(*jobs.c)
        .where(jobs.c.batch_id == batch.id, jobs.c.owner_id == batch.owner_id)
        .where(jobs.c.batch_index.between(after + 1, last or batch.total))
        .ext(distinct_on(jobs.c.batch_index))
        .order_by(jobs.c.batch_index, jobs.c.id.desc())
        .subquery()
    )
    wanted = [latest.c.state.in_(states)] if states else []
    return select(latest).where(*wanted).order_by(latest.c.batch_index)


def _tally(states: Sequence[tuple[JobState, int, str, int, datetime | None, Decimal | None]]) -> Tally:
    counts = dict.fromkeys(JobState, 0)
    for state, count, *_ in states:
        counts[JobState(state)] = count
    newest = max((job_id for _, _, job_id, *_ in states), default="")
    ended = [moment for *_, moment, _ in states if moment is not None]
    took = [mean for state, *_, mean in states if state == JobState.SUCCEEDED and mean is not None]
    live = counts[JobState.QUEUED] or counts[JobState.RUNNING]
    return Tally(
        counts=counts,
        version=f"{newest[-26:]}-{sum(revision for _, _, _, revision, *_ in states)}",
        finished_at=max(ended) if ended and not live else None,
        mean_s=float(took[0]) if took else None,
    )
