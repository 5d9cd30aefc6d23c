"""Params of `learn`: a kind for tests that trains a line through points, with checkpoints, without a library."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from shared.kinds.params import Output, Params, Seed, ui


class Learn(Params):
    """Trains a line."""

    title: ClassVar[str] = "Learn"
    summary: ClassVar[str] = "Trains a line through points."
    icon: ClassVar[str] = "activity"
    output: ClassVar[Output] = "data"
    trains: ClassVar[bool] = True
    action: ClassVar[str] = "Train"
    gives: ClassVar[Literal["works", "model", "dataset"]] = "model"
    stall_s: ClassVar[float] = 10
    examples: ClassVar[list[dict[str, Any]]] = [{"steps": 20}]

    steps: Annotated[
        int, Field(title="Steps", description="How many.", ge=1, le=1_000_000, json_schema_extra=ui("number"))
    ] = 20
    step_s: Annotated[float, Field(title="Step", description="Seconds each.", ge=0, json_schema_extra=ui("number"))] = 0
    every: Annotated[
        int, Field(title="Every", description="Steps between checkpoints.", ge=1, json_schema_extra=ui("number"))
    ] = 10
    rate: Annotated[
        float, Field(title="Learning rate", description="Of each step.", gt=0, json_schema_extra=ui("number"))
    ] = 0.05
    mark: Annotated[str, Field(title="Mark", description="A file that remembers.", json_schema_extra=ui("text"))] = ""
    seed: Seed = None
