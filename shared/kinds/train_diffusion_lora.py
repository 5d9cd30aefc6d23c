"""Params of `train_diffusion_lora`."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.kinds.params import DatasetRef, ModelRef, Preset, ui
from shared.kinds.picture_training_params import Fitting, Mirror
from shared.kinds.training_params import METHODS, BatchSize, Epochs, LearningRate, RateSchedule, Training

_PICTURES = {"name": "my-style", "dataset": "pictures"}


class TrainDiffusionLora(Training):
    """Teaches an image model a style or a subject."""

    title: ClassVar[str] = "Teach an image model"
    summary: ClassVar[str] = "Teaches an image model a style or a subject from pictures of it, by an adapter (LoRA)."
    icon: ClassVar[str] = "images"
    examples: ClassVar[list[dict[str, Any]]] = [
        _PICTURES | {"steps": 2, "batch_size": 2, "rank": 4, "compared": 0, "evaluations": 1, "seed": 1},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("A style, from captioned pictures", _PICTURES | {"epochs": 20}),
        Preset("One subject, its kind kept", _PICTURES | {
            "prompt": "a photo of sks dog", "class_prompt": "a photo of a dog", "steps": 500, "rank": 32}),
        Preset("Strong, for many pictures", _PICTURES | {"rank": 64, "alpha": 64, "epochs": 10}),
        Preset("A new word", _PICTURES | {
            "method": "textual_inversion", "word": "<my-thing>", "begins_as": "toy",
            "learning_rate": 5e-3, "steps": 1000}),
        Preset("In three minutes on a CPU", _PICTURES | {"rank": 8, "learning_rate": 1e-3, "time_budget_s": 180}),
    ]  # fmt: skip

    model: Annotated[str, ModelRef("text-to-image")] = "emoji"
    dataset: Annotated[
        str, DatasetRef("captioned", "classed", description="Pictures with captions, or in class folders.")
    ]
    method: Annotated[
        Literal["lora", "textual_inversion"],
        Field(
            title="Method",
            description="LoRA changes how the model paints; textual inversion teaches it one new word alone.",
            json_schema_extra=ui("segment", titles=METHODS),
        ),
    ] = "lora"
    prompt: Annotated[
        str | None,
        Field(
            title="Prompt",
            description="What every picture is called; {} stands for its caption or class. Empty takes these alone.",
            min_length=1,
            max_length=500,
            json_schema_extra=ui("text", placeholder="a photo of sks {}"),
        ),
    ] = None
    class_prompt: Annotated[
        str | None,
        Field(
            title="Class to keep",
            description="A prompt for others of the subject's kind, so that they stay as they are (DreamBooth).",
            min_length=1,
            max_length=500,
            json_schema_extra=ui("text", placeholder="a photo of a dog"),
        ),
    ] = None
    class_images: Annotated[
        int,
        Field(
            title="Class images",
            description="Pictures of that class that the model makes first, to learn them again.",
            ge=1,
            le=1000,
            json_schema_extra=ui("number", advanced=True),
        ),
    ] = 50
    prior_weight: Annotated[
        float,
        Field(
            title="Class weight",
            description="How much the pictures of the class count beside yours.",
            ge=0,
            le=10,
            json_schema_extra=ui("number", advanced=True, step=0.1),
        ),
    ] = 1.0
    word: Annotated[
        str,
        Field(
            title="New word",
            description="For textual inversion: what the pictures show, to be used in prompts afterwards.",
            pattern=r"^[^\s{}]+$",
            max_length=60,
            json_schema_extra=ui("text", advanced=True),
        ),
    ] = "<thing>"
    begins_as: Annotated[
        str,
        Field(
            title="Begins as",
            description="For textual inversion: a word that the model knows, near to the new one.",
            min_length=1,
            max_length=60,
            json_schema_extra=ui("text", advanced=True),
        ),
    ] = "object"
    vectors: Annotated[
        int,
        Field(
            title="Vectors",
            description="For textual inversion: the tokens that the new word counts as; more hold more.",
            ge=1,
            le=16,
            json_schema_extra=ui("number", advanced=True),
        ),
    ] = 1
    rank: Annotated[
        int,
        Field(
            title="Rank",
            description="The size of the adapter: more learn more, and forget more.",
            ge=1,
            le=256,
            json_schema_extra=ui("number"),
        ),
    ] = 16
    alpha: Annotated[
        int,
        Field(
            title="Alpha",
            description="How strongly the adapter counts, in parts of its rank.",
            ge=1,
            le=512,
            json_schema_extra=ui("number", advanced=True),
        ),
    ] = 16
    size: Annotated[
        int | None,
        Field(
            title="Size",
            description="The side of the pictures in pixels. Empty takes the model's own.",
            ge=16,
            le=2048,
            multiple_of=8,
            json_schema_extra=ui("number", advanced=True, placeholder="The model's"),
        ),
    ] = None
    mirror: Mirror = False
    fitting: Fitting = "crop"
    sample_prompts: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=500)]],
        Field(
            title="Sample prompts",
            description="Painted again and again while it learns, by the same seeds. Empty takes some captions.",
            max_length=8,
            json_schema_extra=ui("lines", advanced=True),
        ),
    ] = []  # noqa: RUF012 - pydantic copies defaults
    compared: Annotated[
        int,
        Field(
            title="Compared pictures",
            description="Pictures painted before and after, whose distance to the dataset's is told.",
            ge=0,
            le=500,
            json_schema_extra=ui("number", advanced=True),
        ),
    ] = 24
    min_snr: Annotated[
        float | None,
        Field(
            title="Min-SNR gamma",
            description="Bounds how much the times with little noise count; 5 is usual. Empty counts all alike.",
            gt=0,
            le=100,
            json_schema_extra=ui("number", advanced=True, placeholder="Off"),
        ),
    ] = 5.0
    noise_offset: Annotated[
        float,
        Field(
            title="Noise offset",
            description="For darker and brighter pictures; 0.0357 is usual for SDXL, 0 for others.",
            ge=0,
            le=1,
            json_schema_extra=ui("number", advanced=True, step=0.01),
        ),
    ] = 0.0
    caption_dropout: Annotated[
        float,
        Field(
            title="Caption dropout",
            description="The share of pictures that are learned without their words.",
            ge=0,
            le=1,
            json_schema_extra=ui("slider", advanced=True, step=0.05),
        ),
    ] = 0.05
    cache: Annotated[
        bool,
        Field(
            title="Keep what was encoded",
            description="Encode each picture and caption once. Off takes less memory and more time.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = True
    checkpointing: Annotated[
        bool,
        Field(
            title="Gradient checkpointing",
            description="Takes less memory and a fifth more time.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = False
    epochs: Epochs = 20
    batch_size: BatchSize = 4
    learning_rate: LearningRate = 1e-4
    schedule: RateSchedule = "constant"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.method == "textual_inversion":
            if self.class_prompt is not None:
                raise ValueError("A new word changes no class: leave “Class to keep” empty.")
            if self.prompt is not None and self.word not in self.prompt:
                raise ValueError(f"The prompt must have the new word “{self.word}” in it.")
        return self

    def called(self) -> str | None:
        """What every picture is called: a new word stands in each caption."""
        return self.prompt or (f"a picture of {self.word}" if self.method == "textual_inversion" else None)
