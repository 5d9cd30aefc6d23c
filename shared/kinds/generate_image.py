"""Params of `generate_image`."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.kinds.diffusion_params import Enlarge, Guidance, Height, NegativePrompt, Previews, Scheduler, Steps, Width
from shared.kinds.params import Creation, InputRef, KeepBest, ModelRef, Output, Preset, Prompt, Seed, ui

#: What a job may ask for, whatever the device: per picture, per enlarged picture, and in all before enlarging.
MAX_PIXELS, MAX_ENLARGED, MAX_JOB_PIXELS = 2048 * 2048, 4096 * 4096, 8 * 2048 * 2048

#: How far a picture is made smaller by itself, and where that begins if its size was the model's own.
LEAST_SIDE, USUAL_SIDE = 64, 512
_SIDE = Field(description="In pixels, a multiple of 8. Empty takes the model's own size.")


class AdapterChoice(BaseModel):
    """An adapter, and how strongly it counts: 0 is not at all, below 0 away from what it has learnt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, Field(title="Adapter", description="A model of the library.", min_length=1, max_length=200)]
    weight: Annotated[float, Field(title="Weight", description="1 is as it was trained.", ge=-4, le=4)] = 1.0


class GenerateImage(Creation):
    """Paints pictures of a prompt, or changes pictures after it, with a diffusion model."""

    title: ClassVar[str] = "Image"
    summary: ClassVar[str] = "Paints pictures of what you describe, or changes yours, with a diffusion model."
    icon: ClassVar[str] = "image"
    output: ClassVar[Output] = "image"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"model": "digits", "prompt": "a photo of seven", "steps": 8, "seed": 7, "upscale": 1},
        {"prompt": "red apple", "seed": 1, "images": 2},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("One picture", {"prompt": "a red car"}),
        Preset("Four to choose from", {"prompt": "monster", "images": 4}),
        Preset("Another colour", {"prompt": "a blue apple", "images": 2}),
        Preset("Not enlarged", {"prompt": "pizza", "upscale": 1}),
        Preset("Quick draft", {"prompt": "a green tree", "steps": 8}),
        Preset("Handwritten digit", {"model": "digits", "prompt": "a photo of seven", "images": 4}),
    ]

    model: Annotated[str, ModelRef("text-to-image")] = "emoji"
    prompt: Prompt
    negative_prompt: Annotated[NegativePrompt, Field(description="What should not be in the picture.")] = None
    image: Annotated[
        str | None,
        InputRef("image", title="Start from", description="A picture to change, instead of an empty canvas."),
    ] = None
    strength: Annotated[
        float,
        Field(
            title="Strength",
            description="How far to go from the picture you start from; 1 leaves nothing of it.",
            gt=0,
            le=1,
            json_schema_extra=ui("slider", step=0.05),
        ),
    ] = 0.6
    mask: Annotated[
        str | None,
        InputRef(
            "image",
            title="Mask",
            description="A picture that is white where to paint anew, and black where nothing may change.",
            advanced=True,
        ),
    ] = None
    width: Annotated[Width, _SIDE] = None
    height: Annotated[Height, _SIDE] = None
    images: Annotated[
        int,
        Field(
            title="Images",
            description="Picture number i uses the seed plus i.",
            ge=1,
            le=16,
            json_schema_extra=ui("stepper"),
        ),
    ] = 1
    steps: Annotated[
        Steps, Field(description="More steps take longer; 20 to 40 is usual. Empty takes the model's own.", le=200)
    ] = None
    guidance: Guidance = None
    scheduler: Annotated[
        Scheduler, Field(description="The method that removes the noise; the model's own is a good choice.")
    ] = "default"
    adapters: Annotated[
        list[AdapterChoice],
        Field(
            title="Adapters",
            description="LoRA adapters of this model, each with a weight: a style, a person, a thing it has learnt.",
            max_length=8,
            json_schema_extra=ui("adapters", task="image-adapter", advanced=True),
        ),
    ] = Field(default_factory=list)
    controlnet: Annotated[str | None, ModelRef("controlnet", title="ControlNet", advanced=True)] = None
    control_image: Annotated[
        str | None,
        InputRef(
            "image",
            title="Control picture",
            description="What the ControlNet follows: edges, depth, a pose, as it was trained for.",
            advanced=True,
        ),
    ] = None
    control_scale: Annotated[
        float,
        Field(
            title="Control strength",
            description="How strictly to follow the control picture.",
            ge=0,
            le=2,
            json_schema_extra=ui("slider", step=0.05, advanced=True),
        ),
    ] = 1.0
    reference_model: Annotated[str | None, ModelRef("image-adapter", title="Reference adapter", advanced=True)] = None
    reference: Annotated[
        str | None,
        InputRef(
            "image",
            title="Reference picture",
            description="A picture whose look to take up, through an IP-Adapter.",
            advanced=True,
        ),
    ] = None
    reference_scale: Annotated[
        float,
        Field(
            title="Reference strength",
            description="How much of the reference picture to take up.",
            ge=0,
            le=2,
            json_schema_extra=ui("slider", step=0.05, advanced=True),
        ),
    ] = 0.6
    upscale: Annotated[
        Enlarge, Field(description="Enlarge the finished picture by this much, sharply. Empty takes the model's own.")
    ] = None
    keep_best: KeepBest = None
    upscaler: Annotated[str | None, ModelRef("upscale", title="Enlarge with", advanced=True)] = None
    previews: Annotated[Previews, Field(description="Show the picture while it forms.")] = True
    seed: Seed = None

    def batch_key(self) -> str | None:
        """Pictures from words alone share passes where all but words and seeds is alike."""
        if self.image or self.control_image or self.reference or self.adapters:
            return None
        alike = (self.width, self.height, self.steps, self.guidance, self.scheduler, bool(self.negative_prompt))
        return " ".join(map(str, alike))

    def smaller(self) -> dict[str, Any]:
        """Half the sides, one picture, not enlarged; a usual size where even the model's own was too large."""
        found: dict[str, Any] = {}
        for name, side in (("width", self.width), ("height", self.height)):
            if side is not None and side > LEAST_SIDE:
                found[name] = max(LEAST_SIDE, side // 16 * 8)
        if self.images > 1:
            found["images"] = 1
        if self.upscale != 1:
            found["upscale"] = 1
        # A picture that is given is brought to the model's own size already.
        sized = (self.width and self.height) or self.image or self.control_image
        return found or ({} if sized else {"width": USUAL_SIDE, "height": USUAL_SIDE})

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.mask and not self.image:
            raise ValueError("A mask needs the picture that it covers: give “Start from” too.")
        if bool(self.controlnet) != bool(self.control_image):
            raise ValueError("A ControlNet and its control picture go together: give both or neither.")
        if bool(self.reference_model) != bool(self.reference):
            raise ValueError("A reference picture and its adapter go together: give both or neither.")
        chosen = [adapter.model for adapter in self.adapters]
        if len(set(chosen)) < len(chosen):
            raise ValueError("An adapter can be chosen once. Raise its weight instead.")
        return self

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        pixels = (self.width or 512) * (self.height or 512)
        if pixels > MAX_PIXELS:
            raise ValueError("The picture may have 4.2 million pixels at most (2048 × 2048). Make it smaller.")
        if pixels * self.images > MAX_JOB_PIXELS:
            raise ValueError("All pictures together may have 34 million pixels. Ask for fewer, or smaller ones.")
        if pixels * (self.upscale or 1) ** 2 > MAX_ENLARGED:
            raise ValueError("The enlarged picture may have 17 million pixels. Enlarge less, or start smaller.")
        return self
