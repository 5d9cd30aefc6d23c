"""What bodies and answers of the native API have in common; the OpenAPI document is drawn from them.

The bodies of each noun are beside it: job_bodies, model_bodies and so on.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

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


class Answer(BaseModel):
    """A response body."""

    model_config = ConfigDict(extra="forbid")


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
