"""Params of `classify_text`."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.kinds.params import ModelRef, Output, Params, Preset, ui
from shared.kinds.reading_params import Column, Table, Texts, one_source


class ClassifyText(Params):
    """Gives each text a label."""

    title: ClassVar[str] = "Labels for texts"
    summary: ClassVar[str] = "Gives each text a label, such as positive or negative, with a score for every label."
    icon: ClassVar[str] = "tags"
    output: ClassVar[Output] = "data"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"texts": ["What a wonderful day!", "The shop opens at nine.", "The service was terrible."]},
        {"texts": ["I love this camera."], "form": "csv"},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Reviews", {"texts": ["Great sound, and the battery lasts for days.", "It broke after one week."]}),
        Preset(
            "Comments on the news",
            {"texts": ["The talks ended on Tuesday.", "A shameful decision.", "At last, some good news!"]},
        ),
        Preset("Answers of a survey, as a table", {"texts": ["Very helpful staff.", "Too loud."], "form": "csv"}),
    ]

    model: Annotated[str, ModelRef("text-classification")] = "sentiment"
    texts: Texts = None
    table: Table = None
    column: Column = "text"
    form: Annotated[
        Literal["jsonl", "csv"],
        Field(
            title="Result",
            description="JSON lines keep everything as it was; CSV opens in a spreadsheet.",
            json_schema_extra=ui("segment", titles={"jsonl": "JSON lines", "csv": "CSV"}),
        ),
    ] = "jsonl"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        one_source(self.texts, self.table)
        return self

    def headline(self) -> str:
        """The first text."""
        return self.texts[0] if self.texts else self.title
