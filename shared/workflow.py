"""What a workflow is and how it stands: values, no behaviour."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import RowMapping

from shared.job import Artifact, Job, JobState


@dataclass(frozen=True)
class PlannedStep:
    """A step as it was asked for, and the steps that it needs."""

    name: str
    kind: str
    params: dict[str, Any]
    priority: int
    pool: str | None
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Workflow:
    """A graph of jobs of one request; its steps stand in an order in which each comes after what it needs."""

    id: str
    owner_id: str
    title: str
    asked: dict[str, Any]
    created_at: datetime

    @cached_property
    def steps(self) -> list[PlannedStep]:
        """Its steps."""
        return [PlannedStep(**each | {"needs": tuple(each["needs"])}) for each in self.asked["steps"]]


@dataclass(frozen=True)
class Standing:
    """How a workflow stands: of each step its latest job counts, so one that was retried counts once."""

    workflow: Workflow
    jobs: dict[str, Job]
    files: dict[str, list[Artifact]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[JobState, int]:
        """How many steps are in each state."""
        return {state: sum(job.state is state for job in self.jobs.values()) for state in JobState}

    @property
    def state(self) -> JobState:
        """Of the whole; it follows from the steps and is written nowhere."""
        states = {job.state for job in self.jobs.values()}
        if states & {JobState.QUEUED, JobState.RUNNING}:
            return JobState.QUEUED if states == {JobState.QUEUED} else JobState.RUNNING
        for state in (JobState.FAILED, JobState.CANCELLED):
            if state in states:
                return state
        return JobState.SUCCEEDED

    @property
    def finished_at(self) -> datetime | None:
        """When the last step ended, if all have."""
        ended = [job.finished_at for job in self.jobs.values() if job.finished_at is not None]
        return max(ended) if ended and len(ended) == len(self.jobs) else None

    @property
    def version(self) -> str:
        """Changes whenever a job does."""
        newest = max(job.id for job in self.jobs.values())
        return f"{newest[-26:]}-{sum(job.revision for job in self.jobs.values())}"

    def waits_for(self, step: PlannedStep) -> list[str]:
        """The names of the steps that this one still waits for."""
        if not self.jobs[step.name].waits:
            return []
        return [need for need in step.needs if self.jobs[need].state is not JobState.SUCCEEDED]


def ordered(names: Sequence[str], needs: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    """The names so that each comes after what it needs, else as they were; and those that are left in a circle."""
    placed: list[str] = []
    waiting = list(names)
    while ready := [name for name in waiting if all(need in placed for need in needs[name])]:
        placed += ready
        waiting = [name for name in waiting if name not in ready]
    return placed, waiting


def workflow_from(row: RowMapping) -> Workflow:
    """A `Workflow` from a row of the workflows table."""
    return Workflow(row["id"], row["owner_id"], row["title"], row["asked"], row["created_at"])
