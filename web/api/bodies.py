"""What goes in and out of the native API, as models: the OpenAPI document is drawn from them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from shared.job import JobState
from shared.text import UNSTORABLE, storable

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class Strict(BaseModel):
    """A request body: unknown fields are errors, and so is text that cannot be stored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="after")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if isinstance(value, str) and not storable(value):
            raise ValueError(UNSTORABLE)
        return value


def _soon(moment: datetime) -> datetime:
    """A moment that is still to come, and that a calendar can hold."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    now = datetime.now(UTC)
    if not now < aware < now + timedelta(days=36_500):
        raise ValueError("Must be in the future, and within 100 years.")
    return aware


class Answer(BaseModel):
    """A response body."""

    model_config = ConfigDict(extra="forbid")


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
    time_limit_s: float | None = Field(None, gt=0, le=7 * 86400, description="Seconds after which it is stopped.")


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


class ArtifactBody(Answer):
    """A file that a job made."""

    id: str
    role: Literal["output", "preview", "model", "checkpoint", "log"]
    name: str
    media_type: str
    size: int = Field(description="Bytes.")
    sha256: str
    url: str
    meta: dict[str, Any]


class LinksBody(Answer):
    """Where to go from here."""

    self: str
    events: str
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
    seed: int
    progress: ProgressBody
    position: PositionBody | None
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
    links: LinksBody


class JobPageBody(Answer):
    """Some jobs, newest first."""

    jobs: list[JobBody]
    next: str | None = Field(description="The cursor of the next page, if there is one.")


class WrongFieldBody(Answer):
    """One wrong field of a request."""

    field: str
    message: str
    line: int | None = Field(None, description="Of an uploaded file, from 1.")


class ProblemBody(BaseModel):
    """An error, after RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    request_id: str
    field: str | None = None
    errors: list[WrongFieldBody] | None = None


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
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=60)


class KindBody(Answer):
    """A kind of work."""

    name: str
    title: str
    summary: str
    icon: str
    output: str
    pool: str
    params: dict[str, Any] = Field(description="JSON Schema of the params, with `x-ui` hints for forms.")
    examples: list[dict[str, Any]]


class KindsBody(Answer):
    """Every kind."""

    kinds: list[KindBody]


class ModelBody(Answer):
    """A model of the library."""

    name: str
    title: str
    task: str
    source: str
    revision: str | None
    file: str | None
    licence: str | None
    base: str | None
    size: int | None
    sha256: str | None
    mine: bool
    created_at: datetime


class ModelsBody(Answer):
    """The models that this key may use."""

    models: list[ModelBody]


class ModelRequest(Strict):
    """A model to put into the library."""

    # Each part between slashes begins with a letter or a digit, so that a model's address is the one that it reads as.
    name: str = Field(
        min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$"
    )
    task: str = Field(min_length=1, max_length=60, pattern=r"^[a-z0-9-]+$")
    source: str = Field(min_length=1, max_length=500)
    title: str | None = Field(None, max_length=200)
    revision: str | None = Field(None, max_length=100)
    file: str | None = Field(None, max_length=200, pattern=r"^[^/\\]+$")
    licence: str | None = Field(None, max_length=100)
    base: str | None = Field(None, max_length=100)


class ModelPath(BaseModel):
    """A model's name."""

    name: Annotated[str, Field(max_length=100)]


class ModelQuery(Strict):
    """Filter of the list of models."""

    task: str | None = Field(None, max_length=60)


class ResidentBody(Answer):
    """A model in a device's memory."""

    model: str
    bytes: int


class DeviceBody(Answer):
    """A device that work is done on."""

    id: str
    host: str
    name: str
    title: str
    pool: str
    state: str
    alive: bool
    drain_requested: bool = Field(description="Whether it was asked to take no new jobs.")
    note: str
    memory_total: int
    memory_used: int
    resident: list[ResidentBody]
    job_id: str | None = Field(description="The job that it runs, if it is one of yours.")
    heartbeat_at: datetime


class DevicePath(BaseModel):
    """A device's id, such as `host/cuda:0`."""

    device_id: Annotated[str, Field(max_length=300)]


class DevicesBody(Answer):
    """Every device."""

    devices: list[DeviceBody]


class KeyBody(Answer):
    """A key, without its secret."""

    id: str
    label: str
    hint: str
    scopes: list[str]
    rate_per_minute: int | None
    created_at: datetime
    used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


class KeysBody(Answer):
    """The keys of one owner."""

    keys: list[KeyBody]


class NewKeyBody(KeyBody):
    """A key just made: the only time its secret is shown."""

    secret: str


class KeyRequest(Strict):
    """A key to make. Without scopes it may read and write jobs."""

    label: str = Field(min_length=1, max_length=100)
    scopes: list[str] = Field(default=["jobs:read", "jobs:write"], max_length=10)
    owner: str | None = Field(None, min_length=1, max_length=100, description="For another owner, by name (admin).")
    rate_per_minute: int | None = Field(None, ge=1, le=1_000_000)
    expires_at: Annotated[datetime, AfterValidator(_soon)] | None = None


class KeyQuery(Strict):
    """Whose keys to list."""

    owner: str | None = Field(None, min_length=1, max_length=100, description="Another owner, by name (admin).")


class KeyPath(BaseModel):
    """A key's id."""

    key_id: Annotated[str, Field(max_length=60)]


class ArtifactPath(BaseModel):
    """An artifact's id."""

    artifact_id: Annotated[str, Field(max_length=60)]


class ArtifactQuery(BaseModel):
    """How to send a file."""

    inline: bool = Field(False, description="Show it in the browser, where its type is safe to show.")
