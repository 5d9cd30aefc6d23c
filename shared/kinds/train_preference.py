"""Params of `train_preference`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from shared.kinds.adapter_params import Dropout, Export, LongestExample, SaveMemory
from shared.kinds.params import DatasetRef, ModelRef, Preset, ui
from shared.kinds.training_params import (
    METHODS,
    Alpha,
    BatchSize,
    Epochs,
    Evaluations,
    LearningRate,
    Rank,
    RegressionRef,
    TopLayers,
    Training,
)


class TrainPreference(Training):
    """Teaches a language model which of two answers people like better, by direct preference optimisation."""

    title: ClassVar[str] = "Train on preferences"
    summary: ClassVar[str] = "Teaches a language model to prefer the answers that people chose over those they did not."
    icon: ClassVar[str] = "scale"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"dataset": "my-ratings", "name": "my-favourite", "steps": 2, "batch_size": 2, "evaluations": 1},
        {"dataset": "my-ratings", "name": "my-favourite", "time_budget_s": 90},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("What people like", {"dataset": "my-ratings", "name": "my-favourite", "time_budget_s": 600}),
        Preset("Closer to the base", {"dataset": "my-ratings", "name": "my-favourite", "beta": 0.5}),
        Preset(
            "All weights",
            {"dataset": "my-ratings", "name": "my-favourite", "method": "full", "learning_rate": 5e-6},
        ),
    ]

    dataset: Annotated[str, DatasetRef("preference")]
    base: Annotated[
        str, ModelRef("text-generation", title="Base", description="The model to teach.")
    ] = "smollm2-135m"  # fmt: skip
    beta: Annotated[
        float,
        Field(
            title="Beta",
            description="How dear it is to move away from the base: more stays closer to it.",
            gt=0,
            le=10,
            json_schema_extra=ui("number", step=0.05),
        ),
    ] = 0.1
    method: Annotated[
        Literal["lora", "dora", "rslora", "qlora", "adalora", "ia3", "top_layers", "full"],
        Field(
            title="Method",
            description="What learns: a small adapter beside the base, the top layers of it, or all of its weights.",
            json_schema_extra=ui("select", titles=METHODS),
        ),
    ] = "lora"
    rank: Rank = 16
    alpha: Alpha = 32
    dropout: Dropout = 0.0
    top_layers: TopLayers = 2
    export: Export = "adapter"
    max_length: LongestExample = 512
    regression: Annotated[str | None, RegressionRef("preference")] = None
    save_memory: SaveMemory = False

    epochs: Epochs = 3
    batch_size: BatchSize = 4
    learning_rate: LearningRate = 5e-5
    evaluations: Evaluations = 5

    @property
    def is_adapter(self) -> bool:
        """Whether the result needs its base."""
        return self.method not in {"top_layers", "full"} and self.export == "adapter"
