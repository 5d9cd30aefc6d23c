"""Params of `probe`: a kind for tests and benchmarks that does as it is told, without a model."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from shared.kinds.params import Output, Params, Seed, ui


class Probe(Params):
    """Takes steps, and goes wrong on request."""

    title: ClassVar[str] = "Probe"
    summary: ClassVar[str] = "Takes steps, and goes wrong on request."
    icon: ClassVar[str] = "activity"
    output: ClassVar[Output] = "text"
    stall_s: ClassVar[float] = 6
    examples: ClassVar[list[dict[str, Any]]] = [{"steps": 1}]

    steps: Annotated[
        int, Field(title="Steps", description="How many.", ge=0, le=100_000, json_schema_extra=ui("number"))
    ] = 1
    step_s: Annotated[float, Field(title="Step", description="Seconds each.", ge=0, json_schema_extra=ui("number"))] = 0
    at_step: Annotated[
        int, Field(title="At", description="Step of the deed.", ge=0, json_schema_extra=ui("number"))
    ] = 0
    deed: Annotated[
        Literal[
            "none",
            "raise",
            "refuse",
            "retryable",
            "kill",
            "kill_once",
            "hang",
            "freeze",
            "fatal",
            "memory",
            "memory_always",
            "scribble",
            "fail_once",
        ],
        Field(title="Deed", description="What goes wrong.", json_schema_extra=ui("select")),
    ] = "none"
    deaf: Annotated[bool, Field(title="Deaf", description="Reports no progress.", json_schema_extra=ui("switch"))] = (
        False
    )
    mark: Annotated[str, Field(title="Mark", description="A file that remembers.", json_schema_extra=ui("text"))] = ""
    megabytes: Annotated[
        int, Field(title="Size", description="Of the artifact.", ge=0, json_schema_extra=ui("number"))
    ] = 0
    seed: Seed = None

    def smaller(self) -> dict[str, Any]:
        """One step."""
        return {"steps": 1} if self.steps > 1 else {}
