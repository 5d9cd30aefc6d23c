"""Params of `train_causal_lm`."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.kinds.adapter_params import (
    Dropout,
    Export,
    Heads,
    JoinTexts,
    Layers,
    LongestExample,
    OwnTokens,
    SaveMemory,
    Vocabulary,
    Width,
)
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

Method = Literal["lora", "dora", "rslora", "qlora", "adalora", "ia3", "prompt_tuning", "top_layers", "full"]
_ADAPTERS = {"lora", "dora", "rslora", "qlora", "adalora", "ia3", "prompt_tuning"}


class TrainCausalLm(Training):
    """Fine-tunes a language model on texts, prompts with completions, or conversations; or trains one from nothing."""

    title: ClassVar[str] = "Train a language model"
    summary: ClassVar[str] = "Teaches a language model from your texts or conversations, or trains one from nothing."
    icon: ClassVar[str] = "graduation-cap"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"dataset": "my-chats", "name": "my-assistant", "steps": 2, "batch_size": 2, "evaluations": 1},
        {"dataset": "my-chats", "name": "my-assistant", "time_budget_s": 90},
        {
            "dataset": "my-texts", "base": None, "name": "my-writer", "method": "full", "tokens": "characters",
            "join_texts": True, "max_length": 64, "steps": 500, "batch_size": 12, "learning_rate": 1e-3,
        },
    ]  # fmt: skip
    presets: ClassVar[list[Preset]] = [
        Preset("Teach it from conversations", {"dataset": "my-chats", "name": "my-assistant", "time_budget_s": 600}),
        Preset(
            "Teach it everything (all weights)",
            {"dataset": "my-chats", "name": "my-assistant", "method": "full", "learning_rate": 2e-5},
        ),
        Preset(
            "Go on reading my texts",
            {
                "dataset": "my-texts", "name": "my-reader", "join_texts": True, "max_length": 256, "batch_size": 4,
                "epochs": 2, "learning_rate": 2e-4,
            },
        ),
        Preset(
            "From nothing, letter by letter",
            {
                "dataset": "my-texts", "base": None, "name": "my-writer", "method": "full", "tokens": "characters",
                "layers": 4, "heads": 4, "width": 128, "join_texts": True, "max_length": 64, "steps": 2000,
                "batch_size": 12, "learning_rate": 1e-3, "warm_up": 0.05,
            },
        ),
        Preset(
            "From nothing, with its own vocabulary",
            {
                "dataset": "my-texts", "base": None, "name": "my-writer", "method": "full", "architecture": "llama",
                "tokens": "bpe", "vocabulary": 2048, "join_texts": True, "max_length": 128, "steps": 2000,
                "learning_rate": 1e-3, "warm_up": 0.05,
            },
        ),
    ]  # fmt: skip

    dataset: Annotated[str, DatasetRef("chat", "prompt", "text")]
    base: Annotated[
        str | None,
        ModelRef("text-generation", title="Base", description="The model to teach. Empty trains one from nothing."),
    ] = "smollm2-135m"
    method: Annotated[
        Method,
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
    virtual_tokens: Annotated[
        int,
        Field(
            title="Virtual tokens",
            description="How many tokens prompt tuning puts before every text.",
            ge=1,
            le=512,
            json_schema_extra=ui("number", advanced=True),
        ),
    ] = 16
    virtual_text: Annotated[
        str,
        Field(
            title="Words to begin with",
            description="What the virtual tokens of prompt tuning begin as: words for the task.",
            min_length=1,
            max_length=500,
            json_schema_extra=ui("text", advanced=True),
        ),
    ] = "Answer the question of the user well."
    export: Export = "adapter"
    answers_only: Annotated[
        bool,
        Field(
            title="Learn answers only",
            description="Learn what the assistant says, and read the rest without learning it.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = True
    max_length: LongestExample = 512
    regression: Annotated[str | None, RegressionRef("chat", "prompt", "text")] = None
    join_texts: JoinTexts = False
    packing: Annotated[
        bool,
        Field(
            title="Packing",
            description="Put short examples side by side, none seeing another; faster where there are very many.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = False
    save_memory: SaveMemory = False
    architecture: Annotated[
        Literal["gpt2", "llama"],
        Field(
            title="Architecture",
            description="The form of a model from nothing.",
            json_schema_extra=ui("segment", advanced=True, titles={"gpt2": "GPT-2", "llama": "Llama"}),
        ),
    ] = "gpt2"
    layers: Layers = 4
    heads: Heads = 4
    width: Width = 128
    tokens: OwnTokens = "bpe"
    vocabulary: Vocabulary = 4096

    epochs: Epochs = 3
    batch_size: BatchSize = 4
    learning_rate: LearningRate = 5e-4
    evaluations: Evaluations = 5

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.base is None and self.method != "full":
            raise ValueError("A model from nothing learns with all of its weights: choose the method “full”.")
        if self.method == "adalora" and self.rank < 2:
            raise ValueError("AdaLoRA halves the rank, so it needs a rank of 2 or more.")
        return self

    @property
    def is_adapter(self) -> bool:
        """Whether the result needs its base."""
        return self.method in _ADAPTERS and self.export == "adapter"
