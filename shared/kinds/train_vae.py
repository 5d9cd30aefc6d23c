"""Params of `train_vae`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from shared.kinds.params import Preset, ui
from shared.kinds.picture_training_params import PictureTraining
from shared.kinds.training_params import BatchSize, Clip, Epochs, LearningRate


class TrainVae(PictureTraining):
    """Trains a variational autoencoder on pictures."""

    title: ClassVar[str] = "Train a VAE"
    summary: ClassVar[str] = "Trains a variational autoencoder on your pictures, from nothing, to make more like them."
    icon: ClassVar[str] = "shapes"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"name": "my-vae", "dataset": "pictures", "steps": 3, "size": 8, "width": 4, "latent": 4, "seed": 1},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("In a minute", {"name": "my-vae", "dataset": "pictures", "size": 16, "width": 16, "time_budget_s": 60}),
        Preset("Usual", {"name": "my-vae", "dataset": "pictures", "epochs": 30}),
        Preset(
            "Large and in colour",
            {"name": "my-vae", "dataset": "pictures", "size": 64, "width": 64, "latent": 128, "epochs": 100},
        ),
        Preset("Without classes", {"name": "my-vae", "dataset": "pictures", "conditional": False, "epochs": 30}),
        Preset(
            "Sharp reconstructions", {"name": "my-vae", "dataset": "pictures", "likelihood": "gaussian", "epochs": 50}
        ),
    ]

    latent: Annotated[
        int,
        Field(
            title="Latent size",
            description="The numbers that a picture is made of: more keep more of it.",
            ge=1,
            le=2048,
            json_schema_extra=ui("number"),
        ),
    ] = 32
    width: Annotated[
        int,
        Field(
            title="Width",
            description="Feature maps of the largest layer: more learn better, and slower.",
            ge=2,
            le=512,
            json_schema_extra=ui("number"),
        ),
    ] = 24
    beta: Annotated[
        float,
        Field(
            title="Beta",
            description="How much the latents must look like noise: more gives better samples and blurrier pictures.",
            ge=0,
            le=1000,
            json_schema_extra=ui("number", advanced=True, step=0.1),
        ),
    ] = 1.0
    likelihood: Annotated[
        Literal["bernoulli", "gaussian"],
        Field(
            title="Likelihood",
            description="What a pixel is: a chance of white, for good samples, or a shade, for good reconstructions.",
            json_schema_extra=ui(
                "segment", advanced=True, titles={"bernoulli": "A chance of white", "gaussian": "A shade"}
            ),
        ),
    ] = "bernoulli"
    epochs: Epochs = 30
    batch_size: BatchSize = 64
    learning_rate: LearningRate = 2e-3
    clip: Clip = 100
