"""Params of `fit_line`: a training that a test's device group takes part in."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from shared.kinds.params import Output, Params, Seed


class FitLine(Params):
    """Fits a line."""

    title: ClassVar[str] = "Fit a line"
    summary: ClassVar[str] = "Fits a line."
    icon: ClassVar[str] = "activity"
    output: ClassVar[Output] = "data"
    trains: ClassVar[bool] = True
    examples: ClassVar[list[dict[str, Any]]] = [{}]

    line: Annotated[dict[str, Any], Field(default_factory=dict)]
    #: The process that this is about, what becomes of it, and at which step.
    who: int = 1
    fate: str = ""
    at: int = 0
    #: Where its weights are written after each step.
    mark: str = ""
    seed: Seed = None
