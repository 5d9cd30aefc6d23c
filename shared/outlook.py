"""What a job that is not submitted yet has to expect: how long it takes, how many are before it, and who is ready.

Reads only. What nobody knows is None, so that a page can leave it out.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Exists, Select, exists, func, select

from shared import kinds
from shared.costs import waiting
from shared.db import Database
from shared.devices import serving
from shared.job import JobState
from shared.new_rows import PRIORITY_STEP_S
from shared.records import costs, devices, jobs

MOST_AHEAD = 1000
"""So many jobs are counted; of a longer line it is enough to know that it is long."""


@dataclass(frozen=True)
class Outlook:
    """`takes_s` is a mean over the last jobs of this kind and model; `ready_on` a device that holds the model.

    `makes_room`: a device is taken by a training that steps aside for it.
    """

    takes_s: float | None
    ahead: int
    wait_s: float | None
    devices: int
    free: bool
    ready_on: str | None
    makes_room: bool = False

    @property
    def long_line(self) -> bool:
        """Whether more are ahead than were counted."""
        return self.ahead > MOST_AHEAD


def outlook(db: Database, kind: str, model: str | None, model_key: str | None, pool: str, priority: int = 5) -> Outlook:
    """For a job that would be submitted now. `model_key` is what devices know the model by.

    The place is counted as `listing.position` counts it: by aged priority alone.
    """
    rank = func.extract("epoch", func.now()) - priority * PRIORITY_STEP_S
    awaited = not kinds.trains(kind)
    line = before(pool, rank, awaited=awaited).limit(MOST_AHEAD + 1).subquery()
    up = select(devices.c.id, devices.c.state, devices.c.resident).where(serving(pool)).order_by(devices.c.id)
    known = select(costs.c.seconds).where(costs.c.kind == kind, costs.c.model == (model or ""))
    with db.begin() as connection:
        ahead, work_s = connection.execute(
            select(func.count(), func.coalesce(func.sum(line.c.seconds), 0.0)).select_from(line)
        ).one()
        found = connection.execute(up).all()
        takes_s = connection.execute(known).scalar_one_or_none()
        makes_room = awaited and connection.execute(select(gives_way(pool))).scalar_one()
    holders = [each.id for each in found if any(held["model"] == model_key for held in each.resident)]
    return Outlook(
        takes_s=takes_s,
        ahead=ahead,
        wait_s=round(work_s / len(found), 1) if found and ahead <= MOST_AHEAD else None,
        devices=len(found),
        free=any(each.state == "idle" for each in found),
        ready_on=holders[0] if holders else None,
        makes_room=makes_room,
    )


def before(pool: str, rank: ColumnElement[Any], *, awaited: bool) -> Select[Any]:
    """The jobs that stand in a pool's line before a rank; those that train let a job that is `awaited` go first."""
    line = waiting().where(jobs.c.pool == pool, jobs.c.rank < rank)
    return line.where(jobs.c.kind.not_in(kinds.training())) if awaited else line


def gives_way(pool: str) -> Exists:
    """Condition: a device of this pool runs a training, which steps aside for a job that somebody waits for."""
    taken = devices.join(jobs, (jobs.c.device == devices.c.id) & (jobs.c.state == JobState.RUNNING))
    return exists().select_from(taken).where(serving(pool), jobs.c.kind.in_(kinds.training()))
