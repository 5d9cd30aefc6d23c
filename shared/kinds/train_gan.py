"""Params of `train_gan`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from shared.kinds.params import Preset, ui
from shared.kinds.picture_training_params import PictureTraining
from shared.kinds.training_params import AtOnce, BatchSize, Clip, Epochs, RateSchedule, WarmUp

_PICTURES = {"name": "my-gan", "dataset": "pictures"}


class TrainGan(PictureTraining):
    """Trains a GAN on pictures."""

    title: ClassVar[str] = "Train a GAN"
    summary: ClassVar[str] = "Trains two networks against each other, from nothing, to make more pictures like yours."
    icon: ClassVar[str] = "shapes"
    examples: ClassVar[list[dict[str, Any]]] = [
        _PICTURES | {"steps": 3, "size": 8, "width": 4, "latent": 4, "batch_size": 8, "seed": 1},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("In two minutes", _PICTURES | {"size": 16, "width": 16, "time_budget_s": 120}),
        Preset("Usual", _PICTURES | {"epochs": 100}),
        Preset(
            "As in the DCGAN paper",
            _PICTURES | {"objective": "bce", "size": 64, "width": 64, "latent": 100, "learning_rate": 2e-4},
        ),
        Preset("Wasserstein, with gradient penalty", _PICTURES | {"objective": "wgan_gp", "width": 64, "epochs": 200}),
        Preset("Without classes", _PICTURES | {"conditional": False, "epochs": 100}),
    ]
    judged_by: ClassVar[str] = "picture_distance"

    objective: Annotated[
        Literal["hinge", "bce", "wgan_gp"],
        Field(
            title="Loss",
            description="Hinge learns fast from few pictures; BCE is DCGAN's; WGAN-GP is slower and collapses less.",
            json_schema_extra=ui("segment", titles={"hinge": "Hinge", "bce": "BCE", "wgan_gp": "WGAN-GP"}),
        ),
    ] = "hinge"
    latent: Annotated[
        int,
        Field(
            title="Latent size",
            description="The numbers of noise that a picture is made of.",
            ge=1,
            le=2048,
            json_schema_extra=ui("number"),
        ),
    ] = 64
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
    average: Annotated[
        float,
        Field(
            title="Averaging",
            description="How slowly the result follows the generator; 0 takes the generator as it is.",
            ge=0,
            lt=1,
            json_schema_extra=ui("number", advanced=True, step=0.001),
        ),
    ] = 0.995
    epochs: Epochs = 100
    batch_size: BatchSize = 64
    at_once: Annotated[
        AtOnce, Field(description="Not for GANs: their batch norms look at the whole batch. Choose a smaller batch.")
    ] = None
    learning_rate: Annotated[
        float | None,
        Field(
            title="Learning rate",
            description="Of both networks. Empty takes what goes with the loss.",
            gt=0,
            le=1,
            json_schema_extra=ui("number", advanced=True, placeholder="Of the loss"),
        ),
    ] = None  # type: ignore[assignment]  # None is the loss's own
    schedule: RateSchedule = "linear"
    warm_up: WarmUp = 0.0
    clip: Clip = None

    def smaller(self) -> dict[str, int]:
        """Half the batch."""
        return {"batch_size": self.batch_size // 2} if self.batch_size > 1 else {}
