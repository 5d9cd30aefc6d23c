"""Params of `generate_video`."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from shared.kinds.diffusion_params import Enlarge, Guidance, Height, NegativePrompt, Previews, Steps, Width
from shared.kinds.params import MAX_PROMPT, Creation, InputRef, ModelRef, NotBlank, Output, Preset, Prompt, Seed, ui

#: What a job may ask for, whatever the device: per frame, per enlarged frame, and in all frames before enlarging.
MAX_PIXELS, MAX_ENLARGED, MAX_JOB_PIXELS = 2048 * 2048, 4096 * 4096, 256 * 2**20

#: How far a film is made smaller by itself, and where that begins if its form was the model's own.
LEAST_SIDE, LEAST_FRAMES, USUAL_SIDE, USUAL_FRAMES = 64, 9, 256, 17
_SIDE = Field(description="In pixels, a multiple of 8. Empty takes the model's own size, or the picture's shape.")


class GenerateVideo(Creation):
    """Makes a film of a prompt, or of a picture that it sets in motion."""

    title: ClassVar[str] = "Video"
    summary: ClassVar[str] = "Makes a short film of what you describe, or sets a picture in motion."
    icon: ClassVar[str] = "video"
    output: ClassVar[Output] = "video"
    #: One step of a large model on a small device takes minutes, and a clip takes many steps.
    stall_s: ClassVar[float] = 900
    time_limit_s: ClassVar[float] = 4 * 3600
    examples: ClassVar[list[dict[str, Any]]] = [
        {"prompt": "red apple", "then": ["blue car"], "frames": 6, "steps": 6, "upscale": 1, "seed": 1},
        {"prompt": "apple", "then": ["smiling face", "sun"], "loop": True, "seed": 1},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("One thing becomes another", {"prompt": "a red apple", "then": ["a blue car"]}),
        Preset("A round of three", {"prompt": "apple", "then": ["smiling face", "sun"], "loop": True, "frames": 48}),
        Preset("Stirring gently, in a loop", {"prompt": "fire", "loop": True}),
        Preset("Change of colours", {"prompt": "a red car", "then": ["a yellow car", "a green car"], "loop": True}),
        Preset("Quick draft", {"prompt": "sun", "then": ["moon"], "steps": 8, "frames": 16, "upscale": 1}),
    ]  # fmt: skip

    model: Annotated[str, ModelRef("text-to-video")] = "latent-walk"
    prompt: Prompt
    then: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=MAX_PROMPT), NotBlank]],
        Field(
            title="And then",
            description="What it turns into, in turn, each on a line of its own. Latent walks can do this.",
            max_length=8,
            json_schema_extra=ui("lines"),
        ),
    ] = []  # noqa: RUF012 - pydantic copies a default
    loop: Annotated[
        bool,
        Field(
            title="In a loop",
            description="Lead back to the beginning, so that it can play for ever. Latent walks can do this.",
            json_schema_extra=ui("switch"),
        ),
    ] = False
    image: Annotated[
        str | None,
        InputRef("image", title="Picture", description="The film begins with it, for models that take a picture."),
    ] = None
    negative_prompt: Annotated[NegativePrompt, Field(description="What should not be in the film.")] = None
    width: Annotated[Width, _SIDE] = None
    height: Annotated[Height, _SIDE] = None
    frames: Annotated[
        int | None,
        Field(
            title="Frames",
            description="Many models make 4 or 8 times a number, plus 1. Empty takes the model's own.",
            ge=1,
            le=1024,
            json_schema_extra=ui("number", step=1, placeholder="The model's own"),
        ),
    ] = None
    fps: Annotated[
        float | None,
        Field(
            title="Frames a second",
            description="How fast the frames follow each other. Empty takes the model's own.",
            ge=1,
            le=60,
            json_schema_extra=ui("number", advanced=True, placeholder="The model's own"),
        ),
    ] = None
    steps: Annotated[
        Steps, Field(description="More steps take longer; 20 to 50 is usual. Empty takes the model's own.", le=200)
    ] = None
    guidance: Guidance = None
    upscale: Annotated[
        Enlarge, Field(description="Enlarge every frame by this much, sharply. Empty takes the model's own.")
    ] = None
    upscaler: Annotated[str | None, ModelRef("upscale", title="Enlarge with", advanced=True)] = None
    previews: Annotated[
        Previews, Field(description="Show the first frame while the film forms, where that is quick.")
    ] = True
    seed: Seed = None

    def smaller(self) -> dict[str, Any]:
        """Half the sides and half the frames, not enlarged; a usual form where even the model's own was too large."""
        found: dict[str, Any] = {}
        for name, side in (("width", self.width), ("height", self.height)):
            if side is not None and side > LEAST_SIDE:
                found[name] = max(LEAST_SIDE, side // 16 * 8)
        if self.frames is None:
            found["frames"] = USUAL_FRAMES
        elif self.frames > LEAST_FRAMES:
            found["frames"] = max(LEAST_FRAMES, self.frames // 2)
        if self.upscale != 1:
            found["upscale"] = 1
        return found or ({} if self.width and self.height else {"width": USUAL_SIDE, "height": USUAL_SIDE})

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        pixels = (self.width or 512) * (self.height or 512)
        if pixels > MAX_PIXELS:
            raise ValueError("A frame may have 4.2 million pixels at most (2048 × 2048). Make it smaller.")
        if pixels * (self.frames or 1) > MAX_JOB_PIXELS:
            raise ValueError("All frames together may have 268 million pixels. Ask for fewer, or smaller ones.")
        if pixels * (self.upscale or 1) ** 2 > MAX_ENLARGED:
            raise ValueError("An enlarged frame may have 17 million pixels. Enlarge less, or start smaller.")
        return self
