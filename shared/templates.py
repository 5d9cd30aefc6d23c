"""What a schedule submits at each due tick: a template, which is a job or a batch as one would submit it, with
variables in it."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared import variables
from shared.job import MAX_TIME_LIMIT_S


class _Template(BaseModel):
    """What a job and a batch have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

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


class JobTemplate(_Template):
    """The job of a schedule. The texts of `params` may hold variables such as {date}; {{ is a brace."""


class BatchTemplate(_Template):
    """The batch of a schedule: `params` with the fields of `vary` varied. All their texts may hold variables."""

    vary: dict[str, list[Any]] = Field(description="Fields, each with its values.")
    mode: Literal["product", "zip"] = Field("product", description="Every combination, or the values side by side.")
    title: str | None = Field(None, min_length=1, max_length=200, description="What each batch is called.")


class Template(BaseModel):
    """What a schedule submits: one job, or one batch."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    job: JobTemplate | None = Field(
        None, description="The job to submit at each due tick.", exclude_if=lambda value: value is None
    )
    batch: BatchTemplate | None = Field(
        None, description="The batch to submit at each due tick.", exclude_if=lambda value: value is None
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.job is None) == (self.batch is None):
            raise ValueError('Give either a job or a batch: {"job": {"kind": …}} or {"batch": {"kind": …, "vary": …}}.')
        return self

    @property
    def content(self) -> JobTemplate | BatchTemplate:
        """Whichever of the two it is."""
        content = self.job or self.batch
        assert content is not None, "it is validated to be one of them"
        return content


def fill(template: Template, given: Mapping[str, str]) -> Template:
    """The template with its variables filled.

    Raises:
        Invalid: an unknown variable, with the field it is in.
    """
    if template.job is not None:
        params = variables.fill(template.job.params, given, "template.job.params")
        return template.model_copy(update={"job": template.job.model_copy(update={"params": params})})
    batch = template.batch
    assert batch is not None, "it is validated to be one of them"
    filled = {
        "params": variables.fill(batch.params, given, "template.batch.params"),
        "vary": variables.fill(batch.vary, given, "template.batch.vary"),
        **variables.fill({"title": batch.title}, given, "template.batch"),
    }
    return template.model_copy(update={"batch": batch.model_copy(update=filled)})
