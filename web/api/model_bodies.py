"""What goes in and out of the API of models."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from web.api.bodies import Answer, Strict


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
    #: Of a trained model: the version that the name stands for.
    version: int | None
    created_at: datetime


class VersionBody(Answer):
    """What one training job made under a model's name."""

    number: int
    artifact_id: str
    job_id: str | None
    lineage: dict[str, Any]
    figures: dict[str, Any]
    created_at: datetime


class KnownModelBody(ModelBody):
    """A model with its versions."""

    versions: list[VersionBody]


class PromoteRequest(Strict):
    """Which version the name is to stand for."""

    version: int = Field(ge=1)


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
