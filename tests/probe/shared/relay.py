"""Params of `relay`: a kind for tests that passes on what it is given, as a text, a file, or several."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from shared.kinds.params import InputRef, Output, Params, ui


class Relay(Params):
    """Passes on what it is given."""

    title: ClassVar[str] = "Relay"
    summary: ClassVar[str] = "Passes on what it is given."
    icon: ClassVar[str] = "activity"
    output: ClassVar[Output] = "text"
    examples: ClassVar[list[dict[str, Any]]] = [{"words": "hello"}]

    words: Annotated[
        str,
        Field(title="Words", description="To pass on.", min_length=1, max_length=24, json_schema_extra=ui("textarea")),
    ]
    file: Annotated[str | None, InputRef("text", title="File", description="To pass on too.")] = None
    broken_once: Annotated[
        str, Field(title="Mark", description="A file; without it the job fails.", json_schema_extra=ui("text"))
    ] = ""

    def headline(self) -> str:
        """The words."""
        return self.words
