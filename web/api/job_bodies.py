"""What goes in and out of the API of jobs."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from shared.dependencies import MAX_NEEDS
from shared.job import MAX_TIME_LIMIT_S, JobState, Wish
from web.api.artifact_bodies import ArtifactBody
from web.api.bodies import Answer, State, Strict


class JobRequest(Strict):
    """A job to submit. `params` are those of the kind; see /api/kinds."""

    model_config = ConfigDict(strict=True)

    kind: str = Field(min_length=1, max_length=100, description="Which kind of work.")
    params: dict[str, Any] = Field(default_factory=dict, description="What the kind is to do.")
    priority: int = Field(5, ge=0, le=9, description="Higher is sooner; waiting raises it.")
    pool: Literal["accelerated", "gpu", "cpu", "io"] | None = Field(
        None, description="Resource class; the kind's own by default."
    )
    device: str | None = Field(None, max_length=200, description="One device that is to run it.")
    time_limit_s: float | None = Field(
        None, gt=0, le=MAX_TIME_LIMIT_S, description="Seconds after which it is stopped."
    )
    depends_on: list[Annotated[str, Field(max_length=60)]] = Field(
        default_factory=list, max_length=MAX_NEEDS, description="Jobs of yours that must succeed before it may start."
    )


class ProgressBody(Answer):
    """How far a job is."""

    done: int
    total: int | None
    note: str
    text: str | None = Field(description="What a text kind has written so far.")


class PositionBody(Answer):
    """A queued job's place."""

    ahead: int = Field(description="Jobs before it.")
    wait_s: float | None = Field(description="Estimated seconds until it starts; null where no device is up.")


class NeedBody(Answer):
    """A job that another one waits for."""

    job_id: str
    step: str | None
    state: State


class TimingsBody(Answer):
    """When it happened, and for how many seconds."""

    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    queued_s: float | None
    running_s: float | None


class ErrorBody(Answer):
    """Why a job failed."""

    code: str
    message: str


class LinksBody(Answer):
    """Where to go from here."""

    self: str
    events: str
    points: str
    cancel: str
    retry: str
    page: str


class JobBody(Answer):
    """A job."""

    id: str
    kind: str
    title: str
    state: State
    params: dict[str, Any]
    priority: int
    pool: str
    model: str | None
    model_version: str | None
    made_with: dict[str, str] | None = Field(description="Versions of the libraries, and the device, of its outputs.")
    seed: int
    progress: ProgressBody
    position: PositionBody | None
    waits_for: list[NeedBody] = Field(description="What must succeed before it may start, and has not yet.")
    held: bool = Field(description="Whether it is queued but paused, until it is resumed.")
    wish: Wish | None = Field(description="What a training was asked to do at the end of its step.")
    attempt: int
    device: str | None
    cancel_requested: bool
    timings: TimingsBody
    metrics: dict[str, float]
    error: ErrorBody | None
    artifacts: list[ArtifactBody]
    parent_id: str | None
    batch_id: str | None
    batch_index: int | None = Field(description="Its number in the batch, from 1.")
    workflow_id: str | None
    step: str | None = Field(description="Its name in the workflow.")
    searched_by: str | None = Field(description="The search that it is a trial of.")
    trial: int | None = Field(description="Its number in the search, from 1.")
    links: LinksBody


class JobPageBody(Answer):
    """Some jobs, newest first."""

    jobs: list[JobBody]
    next: str | None = Field(description="The cursor of the next page, if there is one.")


class PointsBody(RootModel[dict[str, list[tuple[int, float]]]]):
    """The curves of a job: under each name its points, step and value, by step."""


class PointsQuery(Strict):
    """Which points."""

    names: list[Annotated[str, Field(max_length=200)]] = Field(
        default_factory=list, max_length=50, description="These curves only."
    )
    since: int | None = Field(None, ge=-(2**63), lt=2**63, description="Only steps after this one.")


class JobPath(BaseModel):
    """A job's id."""

    job_id: Annotated[str, Field(max_length=60)]


class JobQuery(Strict):
    """Filters of a list of jobs."""

    state: list[JobState] = Field(default_factory=list, description="Any of these states.")
    kind: str | None = Field(None, max_length=100)
    model: str | None = Field(None, max_length=200)
    q: str | None = Field(None, max_length=200, description="Part of the title, or an id.")
    batch: str | None = Field(None, max_length=60, description="Of this batch.")
    searched_by: str | None = Field(None, max_length=60, description="Trials of this search.")
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=60)
