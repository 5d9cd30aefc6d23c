"""Params of `train_classifier`."""

from typing import Annotated, Any, ClassVar

from shared.kinds.params import DatasetRef, ModelRef, Preset
from shared.kinds.training_params import (
    Alpha,
    BatchSize,
    HeadMethod,
    LearningRate,
    MaxLength,
    Rank,
    RegressionRef,
    TopLayers,
    Training,
    WeightDecay,
)


class TrainClassifier(Training):
    """Teaches a model to give texts your labels."""

    title: ClassVar[str] = "Train labels for texts"
    summary: ClassVar[str] = "Teaches a model to give texts your labels, from rows of texts and labels."
    icon: ClassVar[str] = "tags"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"name": "moods", "dataset": "labels", "epochs": 2},
        {"name": "moods", "dataset": "labels", "method": "head", "learning_rate": 0.001, "epochs": 1},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("A few hundred rows", {"name": "my-labels", "dataset": "labels", "epochs": 5, "batch_size": 16}),
        Preset("Thousands of rows", {"name": "my-labels", "dataset": "labels", "epochs": 3, "batch_size": 32}),
        Preset("In a minute", {"name": "my-labels", "dataset": "labels", "time_budget_s": 60}),
        Preset(
            "The whole model",
            {"name": "my-labels", "dataset": "labels", "method": "full", "learning_rate": 5e-5, "epochs": 4},
        ),
    ]
    judged_by: ClassVar[str] = "macro_f1"
    less_is_better: ClassVar[bool] = False

    dataset: Annotated[str, DatasetRef("labelled")]
    base: Annotated[str, ModelRef("feature-extraction", title="Base")] = "minilm"
    method: HeadMethod = "lora"
    rank: Rank = 16
    alpha: Alpha = 32
    top_layers: TopLayers = 2
    max_length: MaxLength = 128
    regression: Annotated[str | None, RegressionRef("labelled")] = None
    batch_size: BatchSize = 16
    learning_rate: LearningRate = 1e-3
    weight_decay: WeightDecay = 0.01

    def affinity(self) -> str | None:
        """None: a base is loaded anew for every training."""
        return None
