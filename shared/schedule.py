"""What a schedule and the run of a due tick are: values, no behaviour."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sqlalchemy import RowMapping

from shared.batch import BatchState
from shared.job import JobState
from shared.templates import Template
from shared.text import UNSTORABLE, storable

Overlap = Literal["skip", "queue", "cancel_old"]
Missed = Literal["skip", "once", "all"]

MAX_WINDOW_S = 31 * 86_400
WINDOW_S = 86_400
"""The window where none is given."""


class RunState(StrEnum):
    """What became of a due tick."""

    DUE = "due"
    SUBMITTED = "submitted"
    SKIPPED = "skipped"
    FAILED = "failed"


class Terms(BaseModel):
    """What its owner decides about a schedule."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(min_length=1, max_length=200, description="What people call it; {schedule} in a template.")
    cron: str = Field(
        min_length=1,
        max_length=200,
        description="Five fields: minute, hour, day of the month, month, day of the week; or @hourly, @daily …",
    )
    zone: str = Field("UTC", min_length=1, max_length=100, description="IANA time zone, such as Europe/Berlin.")
    template: Template
    overlap: Overlap = Field(
        "skip", description="What to do at a due tick while an earlier run's job still waits or runs."
    )
    missed: Missed = Field(
        "once", description="Due ticks that nobody was there for: skip them, run once, or run all within window_s."
    )
    window_s: int | None = Field(
        None, ge=60, le=MAX_WINDOW_S, description="Only for missed=all: how old a missed due tick may be; a day."
    )

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("Write something here.")
        if not storable(name):
            raise ValueError(UNSTORABLE)
        return name.strip()

    @model_validator(mode="after")
    def _windowed(self) -> "Terms":
        if self.missed != "all" and self.window_s is not None:
            raise ValueError("window_s is for missed=all only. Leave it out, or choose all.")
        return self


@dataclass(frozen=True)
class Schedule:
    """One schedule, as its owner may see it."""

    id: str
    owner_id: str
    terms: Terms
    paused_at: datetime | None
    pause_reason: str | None
    next_due: datetime | None
    last_due: datetime | None
    failures: int
    run_count: int
    created_at: datetime
    revision: int


@dataclass(frozen=True)
class Run:
    """What became of one due tick. Only runs that were to submit something have a number."""

    schedule_id: str
    due_at: datetime
    number: int | None
    state: RunState
    reason: str | None
    manual: bool
    job_id: str | None
    batch_id: str | None
    created_at: datetime
    job_state: JobState | None = None
    batch_state: BatchState | None = None


def schedule_from(row: RowMapping) -> Schedule:
    """A `Schedule` from a row of the schedules table."""
    # The row was checked when it was written; what is refused since then shows at its next run.
    terms = Terms.model_construct(
        **{name: row[name] for name in Terms.model_fields if name != "template"},
        template=Template.model_validate(row["template"]),
    )
    own = {name: row[name] for name in Schedule.__dataclass_fields__ if name != "terms"}
    return Schedule(terms=terms, **own)


def run_from(row: RowMapping) -> Run:
    """A `Run` from a row of the runs table, joined with its job's state where that is asked for."""
    values = {name: row[name] for name in Run.__dataclass_fields__ if name not in {"job_state", "batch_state"}}
    job_state = row.get("job_state")
    values["state"] = RunState(row["state"])
    return Run(**values, job_state=JobState(job_state) if job_state else None)
