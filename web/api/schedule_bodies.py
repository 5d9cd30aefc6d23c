"""What goes in and out of the native API about schedules and cron, as models."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.schedule import MAX_WINDOW_S, Missed, Overlap, Terms
from shared.templates import Template
from web.api.bodies import Answer, State, Strict


class ScheduleRequest(Terms):
    """A schedule to make."""


class ScheduleChange(Strict):
    """What to change of a schedule; what is left out stays as it is."""

    model_config = ConfigDict(strict=True)

    name: str | None = Field(None, min_length=1, max_length=200)
    cron: str | None = Field(None, min_length=1, max_length=200)
    zone: str | None = Field(None, min_length=1, max_length=100)
    template: Template | None = Field(None, description="The whole template anew.")
    overlap: Overlap | None = None
    missed: Missed | None = None
    window_s: int | None = Field(None, ge=60, le=MAX_WINDOW_S)


class PauseRequest(Strict):
    """Why a schedule is paused."""

    reason: str | None = Field(None, max_length=500, description="For whoever finds it paused.")


class ScheduleLinksBody(Answer):
    """Where to go from here."""

    self: str
    runs: str
    run: str
    pause: str
    resume: str


class ScheduleBody(Answer):
    """A schedule."""

    id: str
    name: str
    cron: str
    zone: str
    sentence: str = Field(description="The cron read back in English.")
    template: Template
    overlap: Overlap
    missed: Missed
    window_s: int | None
    paused_at: datetime | None
    pause_reason: str | None
    next_due: datetime | None = Field(description="Null while it is paused.")
    last_due: datetime | None
    run_count: int
    created_at: datetime
    revision: int
    links: ScheduleLinksBody


class SchedulePageBody(Answer):
    """Some schedules, newest first."""

    schedules: list[ScheduleBody]
    next: str | None = Field(description="The cursor of the next page, if there is one.")


class RunBody(Answer):
    """What became of a due tick."""

    due_at: datetime
    number: int | None
    state: Literal["due", "submitted", "skipped", "failed"]
    reason: str | None = Field(description="Why it was skipped or failed, or that it makes up for a missed one.")
    manual: bool
    job_id: str | None
    job_state: State | None
    batch_id: str | None
    batch_state: Literal["running", "succeeded", "partial", "failed", "cancelled"] | None


class RunPageBody(Answer):
    """Some runs of a schedule, newest first."""

    runs: list[RunBody]
    next: str | None = Field(description="The cursor of the next page, if there is one.")


class SchedulePath(BaseModel):
    """A schedule's id."""

    schedule_id: Annotated[str, Field(max_length=60)]


class CursorQuery(Strict):
    """Which page of a list."""

    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=60)


class CronQuery(Strict):
    """Cron to read back."""

    cron: str = Field(max_length=300, description="Five fields, or an alias such as @daily.")
    zone: str = Field("UTC", max_length=100, description="IANA time zone.")
    lang: Literal["en", "zh"] = Field("en", description="Language of the sentence.")


class CronBody(Answer):
    """Cron read back."""

    cron: str = Field(description="The five fields, an alias spelt out.")
    zone: str
    sentence: str
    next: list[str] = Field(description="The next five due ticks, ISO 8601 with the zone's UTC offset.")
