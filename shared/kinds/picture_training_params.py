"""What the kinds that learn to make pictures are asked besides: how to read the pictures of a dataset."""

from typing import Annotated, Literal

from pydantic import Field

from shared.kinds.params import DatasetRef, ui
from shared.kinds.training_params import Training

PictureSet = Annotated[
    str,
    DatasetRef("classed", "captioned", description="A dataset of pictures, in class folders or with captions."),
]

PictureSize = Annotated[
    Literal[8, 16, 32, 64, 128, 256] | None,
    Field(
        title="Size",
        description="The side of the pictures in pixels. Empty takes what suits the dataset, 64 at most.",
        json_schema_extra=ui("select", placeholder="Fits the pictures"),
    ),
]

Colours = Annotated[
    Literal["auto", "grey", "colour"],
    Field(
        title="Colours",
        description="Whether the model makes grey or coloured pictures. By itself it looks at the dataset.",
        json_schema_extra=ui(
            "segment", advanced=True, titles={"auto": "Automatic", "grey": "Grey", "colour": "Colour"}
        ),
    ),
]

Fitting = Annotated[
    Literal["crop", "pad"],
    Field(
        title="Shape",
        description="Pictures that are not square are cut at two sides, or filled up.",
        json_schema_extra=ui("segment", advanced=True, titles={"crop": "Cut", "pad": "Filled up"}),
    ),
]

Mirror = Annotated[
    bool,
    Field(
        title="Mirror",
        description="Also learn from the pictures turned from left to right. Not for letters and digits.",
        json_schema_extra=ui("switch", advanced=True),
    ),
]

Conditional = Annotated[
    bool,
    Field(
        title="Learn the classes",
        description="Where the dataset has classes, the model can be asked for one.",
        json_schema_extra=ui("switch"),
    ),
]


class PictureTraining(Training):
    """A kind that learns to make pictures of noise."""

    dataset: PictureSet
    size: PictureSize = None
    conditional: Conditional = True
    mirror: Mirror = False
    colours: Colours = "auto"
    fitting: Fitting = "crop"
