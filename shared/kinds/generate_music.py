"""Params of `generate_music`."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from shared.kinds.diffusion_params import Guidance, NegativePrompt, Steps
from shared.kinds.params import Creation, ModelRef, Output, Preset, Prompt, Seed, ui

#: Seconds: where a piece is made shorter by itself, it is never made shorter than this.
_LEAST = 4.0


class GenerateMusic(Creation):
    """Makes music of a description."""

    title: ClassVar[str] = "Music"
    summary: ClassVar[str] = "Makes music or sounds of what you describe, and gives a WAV file."
    icon: ClassVar[str] = "music"
    output: ClassVar[Output] = "audio"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"prompt": "a slow chorale in D minor", "duration": 6, "seed": 1},
        {"prompt": "a fast piece in G major for harp", "duration": 12, "seed": 2},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Chorale in minor", {"prompt": "a slow chorale in D minor for organ", "duration": 24}),
        Preset("Bright and fast", {"prompt": "a fast piece in G major for harp", "duration": 16}),
        Preset("Calm strings", {"prompt": "a calm piece in F major for strings", "duration": 20}),
        Preset("Piano, one minute", {"prompt": "a moderate piece in C major for piano", "duration": 60}),
    ]

    model: Annotated[str, ModelRef("text-to-audio")] = "chorale"
    prompt: Prompt
    negative_prompt: Annotated[
        NegativePrompt, Field(description="What should not be heard, for models that take it.")
    ] = None
    duration: Annotated[
        float,
        Field(
            title="Length",
            description="How long the music is. Most models were made for half a minute at most.",
            ge=0.5,
            le=180,
            json_schema_extra=ui("slider", unit="s", step=0.5),
        ),
    ] = 20.0
    guidance: Guidance = None
    steps: Annotated[
        Steps, Field(description="For diffusion models: more steps take longer. Empty takes the model's own.", le=500)
    ] = None
    seed: Seed = None

    def smaller(self) -> dict[str, Any]:
        """Half as long."""
        return {"duration": max(_LEAST, self.duration / 2)} if self.duration > _LEAST else {}
