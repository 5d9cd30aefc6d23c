"""What a schedule submits at each due tick: a template, which is a job as one would submit it, with variables in it."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared import variables

MAX_TIME_LIMIT_S = 7 * 86_400.0


class JobTemplate(BaseModel):
    """The job of a schedule. The texts of `params` may hold variables such as {date}; {{ is a brace."""

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


class Template(BaseModel):
    """What a schedule submits: one job."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    job: JobTemplate = Field(description="The job to submit at each due tick.")

    @model_validator(mode="before")
    @classmethod
    def _no_batch(cls, data: Any) -> Any:
        """The one place that refuses a batch; it goes when a batch can be submitted from here."""
        if isinstance(data, Mapping) and data.get("batch") is not None:
            raise ValueError('A schedule cannot submit a batch yet. Give it one job: {"job": {"kind": …}}.')
        return data


def fill(template: Template, given: Mapping[str, str]) -> Template:
    """The template with its variables filled.

    Raises:
        Invalid: an unknown variable, with the field it is in.
    """
    params = variables.fill(template.job.params, given, "template.job.params")
    return template.model_copy(update={"job": template.job.model_copy(update={"params": params})})
