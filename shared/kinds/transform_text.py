"""Params of `transform_text`."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.kinds.language_params import MaxNewTokens, RepetitionPenalty, Temperature, TopK, TopP
from shared.kinds.params import Creation, InputRef, ModelRef, Output, Preset, Seed, ui

MAX_TEXT = 100_000
"""Characters: a small book's chapter, or about thirty pages."""

_NEWS = (
    "The town council of Riverton met on Monday evening to discuss the old bridge. Engineers had found rust in two of "
    "its pillars, and lorries have had to take another way since March. After three hours the council decided to "
    "repair the bridge instead of building a new one. The work will cost four million euros and begin in May."
)


class TransformText(Creation):
    """Summarises, translates or rewrites a text."""

    title: ClassVar[str] = "Summary, translation, rewriting"
    summary: ClassVar[str] = "Makes a summary, a translation or another wording of a text."
    icon: ClassVar[str] = "file-pen-line"
    output: ClassVar[Output] = "text"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"task": "summarise", "text": _NEWS, "max_new_tokens": 24, "temperature": 0},
        {"task": "rewrite", "text": "hey, gimme the report asap", "style": "polite", "max_new_tokens": 40},
        {"task": "translate", "text": "Good morning!", "language": "French", "max_new_tokens": 20, "temperature": 0},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Short summary", {"task": "summarise", "text": _NEWS, "length": "short", "max_new_tokens": 80}),
        Preset("Key points", {"task": "summarise", "text": _NEWS, "style": "a list of key points"}),
        Preset(
            "More polite",
            {"task": "rewrite", "text": "Send me the figures today. I have waited long enough.", "style": "polite"},
        ),
        Preset("Into French", {"task": "translate", "text": "Good morning! How are you?", "language": "French"}),
    ]

    task: Annotated[
        Literal["summarise", "translate", "rewrite"],
        Field(title="Task", description="What to make of the text.", json_schema_extra=ui("segment")),
    ] = "summarise"
    text: Annotated[
        str | None,
        Field(
            title="Text",
            description="The text to work on; a long one is done in pieces, sentence by sentence.",
            min_length=1,
            max_length=MAX_TEXT,
            json_schema_extra=ui("textarea"),
        ),
    ] = None
    file: Annotated[
        str | None,
        InputRef("text", title="File", description="A text file, uploaded or made by a job, instead of the text."),
    ] = None
    language: Annotated[
        str,
        Field(
            title="Language",
            description="The language to translate into, by its English name.",
            min_length=1,
            max_length=60,
            json_schema_extra=ui("text"),
        ),
    ] = "English"
    style: Annotated[
        str | None,
        Field(
            title="Style",
            description="How the result should read, such as polite, formal, or for children.",
            max_length=200,
            json_schema_extra=ui("text", placeholder="As it is"),
        ),
    ] = None
    length: Annotated[
        Literal["short", "medium", "long"],
        Field(title="Length", description="How long a summary should be.", json_schema_extra=ui("segment")),
    ] = "medium"
    model: Annotated[str, ModelRef("text-generation")] = "smollm2-135m"
    specialist: Annotated[
        str | None,
        ModelRef("text2text-generation", title="Specialist model, such as T5, BART or Marian", advanced=True),
    ] = None
    prefix: Annotated[
        str | None,
        Field(
            title="Prefix",
            description="What a specialist model must read before the text; empty takes what is usual for it.",
            max_length=200,
            json_schema_extra=ui("text", advanced=True),
        ),
    ] = None
    max_new_tokens: MaxNewTokens = 256
    temperature: Temperature = 0.2
    top_k: TopK = 50
    top_p: TopP = 0.95
    # Not above 1, as elsewhere: a penalty keeps a small model from repeating the very facts.
    repetition_penalty: RepetitionPenalty = 1.0
    seed: Seed = None

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if (self.text is None) == (self.file is None):
            raise ValueError("Give either a text or a file, not both and not neither.")
        if self.text is not None and not self.text.strip():
            raise ValueError("The text is blank. Write something.")
        return self

    def affinity(self) -> str | None:
        """The model that does the work."""
        return self.specialist or self.model

    def smaller(self) -> dict[str, Any]:
        """Answers half as long."""
        return {"max_new_tokens": self.max_new_tokens // 2} if self.max_new_tokens > 1 else {}

    def headline(self) -> str:
        """The task and the text."""
        return f"{self.task.capitalize()}: {self.text}" if self.text else self.task.capitalize()
