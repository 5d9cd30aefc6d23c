"""A workflow as it is asked for: named steps, each a job whose params may refer to what other steps make."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_STEPS = 50

Name = r"^\w[\w -]{0,39}$"


class Step(BaseModel):
    """One job of a workflow. `params` may hold {"from": step, "role": "output", "index": 0} in place of a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: str = Field(pattern=Name, description="What other steps call it: letters, digits, spaces, up to 40.")
    kind: str = Field(min_length=1, max_length=100, description="Which kind of work.")
    params: dict[str, Any] = Field(default_factory=dict, description="What the kind is to do.")
    priority: int = Field(5, ge=0, le=9, description="Higher is sooner; waiting raises it.")
    pool: Literal["accelerated", "gpu", "cpu", "io"] | None = Field(
        None, description="Resource class; the kind's own by default."
    )
    depends_on: list[str] = Field(
        default_factory=list, max_length=MAX_STEPS, description="Steps to wait for beside those that params refer to."
    )


class Asked(BaseModel):
    """A whole workflow, as it is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    title: str | None = Field(None, min_length=1, max_length=200, description="What the workflow is called.")
    steps: list[Step] = Field(min_length=1, max_length=MAX_STEPS, description="Its steps, in any order.")
