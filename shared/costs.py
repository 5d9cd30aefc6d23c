"""What work costs in device seconds, learned from what it took: the fair claim charges it, the site estimates by it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Double, Select, bindparam, func, select, text

from shared.db import Database
from shared.job import JobState
from shared.records import costs, jobs

UNKNOWN_S = 1.0
"""The estimate for work that was never seen."""

MEMORY = 20.0
"""The estimate is a running mean over about this many of the last jobs."""


LANE_WORTH_S = 1.0
"""A lane's price is corrected where it was wrong by more than this: all that end would wait for each other there."""


@dataclass(frozen=True)
class Cost:
    """What one job of a kind takes with a model: a running mean of what the jobs before it took."""

    kind: str
    seconds: float
    samples: int


_SETTLE = text(
    """
    with took as (
        select owner_id, kind, coalesce(model, '') as model, charged,
               cast(coalesce(:device_s, extract(epoch from now() - started_at), 0) as double precision) as seconds
        from jobs where id = any(:jobs)
    ), corrected as (
        update owners set vtime = vtime + more.seconds / weight
        from (select owner_id, sum(seconds - charged) as seconds from took group by owner_id) as more
        where owners.id = more.owner_id
    )
    insert into costs as known (kind, model, seconds, samples)
    select kind, model, avg(seconds), 1 from took where :learn group by kind, model
    on conflict (kind, model) do update set
        seconds = known.seconds + (excluded.seconds - known.seconds) / least(known.samples + 1, :memory),
        samples = known.samples + 1
    """
).bindparams(bindparam("device_s", type_=Double()), memory=MEMORY)


_SETTLE_LANES = text(
    """
    update lanes set vtime = vtime + more.seconds / weight
    from (
        select lane, sum(coalesce(:device_s, extract(epoch from now() - started_at), 0) - charged) as seconds
        from jobs where id = any(:jobs) group by lane
    ) as more
    where lanes.name = more.lane and abs(more.seconds) > :worth
    """
).bindparams(bindparam("device_s", type_=Double()), worth=LANE_WORTH_S)


def settle(connection: Connection, job_ids: list[str], *, learn: bool, device_s: float | None = None) -> None:
    """Correct the charge of these jobs' attempts to what they really took, on their owners' and lanes' virtual time.

    Args:
        connection: of the transaction that ends the attempts.
        job_ids: whose attempts.
        learn: whether the estimate follows them, which is for jobs that succeeded.
        device_s: the device seconds of one that shared its passes with others; else it is the time since it began.
    """
    given = {"jobs": job_ids, "device_s": device_s}
    connection.execute(_SETTLE, given | {"learn": learn})
    connection.execute(_SETTLE_LANES, given)


def waiting() -> Select[Any]:
    """Every job that could start now: its `pool`, its `rank`, and its estimated device `seconds`."""
    known = (jobs.c.kind == costs.c.kind) & (func.coalesce(jobs.c.model, "") == costs.c.model)
    seconds = func.coalesce(costs.c.seconds, UNKNOWN_S).label("seconds")
    due = (jobs.c.state == JobState.QUEUED) & ~jobs.c.waits & ~jobs.c.held & (jobs.c.run_at <= func.now())
    return select(jobs.c.pool, jobs.c.rank, seconds).select_from(jobs.outerjoin(costs, known)).where(due)


def of_model(db: Database, model: str) -> list[Cost]:
    """The measured seconds of a job with this model, kind by kind."""
    known = select(costs.c.kind, costs.c.seconds, costs.c.samples).where(costs.c.model == model).order_by(costs.c.kind)
    with db.begin() as connection:
        return [Cost(**row) for row in connection.execute(known).mappings()]
