"""Params of `study`: a kind for tests that trains as those of the house do, without a library and without data."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from shared.kinds.params import ui
from shared.kinds.training_params import Training


class Study(Training):
    """Finds the bottom of a valley."""

    title: ClassVar[str] = "Study"
    summary: ClassVar[str] = "Finds the bottom of a valley."
    icon: ClassVar[str] = "activity"
    examples: ClassVar[list[dict[str, Any]]] = [{"name": "student"}]

    dataset: Annotated[str, Field(title="Dataset", description="None.", json_schema_extra=ui("text"))] = ""
    step_s: Annotated[float, Field(title="Step", description="Seconds each.", ge=0, json_schema_extra=ui("number"))] = 0
