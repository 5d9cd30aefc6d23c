"""The trials of searches: trainings that a search has submitted, and how their ends and its own are told.

A trial's end makes its search due in the same transaction. Of locks a trial's row comes before its search's; the search
never locks a trial. Knows neither how values are chosen nor the bell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, exists, select

from shared import curves, transitions
from shared.db import Database
from shared.job import TERMINAL, Job, JobState, job_from
from shared.records import jobs

PRUNED = "pruned"
"""The figure of a trial that was given up early."""

End = Literal["done", "pruned", "failed", "open"]


@dataclass(frozen=True)
class Trial:
    """One trial as it stands. `judged` is the figure at each evaluation so far, that of before the training first."""

    number: int
    job: Job
    figure: float | None
    judged: list[float] = field(default_factory=list)

    @property
    def end(self) -> End:
        """What has become of it; one without the figure that decides has failed, whatever it made."""
        if not self.job.done:
            return "open"
        if self.job.state is not JobState.SUCCEEDED:
            return "failed"
        if PRUNED in self.job.metrics:
            return "pruned"
        return "done" if self.figure is not None else "failed"


@dataclass(frozen=True)
class NewTrial:
    """A trial to submit: its number, and the params of its training."""

    number: int
    params: Any
    kind: str


@dataclass(frozen=True)
class Choice:
    """What a search has come to: the job of its best trial, and what becomes of the models."""

    job_id: str
    promote: Literal["if_better", "always", "never"]
    keep_trials: bool


def of_search(db: Database, search_id: str, metric: str | None = None) -> list[Trial]:
    """All trials of a search by number; with `metric` also how each did on the way."""
    query = select(*jobs.c).where(jobs.c.searched_by == search_id).order_by(jobs.c.trial)
    with db.begin() as connection:
        found = [job_from(row) for row in connection.execute(query).mappings()]
    read = curves.read(db, [job.id for job in found], names=[metric]) if metric else {}
    return [
        Trial(
            job.trial or 0,
            job,
            job.metrics.get(metric) if metric and job.state is JobState.SUCCEEDED else None,
            [value for _, value in read.get(job.id, {}).get(metric or "", [])],
        )
        for job in found
    ]


def search_of(db: Database, trial: Job) -> Job | None:
    """The search that a job is a trial of."""
    if trial.searched_by is None:
        return None
    with db.begin() as connection:
        row = connection.execute(select(*jobs.c).where(jobs.c.id == trial.searched_by)).mappings().one_or_none()
    return job_from(row) if row is not None else None


def any_model(db: Database, search_id: str) -> bool:
    """Whether a trial of the search has succeeded."""
    with db.begin() as connection:
        some = select(exists().where(jobs.c.searched_by == search_id, jobs.c.state == JobState.SUCCEEDED))
        return bool(connection.execute(some).scalar_one())


def follow_end(connection: Connection, ended: Sequence[RowMapping]) -> list[str]:
    """Make the searches due of which these jobs, as far as they have just ended in this transaction, are trials.

    Returns:
        The pools that have new work.
    """
    of = {row["searched_by"] for row in ended if row["searched_by"] is not None and row["state"] in TERMINAL}
    pools = [connection.execute(transitions.CALL_BACK, {"search": each}).scalar_one_or_none() for each in sorted(of)]
    return [pool for pool in pools if pool is not None]


def forsake(db: Database) -> None:
    """Cancel the trials of every search that is over or is being cancelled."""
    with db.begin() as connection:
        connection.execute(transitions.ONE_AT_A_TIME)
        for arrow in transitions.FORSAKE:
            transitions.follow_all(connection, arrow, {})
