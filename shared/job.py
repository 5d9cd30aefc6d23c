"""What a job, its progress, its artifacts and its events are: values, no behaviour."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import RowMapping

Wish = Literal["pause", "keep"]
Role = Literal["output", "preview", "model", "checkpoint", "log", "input", "dataset"]


MAX_TIME_LIMIT_S = 7 * 86_400.0
"""As long as a job may ask to run."""


class JobState(StrEnum):
    """Where a job is in its life; the arrows are in `shared.transitions`."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True)
class Progress:
    """How far a running attempt has come. `text` is what a text kind has written so far.

    `first_s` and `last_s` are the attempt's seconds at its first and its latest step: before the one it loads, after
    the other it saves.
    """

    done: int = 0
    total: int | None = None
    note: str = ""
    text: str | None = None
    first_s: float | None = None
    last_s: float | None = None
    #: Steps that earlier attempts had done, where this one went on from a checkpoint.
    before: int = 0


@dataclass(frozen=True)
class Job:
    """One row of work, as its owner may see it."""

    id: str
    owner_id: str
    kind: str
    params: dict[str, Any]
    title: str
    state: JobState
    priority: int
    pool: str
    device_pin: str | None
    model: str | None
    model_version: str | None
    made_with: dict[str, str] | None
    seed: int
    attempt: int
    failures: int
    crashes: int
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    lease_until: datetime | None
    worker_id: str | None
    device: str | None
    cancel_requested: bool
    progress: Progress
    metrics: dict[str, float]
    error_code: str | None
    error_message: str | None
    parent_id: str | None
    batch_id: str | None
    batch_index: int | None
    revision: int
    time_limit_s: float
    workflow_id: str | None = None
    step: str | None = None
    #: Whether it is queued but waits for other jobs to succeed, and whether others wait for it.
    waits: bool = False
    needed: bool = False
    #: What a running training is asked to do; and whether it is queued but held back until somebody resumes it.
    wish: Wish | None = None
    held: bool = False
    #: The search that it is a trial of, and its number there, from 1.
    searched_by: str | None = None
    trial: int | None = None
    #: What it has in common with the jobs that it can share a pass with, if it can.
    batch_key: str | None = None

    @property
    def done(self) -> bool:
        """Whether the job has reached a state that never changes."""
        return self.state in TERMINAL


@dataclass(frozen=True)
class Artifact:
    """A file that a job made, or that was uploaded and so has no job; the bytes are in the object store under `key`.

    Of a picture it knows the size, where its worker could tell, and under `thumb_key` a small copy, where it needs one.
    `content_sha256` is the hash of what it shows or sounds like, the same whatever metadata and signature it carries.
    """

    id: str
    job_id: str | None
    owner_id: str
    attempt: int
    role: Role
    name: str
    media_type: str
    size: int
    sha256: str
    key: str
    created_at: datetime
    meta: dict[str, Any] = field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    thumb_key: str | None = None
    content_sha256: str | None = None
    starred_at: datetime | None = None


@dataclass(frozen=True)
class Event:
    """One line of a job's audit log: a transition, or a request for one."""

    id: int
    job_id: str
    at: datetime
    attempt: int
    type: str
    data: dict[str, Any]


def job_from(row: RowMapping) -> Job:
    """A `Job` from a row of the jobs table."""
    values = {name: row[name] for name in _JOB_COLUMNS}
    values["state"] = JobState(row["state"])
    # A worker of a newer release may say more of its progress than this process knows.
    values["progress"] = Progress(**{name: row["progress"][name] for name in _PROGRESS & row["progress"].keys()})
    return Job(**values)


def artifact_from(row: RowMapping) -> Artifact:
    """An `Artifact` from a row of the artifacts table."""
    return Artifact(**{name: row[name] for name in _ARTIFACT_COLUMNS})


_PROGRESS = frozenset(Progress.__dataclass_fields__)
_JOB_COLUMNS = tuple(each.name for each in fields(Job))
_ARTIFACT_COLUMNS = tuple(each.name for each in fields(Artifact))
