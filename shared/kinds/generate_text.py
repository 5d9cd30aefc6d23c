"""Params of `generate_text`."""

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
from shared.kinds.params import MAX_PROMPT, Creation, KeepBest, ModelRef, Output, Preset, Seed, ui


class GenerateText(Creation):
    """Writes text with a language model, from a prompt or from a conversation."""

    title: ClassVar[str] = "Text"
    summary: ClassVar[str] = "Answers a prompt or continues a conversation with a language model."
    icon: ClassVar[str] = "message-square-text"
    output: ClassVar[Output] = "text"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"prompt": "What is the capital of France?", "max_new_tokens": 12, "temperature": 0},
        {"prompt": "Write a short poem about the sea.", "max_new_tokens": 120, "temperature": 0.7, "seed": 7},
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
        Preset(
            "Short story",
            {
                "prompt": "Write a short story about a lighthouse keeper who finds a message in a bottle.",
                "max_new_tokens": 300,
                "temperature": 0.8,
            },
        ),
        Preset(
            "News item",
            {
                "prompt": "Write a news item of two paragraphs. What happened: a new bridge was opened. "
                "Where: Riverton. When: Saturday. Who: the mayor and 300 guests.",
                "system": "You are a reporter. Write plainly, the most important thing first, with a headline.",
                "max_new_tokens": 220,
                "temperature": 0.5,
            },
        ),
        Preset(
            "Product copy",
            {
                "prompt": "Write a product description of three sentences. Product: a steel water bottle. "
                "Good for: hiking and school. Special: it keeps drinks cold for a day.",
                "system": "You write friendly texts for an online shop.",
                "max_new_tokens": 140,
                "num_sequences": 3,
            },
        ),
        Preset(
            "Report",
            {
                "prompt": "Write a short report with the headings Summary, Findings and Next steps. "
                "Subject: visitors of the town library. "
                "Facts: 1,200 visitors in May, 900 in April, most of them on Saturdays.",
                "system": "You write short reports for an office. Use only the facts that you are given.",
                "max_new_tokens": 260,
                "temperature": 0.3,
            },
        ),
        Preset(
            "Lesson plan",
            {
                "prompt": "Write a plan for a lesson of 45 minutes. Subject: the water cycle. Class: ten-year-olds. "
                "Give the aim, three steps with their minutes, and one question for homework.",
                "system": "You are a teacher. Use short sentences and a numbered list.",
                "max_new_tokens": 300,
                "temperature": 0.4,
            },
        ),
        Preset(
            "Contract clause",
            {
                "prompt": "Write one clause of a contract. Subject: notice. Parties: the Landlord and the Tenant. "
                "Terms: either may end the contract in writing, three months before the end of a month.",
                "system": "You draft contracts in plain language. Write the clause alone.",
                "max_new_tokens": 160,
                "temperature": 0.2,
            },
        ),
    ]

    model: Annotated[str, ModelRef("text-generation")] = "smollm2-135m"
    prompt: Annotated[
        str | None,
        Field(
            title="Prompt",
            description="A question or an instruction. Leave it empty to send a conversation instead.",
            min_length=1,
            max_length=MAX_PROMPT,
            json_schema_extra=ui("textarea"),
        ),
    ] = None
    messages: Annotated[
        list[Message] | None,
        Field(
            title="Conversation",
            description="Turns of a conversation, oldest first, instead of one prompt.",
            min_length=1,
            max_length=200,
            json_schema_extra=ui("messages", advanced=True),
        ),
    ] = None
    system: Annotated[Instructions, Field(json_schema_extra=ui("textarea", advanced=True))] = None
    max_new_tokens: MaxNewTokens = 256
    temperature: Temperature = 0.7
    top_k: TopK = 50
    top_p: TopP = 0.95
    repetition_penalty: RepetitionPenalty = 1.1
    num_sequences: Annotated[
        int,
        Field(
            title="Answers",
            description="How many different answers to write.",
            ge=1,
            le=16,
            json_schema_extra=ui("stepper"),
        ),
    ] = 1
    keep_best: KeepBest = None
    stop: StopStrings = []  # noqa: RUF012 - pydantic copies defaults
    raw: Annotated[
        bool,
        Field(
            title="Continue as is",
            description="Continue the prompt as plain text, without the model's chat form.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = False
    seed: Seed = None

    def batch_key(self) -> str | None:
        """Texts of one model share its passes, whatever else each asks for; several of one job share their own."""
        return "texts" if self.num_sequences == 1 else None

    def smaller(self) -> dict[str, Any]:
        """One answer, half as long."""
        found: dict[str, Any] = {}
        if self.num_sequences > 1:
            found["num_sequences"] = 1
        if self.max_new_tokens > 1:
            found["max_new_tokens"] = self.max_new_tokens // 2
        return found

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("Give either a prompt or a conversation, not both and not neither.")
        if self.prompt is not None and not self.prompt.strip():
            raise ValueError("The prompt is blank. Write something.")
        if self.raw and (self.messages or self.system):
            raise ValueError("A conversation or instructions need the model's chat form; turn off “Continue as is”.")
        if self.system and self.messages and self.messages[0].role == "system":
            raise ValueError("Give the instructions once: as the first message or in their own field.")
        return self

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.num_sequences > 1 and self.temperature == 0:
            raise ValueError("At temperature 0 all answers are the same; ask for one, or raise the temperature.")
        if self.num_sequences * self.max_new_tokens > 32_768:
            raise ValueError("Answers times longest answer may not exceed 32,768 tokens. Lower one of them.")
        return self

    def headline(self) -> str:
        """The prompt, or the last thing said."""
        return self.prompt or (self.messages[-1].content if self.messages else self.title)
