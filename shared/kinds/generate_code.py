"""Params of `generate_code`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from shared.kinds.language_params import MaxNewTokens, RepetitionPenalty, StopStrings, Temperature, TopK, TopP
from shared.kinds.params import Creation, ModelRef, Output, Preset, Prompt, Seed, ui

Language = Literal[
    "python", "javascript", "typescript", "bash", "sql", "html", "css", "c", "cpp", "java", "go", "rust", "json", "yaml"
]


class GenerateCode(Creation):
    """Writes a program with a language model and returns the code alone."""

    title: ClassVar[str] = "Code"
    summary: ClassVar[str] = "Writes a function or a small program; Python is checked for syntax."
    icon: ClassVar[str] = "code-xml"
    output: ClassVar[Output] = "code"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"prompt": "Write a function that adds two numbers.", "max_new_tokens": 96, "temperature": 0},
        {"prompt": "Write a function is_prime(n) that says whether n is prime.", "max_new_tokens": 200, "seed": 1},
        {"prompt": "A button that shows an alert when it is clicked.", "language": "html", "max_new_tokens": 200},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset(
            "Python function",
            {"prompt": "Write a function that returns the largest of three numbers.", "max_new_tokens": 160},
        ),
        Preset(
            "Python over a list",
            {"prompt": "Write a function that returns the average of a list of numbers.", "max_new_tokens": 160},
        ),
        Preset(
            "JavaScript function",
            {
                "prompt": "Write a function that reverses a string.",
                "language": "javascript",
                "max_new_tokens": 160,
            },
        ),
        Preset(
            "List of links for a web page",
            {"prompt": "A list with three links.", "language": "html", "max_new_tokens": 200, "temperature": 0},
        ),
    ]

    model: Annotated[str, ModelRef("text-generation")] = "smollm2-135m"
    prompt: Prompt
    language: Annotated[
        Language,
        Field(title="Language", description="The language to write in.", json_schema_extra=ui("select")),
    ] = "python"
    max_new_tokens: MaxNewTokens = 400
    temperature: Temperature = 0.2
    top_k: TopK = 50
    top_p: TopP = 0.95
    repetition_penalty: RepetitionPenalty = 1.05
    stop: StopStrings = []  # noqa: RUF012 - pydantic copies defaults
    attempts: Annotated[
        int,
        Field(
            title="Attempts",
            description="How often to try again, with the next seed, while the Python does not parse.",
            ge=1,
            le=10,
            json_schema_extra=ui("stepper", advanced=True),
        ),
    ] = 3
    seed: Seed = None

    def batch_key(self) -> str:
        """Texts of one model share its passes, whatever else each of them asks for."""
        return "texts"

    def smaller(self) -> dict[str, Any]:
        """A program half as long."""
        return {"max_new_tokens": self.max_new_tokens // 2} if self.max_new_tokens > 1 else {}
