"""What goes in and out of the API of batches, as models: the OpenAPI document is drawn from them."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.job import MAX_TIME_LIMIT_S, JobState
from shared.sources import MAX_ITEMS
from web.api.bodies import Answer, Strict
from web.api.job_bodies import JobBody

Pool = Literal["accelerated", "gpu", "cpu", "io"]
Priority = Annotated[int, Field(ge=0, le=9, description="Higher is sooner, among batches; single jobs go first.")]
Title = Annotated[str, Field(min_length=1, max_length=200, description="What the batch is called.")]
Device = Annotated[str, Field(max_length=200, description="One device that is to run all of it.")]
TimeLimit = Annotated[float, Field(gt=0, le=MAX_TIME_LIMIT_S, description="Seconds after which a job is stopped.")]


class BatchRequest(Strict):
    """Many jobs of one kind: `items`, each laid over `params`; or `params` with the fields of `vary` varied."""

    model_config = ConfigDict(strict=True)

    kind: str = Field(min_length=1, max_length=100, description="Which kind of work.")
    params: dict[str, Any] = Field(default_factory=dict, description="What all jobs have in common.")
    items: list[dict[str, Any]] | None = Field(
        None, min_length=1, max_length=MAX_ITEMS, description="The params of each job."
    )
    vary: dict[str, list[Any]] | None = Field(None, description="Fields, each with its values.")
    mode: Literal["product", "zip"] = Field(
        "product", description="Every combination (the last field changes fastest), or the values side by side."
    )
    title: Title | None = None
    priority: Priority = 5
    pool: Pool | None = Field(None, description="Resource class; the kind's own by default.")
    device: Device | None = None
    time_limit_s: TimeLimit | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.items is None) == (self.vary is None):
            raise ValueError("Give either items or vary, not both and not neither. A file goes to /api/batches/upload.")
        return self


class UploadQuery(Strict):
    """What an uploaded batch is; each may also be a text field of the form."""

    kind: str | None = Field(None, min_length=1, max_length=100, description="Which kind of work.")
    params: str | None = Field(None, description="What all jobs have in common, as a JSON object.")
    title: Title | None = None
    priority: Priority = 5
    pool: Pool | None = Field(None, description="Resource class; the kind's own by default.")
    device: Device | None = None
    time_limit_s: TimeLimit | None = None


class CountsBody(Answer):
    """How many jobs are in each state; one that was retried counts once."""

    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int


class BatchLinksBody(Answer):
    """Where to go from here."""

    self: str
    jobs: str
    cancel: str
    retry: str
    results_jsonl: str
    results_zip: str
    page: str


class BatchBody(Answer):
    """A batch."""

    id: str
    kind: str
    title: str
    state: Literal["running", "succeeded", "partial", "failed", "cancelled"]
    total: int
    counts: CountsBody
    priority: int
    pool: str
    asked: dict[str, Any] = Field(
        description="`mode`, `params` in common, and `vary` in its `order`, `items` or `file`."
    )
    created_at: datetime
    finished_at: datetime | None
    links: BatchLinksBody


class BatchPageBody(Answer):
    """Some batches, newest first."""

    batches: list[BatchBody]
    next: str | None = Field(description="The cursor of the next page, if there is one.")


class BatchJobsBody(Answer):
    """Some jobs of a batch by their number: of each number the latest."""

    jobs: list[JobBody]
    next: str | None = Field(description="The cursor of the next page, if there is one.")


class BatchPath(BaseModel):
    """A batch's id."""

    batch_id: Annotated[str, Field(max_length=60)]


class BatchQuery(Strict):
    """Which page of batches."""

    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = Field(None, max_length=60)


class BatchJobsQuery(Strict):
    """Which jobs of a batch."""

    state: list[JobState] = Field(default_factory=list, description="Any of these states.")
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=60)


class RetryQuery(Strict):
    """Which jobs of a batch to submit anew."""

    state: list[Literal["failed", "cancelled"]] = Field(default=["failed"], min_length=1, description="Any of these.")
