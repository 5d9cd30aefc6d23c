"""Params of `train_masked_lm`."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from shared.kinds.adapter_params import Dropout, Heads, Layers, LongestExample, Vocabulary, Width
from shared.kinds.params import DatasetRef, ModelRef, Preset, ui
from shared.kinds.training_params import (
    BatchSize,
    Epochs,
    Evaluations,
    LearningRate,
    RegressionRef,
    Training,
    WeightDecay,
)


class TrainMaskedLm(Training):
    """Lets a BERT-like model read your texts: it learns to fill in words that are hidden, without labels."""

    title: ClassVar[str] = "Train a reading model"
    summary: ClassVar[str] = "A model reads your texts and learns to fill in hidden words; a better base for labels."
    icon: ClassVar[str] = "book-open-text"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"dataset": "my-texts", "name": "my-reader", "steps": 2, "max_length": 32, "evaluations": 1},
        {"dataset": "my-texts", "base": None, "name": "my-reader", "learning_rate": 1e-3, "epochs": 20},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Get to know my texts", {"dataset": "my-texts", "name": "my-reader", "epochs": 3}),
        Preset("In two minutes", {"dataset": "my-texts", "name": "my-reader", "time_budget_s": 120}),
        Preset(
            "From nothing, very small",
            {
                "dataset": "my-texts", "base": None, "name": "my-reader", "layers": 2, "width": 128, "vocabulary": 2000,
                "learning_rate": 1e-3, "epochs": 20,
            },
        ),
    ]  # fmt: skip

    dataset: Annotated[str, DatasetRef("text", "labelled")]
    base: Annotated[
        str | None,
        ModelRef("feature-extraction", title="Base", description="The model that reads. Empty makes one from nothing."),
    ] = "minilm"
    share: Annotated[
        float,
        Field(
            title="Hidden words",
            description="The share of the words that it has to guess.",
            ge=0.01,
            le=0.6,
            json_schema_extra=ui("slider", advanced=True, step=0.01),
        ),
    ] = 0.15
    max_length: LongestExample = 128
    regression: Annotated[str | None, RegressionRef("text", "labelled")] = None
    dropout: Dropout = 0.1
    layers: Layers = 2
    heads: Heads = 2
    width: Width = 128
    vocabulary: Vocabulary = 2000

    epochs: Epochs = 3
    batch_size: BatchSize = 16
    learning_rate: LearningRate = 2e-4
    weight_decay: WeightDecay = 0.01
    evaluations: Evaluations = 5

    @model_validator(mode="after")
    def _shared(self) -> Self:
        if self.base is None and self.width % self.heads:
            raise ValueError("The width must be a multiple of the heads.")
        return self
