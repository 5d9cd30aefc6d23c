"""Params of `generate_speech`."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from shared.kinds.params import MAX_PROMPT, Creation, ModelRef, NotBlank, Output, Preset, Seed, ui


class GenerateSpeech(Creation):
    """Reads a text aloud."""

    title: ClassVar[str] = "Speech"
    summary: ClassVar[str] = "Reads a text aloud and gives a WAV file."
    icon: ClassVar[str] = "audio-lines"
    output: ClassVar[Output] = "audio"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"text": "Hello! This is a test.", "seed": 1},
        {"text": "The workshop is open. Every job waits its turn, and none is lost.", "speed": 1.1, "seed": 3},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Announcement", {"text": "Welcome to the tour. Please keep to the left, and mind the step."}),
        Preset("Slow and clear", {"text": "Please speak after the tone, and leave your number.", "speed": 0.8}),
        Preset(
            "Quick news", {"text": "Good morning. Here is the weather: sun in the north, rain later on.", "speed": 1.15}
        ),
        Preset("Numbers and dates", {"text": "The train leaves on 3 May 2026 at 14:35. A ticket costs $12.50."}),
    ]

    model: Annotated[str, ModelRef("text-to-speech")] = "hibari"
    text: Annotated[
        str,
        NotBlank,
        Field(
            title="Text",
            description="What to say. Numbers, dates and prices are read out.",
            min_length=1,
            max_length=MAX_PROMPT,
            json_schema_extra=ui("textarea"),
        ),
    ]
    voice: Annotated[
        str | None,
        Field(
            title="Voice",
            description="A voice of the model. Empty takes the model's own.",
            min_length=1,
            max_length=100,
            pattern=r"^[A-Za-z0-9_-]+$",
            json_schema_extra=ui("text", advanced=True, placeholder="The model's own"),
        ),
    ] = None
    speed: Annotated[
        float,
        Field(
            title="Speed",
            description="1 is the model's own pace.",
            ge=0.5,
            le=2,
            json_schema_extra=ui("slider", unit="×", step=0.05),
        ),
    ] = 1.0
    seed: Seed = None

    def headline(self) -> str:
        """The text to say."""
        return self.text
