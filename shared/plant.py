"""What the devices are at, as everybody may see it: whose jobs they are is told to their owners alone. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select

from shared.costs import waiting
from shared.db import Database
from shared.devices import serving
from shared.job import Job, JobState, job_from
from shared.listing import depths
from shared.records import devices, jobs


@dataclass(frozen=True)
class Work:
    """A job that a device reported, and what became of it. `job` is there for its owner alone."""

    job: Job | None
    state: JobState
    device: str | None
    done: int
    total: int | None
    ran_s: float

    @property
    def fraction(self) -> float | None:
        """How much of it is done, 0 to 1; None where nobody knows."""
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def left_s(self) -> float | None:
        """Seconds until its end if it goes on as it has gone; None where there is nothing to judge by."""
        return self.ran_s * (1 - self.fraction) / self.fraction if self.fraction else None


@dataclass(frozen=True)
class Queue:
    """The line of one pool. `queued` counts by kind; the wait is that of a job which would join now, in seconds."""

    pool: str
    queued: dict[str, int]
    running: int
    wait_s: float | None

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return sum(self.queued.values())


def work(db: Database, owner_id: str, job_ids: Sequence[str]) -> dict[str, Work]:
    """These jobs by id, as the owner may see them."""
    if not job_ids:
        return {}
    with db.begin() as connection:
        rows = connection.execute(select(*jobs.c).where(jobs.c.id.in_(job_ids))).mappings()
        found = [job_from(row) for row in rows]
    return {job.id: _seen(job, owner_id) for job in found}


def queues(db: Database) -> list[Queue]:
    """The line of every pool that has one."""
    queued: dict[str, dict[str, int]] = {}
    running: dict[str, int] = {}
    for depth in depths(db):
        queued.setdefault(depth.pool, {})
        if depth.state is JobState.QUEUED:
            queued[depth.pool][depth.kind] = depth.count
        else:
            running[depth.pool] = running.get(depth.pool, 0) + depth.count
    work_s = _work_s(db)
    return [
        Queue(pool, dict(sorted(kinds.items())), running.get(pool, 0), _wait_s(db, pool, work_s.get(pool, 0.0)))
        for pool, kinds in sorted(queued.items())
    ]


def _seen(job: Job, owner_id: str) -> Work:
    end = job.finished_at or datetime.now(UTC)
    ran_s = max(0.0, (end - job.started_at).total_seconds()) if job.started_at else 0.0
    mine = job if job.owner_id == owner_id else None
    return Work(mine, job.state, job.device, job.progress.done, job.progress.total, ran_s)


def _work_s(db: Database) -> dict[str, float]:
    """The estimated device seconds that wait in each pool, as a job's place in line is estimated."""
    line = waiting().subquery()
    query = select(line.c.pool, func.sum(line.c.seconds)).group_by(line.c.pool)
    with db.begin() as connection:
        return {pool: float(total) for pool, total in connection.execute(query)}


def _wait_s(db: Database, pool: str, work_s: float) -> float | None:
    with db.begin() as connection:
        slots = connection.execute(select(func.count()).select_from(devices).where(serving(pool))).scalar_one()
    return work_s / slots if slots else None
