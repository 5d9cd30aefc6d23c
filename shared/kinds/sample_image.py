"""Params of `sample_image`."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from shared.kinds.diffusion_params import Scheduler, Steps
from shared.kinds.params import MAX_SEED, Creation, ModelRef, Output, Preset, Seed, ui


class SampleImage(Creation):
    """Makes pictures of noise, with a GAN, a VAE or a diffusion model that takes no words."""

    title: ClassVar[str] = "Samples"
    summary: ClassVar[str] = "Makes pictures of noise, with a GAN, a VAE or a diffusion model that takes no words."
    icon: ClassVar[str] = "shapes"
    output: ClassVar[Output] = "image"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"model": "digit-vae", "label": "seven", "images": 2, "seed": 7},
        {"model": "digit-gan", "label": "3", "interpolate_to": 5, "frames": 6, "seed": 1},
        {"model": "digit-ddpm", "label": "two", "images": 2, "steps": 10, "seed": 3},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Eight digits", {"images": 8}),
        Preset("One digit, eight hands", {"label": "four", "images": 8}),
        Preset("By a VAE", {"model": "digit-vae", "images": 8}),
        Preset("From one to another", {"label": "nine", "seed": 1, "interpolate_to": 2, "frames": 12}),
        Preset("A moving one", {"model": "digit-vae", "seed": 1, "interpolate_to": 2, "frames": 24, "as_clip": True}),
    ]

    model: Annotated[str, ModelRef("unconditional-image-generation")] = "digit-ddpm"
    label: Annotated[
        str | None,
        Field(
            title="Class",
            description="Where the model knows classes, the name or number of one. Empty draws one a picture.",
            min_length=1,
            max_length=200,
            json_schema_extra=ui("text"),
        ),
    ] = None
    images: Annotated[
        int,
        Field(
            title="Images",
            description="Picture number i uses the seed plus i.",
            ge=1,
            le=64,
            json_schema_extra=ui("stepper"),
        ),
    ] = 4
    truncation: Annotated[
        float,
        Field(
            title="Truncation",
            description="Below 1, a GAN or VAE stays nearer to what is usual: fewer failures, less variety.",
            gt=0,
            le=2,
            json_schema_extra=ui("slider", step=0.05, advanced=True),
        ),
    ] = 1.0
    interpolate_to: Annotated[
        int | None,
        Field(
            title="Interpolate to",
            description="A second seed: one strip of pictures on the way from the seed to it, instead of single ones.",
            ge=0,
            le=MAX_SEED,
            json_schema_extra=ui("seed", advanced=True),
        ),
    ] = None
    frames: Annotated[
        int,
        Field(
            title="Frames",
            description="How many pictures the way from one seed to the other has.",
            ge=2,
            le=64,
            json_schema_extra=ui("stepper", advanced=True),
        ),
    ] = 8
    as_clip: Annotated[
        bool,
        Field(
            title="As a clip",
            description="Show the way from one seed to the other as a moving picture too, there and back.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = False
    steps: Annotated[
        Steps, Field(description="For diffusion models: more steps take longer. Empty takes the model's own.", le=1000)
    ] = None
    scheduler: Annotated[Scheduler, Field(description="For diffusion models: the method that removes the noise.")] = (
        "default"
    )
    seed: Seed = None

    def headline(self) -> str:
        """The class, or what the kind is called."""
        return self.label or self.title

    def smaller(self) -> dict[str, Any]:
        """Half as many pictures, half as many frames."""
        found: dict[str, Any] = {}
        if self.images > 1:
            found["images"] = self.images // 2
        if self.frames > 2:
            found["frames"] = max(2, self.frames // 2)
        return found
