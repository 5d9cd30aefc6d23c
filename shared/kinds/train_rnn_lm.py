"""Params of `train_rnn_lm`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from shared.kinds.adapter_params import Dropout, Layers, LongestExample, OwnTokens, Vocabulary, Width
from shared.kinds.params import DatasetRef, Preset, ui
from shared.kinds.training_params import BatchSize, Epochs, Evaluations, LearningRate, Training, WarmUp


class TrainRnnLm(Training):
    """Trains a recurrent text generator from nothing: an LSTM or a GRU that reads letter by letter."""

    title: ClassVar[str] = "Train a small text generator"
    summary: ClassVar[str] = "Trains an LSTM or GRU from nothing on your texts; small, quick, and fun to watch."
    icon: ClassVar[str] = "repeat-2"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"dataset": "my-texts", "name": "my-scribbler", "steps": 3, "width": 32, "layers": 1, "evaluations": 1},
        {"dataset": "my-texts", "name": "my-scribbler", "time_budget_s": 60},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Letter by letter", {"dataset": "my-texts", "name": "my-scribbler", "time_budget_s": 120}),
        Preset(
            "With a vocabulary of its own",
            {"dataset": "my-texts", "name": "my-scribbler", "tokens": "bpe", "vocabulary": 2000, "epochs": 10},
        ),
        Preset(
            "A GRU with a long memory",
            {"dataset": "my-texts", "name": "my-scribbler", "cell": "gru", "width": 384, "max_length": 256},
        ),
    ]

    dataset: Annotated[str, DatasetRef("text", "prompt", "chat")]
    cell: Annotated[
        Literal["lstm", "gru"],
        Field(
            title="Cell",
            description="How it remembers: an LSTM keeps more apart, a GRU is a little quicker.",
            json_schema_extra=ui("segment", titles={"lstm": "LSTM", "gru": "GRU"}),
        ),
    ] = "lstm"
    tokens: OwnTokens = "characters"
    vocabulary: Vocabulary = 2000
    layers: Layers = 2
    width: Width = 256
    dropout: Dropout = 0.1
    max_length: LongestExample = 128
    join_texts: Annotated[
        bool,
        Field(
            title="Join texts",
            description="Read the rows as one long text, in pieces of the longest example.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = True

    epochs: Epochs = 20
    batch_size: BatchSize = 16
    learning_rate: LearningRate = 3e-3
    warm_up: WarmUp = 0.05
    evaluations: Evaluations = 10
