"""Params of `embed_text`."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from shared.kinds.params import ModelRef, Output, Params, Preset, ui
from shared.kinds.reading_params import Column, Table, Texts, one_source


class EmbedText(Params):
    """Turns texts into vectors."""

    title: ClassVar[str] = "Vectors of texts"
    summary: ClassVar[str] = "Turns texts into vectors, so that texts of like meaning lie close together."
    icon: ClassVar[str] = "waypoints"
    output: ClassVar[Output] = "data"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"texts": ["A cat sleeps on the sofa.", "A kitten naps.", "Stocks fell on Monday."]},
        {"texts": ["How do I return an order?", "Where is my parcel?"], "normalise": False},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Which sentences mean the same?", {"texts": ["It rains.", "The weather is wet.", "I like tea."]}),
        Preset("Questions of customers", {"texts": ["Where is my parcel?", "I forgot my password."]}),
        Preset("Headlines", {"texts": ["Team wins the cup", "Shares fall", "New museum opens"]}),
    ]

    model: Annotated[str, ModelRef("feature-extraction")] = "minilm"
    texts: Texts = None
    table: Table = None
    column: Column = "text"
    normalise: Annotated[
        bool,
        Field(
            title="Length 1",
            description="Scale each vector to length 1, so that the product of two is their likeness.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = True

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        one_source(self.texts, self.table)
        return self

    def headline(self) -> str:
        """The first text."""
        return self.texts[0] if self.texts else self.title
