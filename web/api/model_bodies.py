"""What goes in and out of the API of models."""

from datetime import datetime
from typing import Annotated

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
