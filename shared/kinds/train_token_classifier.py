"""Params of `train_token_classifier`."""

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


class TrainTokenClassifier(Training):
    """Teaches a model to find your sorts of names in texts."""

    title: ClassVar[str] = "Train names in texts"
    summary: ClassVar[str] = "Teaches a model to find names of your sorts in texts, from rows of tagged words."
    icon: ClassVar[str] = "highlighter"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"name": "names", "dataset": "entities", "epochs": 2},
        {"name": "names", "dataset": "entities", "method": "head", "learning_rate": 0.001, "epochs": 1},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("A few hundred rows", {"name": "my-names", "dataset": "entities", "epochs": 5, "batch_size": 16}),
        Preset("Thousands of rows", {"name": "my-names", "dataset": "entities", "epochs": 3, "batch_size": 32}),
        Preset("In a minute", {"name": "my-names", "dataset": "entities", "time_budget_s": 60}),
        Preset(
            "The whole model",
            {"name": "my-names", "dataset": "entities", "method": "full", "learning_rate": 5e-5, "epochs": 4},
        ),
    ]
    judged_by: ClassVar[str] = "f1"
    less_is_better: ClassVar[bool] = False

    dataset: Annotated[str, DatasetRef("entities")]
    base: Annotated[str, ModelRef("feature-extraction", title="Base")] = "minilm"
    method: HeadMethod = "lora"
    rank: Rank = 16
    alpha: Alpha = 32
    top_layers: TopLayers = 2
    max_length: MaxLength = 128
    regression: Annotated[str | None, RegressionRef("entities")] = None
    batch_size: BatchSize = 16
    learning_rate: LearningRate = 1e-3
    weight_decay: WeightDecay = 0.01

    def affinity(self) -> str | None:
        """None: a base is loaded anew for every training."""
        return None
