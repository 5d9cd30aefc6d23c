"""Params of `chant`: a kind for tests whose jobs share their passes, as those of models do, without a model."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from shared.kinds.params import Output, Params, ui


class Chant(Params):
    """Counts aloud, with others."""

    title: ClassVar[str] = "Chant"
    summary: ClassVar[str] = "Counts aloud, with others."
    icon: ClassVar[str] = "activity"
    output: ClassVar[Output] = "text"
    stall_s: ClassVar[float] = 6
    examples: ClassVar[list[dict[str, Any]]] = [{"steps": 1}]

    steps: Annotated[
        int, Field(title="Steps", description="How many.", ge=0, le=100_000, json_schema_extra=ui("number"))
    ] = 1
    step_s: Annotated[float, Field(title="Step", description="Seconds each.", ge=0, json_schema_extra=ui("number"))] = 0
    at_step: Annotated[int, Field(title="At", description="Of the deed.", ge=0, json_schema_extra=ui("number"))] = 0
    deed: Annotated[
        Literal["none", "refuse", "wreck", "memory", "kill_once"],
        Field(title="Deed", description="What goes wrong.", json_schema_extra=ui("select")),
    ] = "none"
    key: Annotated[str, Field(title="Key", description="Whom it sings with.", json_schema_extra=ui("text"))] = "a"
    mark: Annotated[str, Field(title="Mark", description="A file that remembers.", json_schema_extra=ui("text"))] = ""

    def batch_key(self) -> str | None:
        """Whoever has the same key."""
        return self.key or None
