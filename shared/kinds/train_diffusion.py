"""Params of `train_diffusion`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from shared.kinds.params import ModelRef, Preset, ui
from shared.kinds.picture_training_params import PictureTraining
from shared.kinds.training_params import BatchSize, Epochs, LearningRate, WarmUp

_PICTURES = {"name": "my-diffusion", "dataset": "pictures"}


class TrainDiffusion(PictureTraining):
    """Trains a diffusion model on pictures."""

    title: ClassVar[str] = "Train a diffusion model"
    summary: ClassVar[str] = "Trains a small diffusion model on your pictures, from nothing, to make more like them."
    icon: ClassVar[str] = "shapes"
    examples: ClassVar[list[dict[str, Any]]] = [
        _PICTURES | {"steps": 3, "size": 8, "width": 8, "batch_size": 8, "scored": 0, "seed": 1},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("In three minutes", _PICTURES | {"size": 16, "width": 16, "batch_size": 32, "time_budget_s": 180}),
        Preset("Usual", _PICTURES | {"epochs": 100}),
        Preset("Large", _PICTURES | {"size": 64, "width": 128, "learning_rate": 1e-4, "mirror": True, "epochs": 300}),
        Preset("As in the DDPM paper", _PICTURES | {"prediction": "epsilon", "betas": "linear", "learning_rate": 2e-4}),
        Preset("From captions", _PICTURES | {"base": "emoji", "learning_rate": 1e-3, "epochs": 100}),
        Preset("Without classes", _PICTURES | {"conditional": False, "epochs": 100}),
    ]

    base: Annotated[
        str | None,
        ModelRef(
            "text-to-image",
            title="Told by captions, with the parts of",
            description="Lends its text encoder and autoencoder to a new UNet of its form, which paints from prompts. "
            "Empty learns classes, or the pictures alone.",
        ),
    ] = None
    width: Annotated[
        int,
        Field(
            title="Width",
            description="Feature maps of the largest layer: more learn better, and slower.",
            ge=8,
            le=512,
            multiple_of=8,
            json_schema_extra=ui("number", step=8),
        ),
    ] = 32
    prediction: Annotated[
        Literal["v_prediction", "epsilon"],
        Field(
            title="Prediction",
            description="What the network says of a noisy picture: its velocity, or its noise (epsilon).",
            json_schema_extra=ui("segment", advanced=True, titles={"v_prediction": "Velocity", "epsilon": "Noise"}),
        ),
    ] = "v_prediction"
    betas: Annotated[
        Literal["cosine", "linear"],
        Field(
            title="Noise schedule",
            description="How the noise grows over time; cosine suits small pictures.",
            json_schema_extra=ui("segment", advanced=True, titles={"cosine": "Cosine", "linear": "In a line"}),
        ),
    ] = "cosine"
    min_snr: Annotated[
        float | None,
        Field(
            title="Min-SNR gamma",
            description="Bounds how much the times with little noise count; 5 is usual. Empty counts all alike.",
            gt=0,
            le=100,
            json_schema_extra=ui("number", advanced=True, placeholder="Off"),
        ),
    ] = None
    class_dropout: Annotated[
        float,
        Field(
            title="Class dropout",
            description="The share of pictures whose class is kept back: guidance needs some.",
            ge=0,
            lt=1,
            json_schema_extra=ui("slider", advanced=True, step=0.05),
        ),
    ] = 0.1
    guidance: Annotated[
        float,
        Field(
            title="Guidance",
            description="How strictly samples keep to their class; 1 is none, and twice as fast.",
            ge=1,
            le=20,
            json_schema_extra=ui("slider", advanced=True, step=0.5),
        ),
    ] = 1.5
    average: Annotated[
        float,
        Field(
            title="Averaging",
            description="How slowly the result follows the network; 0 takes the network as it is.",
            ge=0,
            lt=1,
            json_schema_extra=ui("number", advanced=True, step=0.0001),
        ),
    ] = 0.999
    scored: Annotated[
        int,
        Field(
            title="Scored pictures",
            description="Pictures that the finished model makes to be scored; fewer take less time.",
            ge=0,
            le=10_000,
            json_schema_extra=ui("number", advanced=True),
        ),
    ] = 200
    epochs: Epochs = 100
    batch_size: BatchSize = 64
    learning_rate: LearningRate = 1e-3
    warm_up: WarmUp = 0.05
