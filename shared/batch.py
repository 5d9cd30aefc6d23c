"""What a batch is, how it stands, and what it made: values, no behaviour."""

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping

from shared.job import Artifact, Job, JobState


class BatchState(StrEnum):
    """How a batch as a whole is; it follows from its jobs and is written nowhere."""

    RUNNING = "running"
    #: Every job succeeded.
    SUCCEEDED = "succeeded"
    #: Some did.
    PARTIAL = "partial"
    #: None did, and at least one failed.
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Batch:
    """Many jobs of one request. Its jobs are numbered from 1."""

    id: str
    owner_id: str
    kind: str
    title: str
    asked: dict[str, Any]
    total: int
    priority: int
    pool: str
    created_at: datetime


@dataclass(frozen=True)
class Tally:
    """How a batch stands: of each number its latest job counts, so one that was retried counts once.

    `version` changes whenever a job does. `mean_s` is how long those that succeeded ran, if any has.
    """

    counts: dict[JobState, int]
    version: str
    finished_at: datetime | None
    mean_s: float | None = None

    @property
    def left_s(self) -> float | None:
        """About how long until its end, if as many run at a time as now; None where there is nothing to judge by."""
        running = self.counts[JobState.RUNNING]
        if not running or self.mean_s is None:
            return None
        return self.mean_s * (self.counts[JobState.QUEUED] + running / 2) / running

    @property
    def state(self) -> BatchState:
        """The state of the whole."""
        if self.counts[JobState.QUEUED] or self.counts[JobState.RUNNING]:
            return BatchState.RUNNING
        if self.counts[JobState.SUCCEEDED]:
            others = self.counts[JobState.FAILED] + self.counts[JobState.CANCELLED]
            return BatchState.PARTIAL if others else BatchState.SUCCEEDED
        return BatchState.FAILED if self.counts[JobState.FAILED] else BatchState.CANCELLED


@dataclass(frozen=True)
class Result:
    """One number of a batch: its latest job, and the files that this job made."""

    job: Job
    artifacts: list[Artifact]


def batch_from(row: RowMapping) -> Batch:
    """A `Batch` from a row of the batches table."""
    return Batch(**{name: row[name] for name in _COLUMNS})


_COLUMNS = tuple(each.name for each in fields(Batch))
