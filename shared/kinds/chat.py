"""Params of `chat`."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from shared.kinds.language_params import (
    Instructions,
    MaxNewTokens,
    Message,
    RepetitionPenalty,
    StopStrings,
    Temperature,
    TopK,
    TopP,
)
from shared.kinds.params import Creation, InputRef, ModelRef, Output, Preset, Seed, ui
from shared.kinds.reading_params import Column


def _asked(question: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}]}


class Chat(Creation):
    """Answers the last turn of a conversation, from a text of your own where one is given."""

    title: ClassVar[str] = "Conversation"
    summary: ClassVar[str] = "Answers in a conversation; with a text of yours, from that text or not at all."
    icon: ClassVar[str] = "messages-square"
    output: ClassVar[Output] = "text"
    examples: ClassVar[list[dict[str, Any]]] = [
        {**_asked("What is the capital of France?"), "max_new_tokens": 12, "temperature": 0},
        {
            "messages": [
                {"role": "user", "content": "Name one fruit."},
                {"role": "assistant", "content": "Apple."},
                {"role": "user", "content": "Another one?"},
            ],
            "max_new_tokens": 24,
        },
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Small talk", {**_asked("Hello! How are you today?"), "max_new_tokens": 80}),
        Preset(
            "A patient teacher",
            {
                **_asked("Why do leaves fall in autumn?"),
                "system": "You are a patient teacher. Explain in short and simple sentences.",
                "max_new_tokens": 160,
            },
        ),
        Preset(
            "Customer service",
            {
                **_asked("My parcel has not come. What should I do?"),
                "system": "You work for a shop's customer service. Be polite, and answer in two sentences.",
                "max_new_tokens": 100,
            },
        ),
    ]

    model: Annotated[str, ModelRef("text-generation")] = "smollm2-135m"
    messages: Annotated[
        list[Message],
        Field(
            title="Conversation",
            description="Turns of the conversation, oldest first; the last is the one to answer.",
            min_length=1,
            max_length=200,
            json_schema_extra=ui("messages"),
        ),
    ]
    system: Instructions = None
    knowledge: Annotated[
        str | None,
        InputRef(
            "table",
            "text",
            title="Knowledge",
            description="A text or a table to answer from: the model reads the passages nearest to the question.",
        ),
    ] = None
    column: Column = "text"
    confidence: Annotated[
        float,
        Field(
            title="Confidence",
            description="With knowledge: if no passage is as near to the question as this, a person should answer.",
            ge=0,
            le=1,
            json_schema_extra=ui("slider", step=0.05, advanced=True),
        ),
    ] = 0.35
    handover: Annotated[
        str,
        Field(
            title="Words of the hand-over",
            description="What is answered when a person should take over.",
            min_length=1,
            max_length=1000,
            json_schema_extra=ui("text", advanced=True),
        ),
    ] = "I am not sure; a person should answer this."
    reader: Annotated[str, ModelRef("feature-extraction", title="Model for the search", advanced=True)] = "minilm"
    max_new_tokens: MaxNewTokens = 256
    temperature: Temperature = 0.3
    top_k: TopK = 50
    top_p: TopP = 0.95
    #: 1: a penalty would keep the model from repeating the words of the knowledge.
    repetition_penalty: RepetitionPenalty = 1.0
    stop: StopStrings = []  # noqa: RUF012 - pydantic copies defaults
    seed: Seed = None

    def batch_key(self) -> str:
        """Texts of one model share its passes, whatever else each of them asks for."""
        return "texts"

    def smaller(self) -> dict[str, Any]:
        """An answer half as long."""
        return {"max_new_tokens": self.max_new_tokens // 2} if self.max_new_tokens > 1 else {}

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        if self.messages[-1].role != "user":
            raise ValueError("The last turn must be the user's: it is the one to answer.")
        if self.system and self.messages[0].role == "system":
            raise ValueError("Give the instructions once: as the first message or in their own field.")
        if not self.messages[-1].content.strip():
            raise ValueError("The last turn is blank. Write something.")
        return self

    def headline(self) -> str:
        """The last thing said."""
        return self.messages[-1].content
