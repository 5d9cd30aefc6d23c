"""What kinds that teach language models are asked besides: how much of the model learns, and what is written down."""

from typing import Annotated, Literal

from pydantic import Field

from shared.kinds.params import ui

Dropout = Annotated[
    float,
    Field(
        title="Dropout",
        description="The share of signals that is left out at random while it learns, against learning by heart.",
        ge=0,
        le=0.9,
        json_schema_extra=ui("slider", advanced=True, step=0.01),
    ),
]

Export = Annotated[
    Literal["adapter", "merged"],
    Field(
        title="Result",
        description="An adapter is small and needs its base; merged, both become one model of full size.",
        json_schema_extra=ui("segment", advanced=True, titles={"adapter": "Adapter", "merged": "Merged"}),
    ),
]

LongestExample = Annotated[
    int,
    Field(
        title="Longest example",
        description="Tokens of one example; what is longer is cut off, or of plain texts becomes several.",
        ge=8,
        le=131_072,
        json_schema_extra=ui("number", unit="tokens"),
    ),
]

JoinTexts = Annotated[
    bool,
    Field(
        title="Join texts",
        description="Read the rows of plain texts as one long text, in pieces of the longest example.",
        json_schema_extra=ui("switch", advanced=True),
    ),
]

SaveMemory = Annotated[
    bool,
    Field(
        title="Save memory",
        description="Compute the activations twice instead of keeping them; slower by about a fifth.",
        json_schema_extra=ui("switch", advanced=True),
    ),
]

Layers = Annotated[
    int,
    Field(
        title="Layers",
        description="The depth of a model from nothing.",
        ge=1,
        le=48,
        json_schema_extra=ui("stepper", advanced=True),
    ),
]

Width = Annotated[
    int,
    Field(
        title="Width",
        description="Numbers per token in a model from nothing.",
        ge=8,
        le=4096,
        json_schema_extra=ui("number", advanced=True),
    ),
]

Heads = Annotated[
    int,
    Field(
        title="Heads",
        description="The attention heads of a model from nothing.",
        ge=1,
        le=64,
        json_schema_extra=ui("stepper", advanced=True),
    ),
]

OwnTokens = Annotated[
    Literal["characters", "bpe"],
    Field(
        title="Tokens",
        description="What a model from nothing reads: single characters, or pieces of words found in the data.",
        json_schema_extra=ui("segment", advanced=True, titles={"characters": "Characters", "bpe": "Pieces of words"}),
    ),
]

Vocabulary = Annotated[
    int,
    Field(
        title="Vocabulary",
        description="How many pieces of words a model from nothing knows at most.",
        ge=300,
        le=100_000,
        json_schema_extra=ui("number", advanced=True),
    ),
]
