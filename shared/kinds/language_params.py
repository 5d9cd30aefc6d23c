"""The fields that kinds of a language model share: conversations, and how the next token is picked."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.kinds.params import MAX_PROMPT, ui


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["system", "user", "assistant"]
    content: Annotated[str, Field(min_length=1, max_length=MAX_PROMPT)]


Instructions = Annotated[
    str | None,
    Field(
        title="Instructions",
        description="How the model should behave: its role, tone and language.",
        max_length=MAX_PROMPT,
        json_schema_extra=ui("textarea"),
    ),
]

MaxNewTokens = Annotated[
    int,
    Field(
        title="Longest answer",
        description="The answer ends here at the latest. A token is about three quarters of a word.",
        ge=1,
        le=8192,
        json_schema_extra=ui("slider", unit="tokens", step=1),
    ),
]

Temperature = Annotated[
    float,
    Field(
        title="Temperature",
        description="0 always takes the likeliest word; higher is more varied.",
        ge=0,
        le=2,
        json_schema_extra=ui("slider", step=0.05),
    ),
]

TopK = Annotated[
    int,
    Field(
        title="Top k",
        description="Choose among this many likeliest tokens only; 0 is no limit.",
        ge=0,
        le=1000,
        json_schema_extra=ui("number", advanced=True),
    ),
]

TopP = Annotated[
    float,
    Field(
        title="Top p",
        description="Choose among the likeliest tokens that together reach this probability; 1 is no limit.",
        gt=0,
        le=1,
        json_schema_extra=ui("slider", advanced=True, step=0.01),
    ),
]

RepetitionPenalty = Annotated[
    float,
    Field(
        title="Repetition penalty",
        description="Above 1, words already used become less likely.",
        ge=0.5,
        le=2,
        json_schema_extra=ui("slider", advanced=True, step=0.01),
    ),
]

StopStrings = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]],
    Field(
        title="Stop at",
        description="The answer ends before the first of these texts, one a line.",
        max_length=8,
        json_schema_extra=ui("lines", advanced=True),
    ),
]
