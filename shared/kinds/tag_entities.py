"""Params of `tag_entities`."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.kinds.params import ModelRef, Output, Params, Preset, ui
from shared.kinds.reading_params import Column, Table, Texts, one_source


class TagEntities(Params):
    """Finds names in texts."""

    title: ClassVar[str] = "Names in texts"
    summary: ClassVar[str] = "Finds the people, places and organisations that texts name, and where."
    icon: ClassVar[str] = "highlighter"
    output: ClassVar[Output] = "data"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"texts": ["Maria Gonzalez works for Contoso in Madrid."]},
        {"texts": ["The train to Lyon was late.", "Nothing is named here."], "form": "csv"},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("A news item", {"texts": ["Anna Keller of the University of Basel met the mayor of Geneva on Monday."]}),
        Preset("Letters of customers", {"texts": ["My name is John Baker and I live in Leeds."]}),
        Preset("A table of names", {"texts": ["Peter Novak joined Acme Ltd in Prague last year."], "form": "csv"}),
    ]

    model: Annotated[str, ModelRef("token-classification")] = "entities"
    texts: Texts = None
    table: Table = None
    column: Column = "text"
    least_score: Annotated[
        float,
        Field(
            title="Least score",
            description="Leave out what the model is less sure of than this.",
            ge=0,
            le=1,
            json_schema_extra=ui("slider", step=0.05, advanced=True),
        ),
    ] = 0.0
    form: Annotated[
        Literal["jsonl", "csv"],
        Field(
            title="Result",
            description="JSON lines have a line for each text, CSV has one for each name found.",
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
