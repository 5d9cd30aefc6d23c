"""Params of `train_causal_lm`."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.kinds.params import DatasetRef, ModelRef, Preset, Seed, ui
from shared.kinds.training_params import BatchSize, Epochs, Evaluations, LearningRate, Training

Method = Literal["lora", "dora", "rslora", "qlora", "adalora", "ia3", "prompt_tuning", "top_layers", "full"]
_ADAPTERS = {"lora", "dora", "rslora", "qlora", "adalora", "ia3", "prompt_tuning"}


class TrainCausalLm(Training):
    """Fine-tunes a language model on texts, prompts with completions, or conversations; or trains one from nothing."""

    title: ClassVar[str] = "Train a language model"
    summary: ClassVar[str] = "Teaches a language model from your texts or conversations, or trains one from nothing."
    icon: ClassVar[str] = "graduation-cap"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"dataset": "my-chats", "name": "my-assistant", "steps": 2, "rank": 4, "evaluations": 1},
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
            json_schema_extra=ui("select"),
        ),
    ] = "lora"
    rank: Annotated[
        int,
        Field(
            title="Rank",
            description="How much a LoRA adapter can learn; more takes more memory.",
            ge=1,
            le=512,
            json_schema_extra=ui("number", advanced=True),
        ),
    ] = 16
    alpha: Annotated[
        int,
        Field(
            title="Alpha",
            description="How strongly a LoRA adapter counts; as a rule twice the rank.",
            ge=1,
            le=1024,
            json_schema_extra=ui("number", advanced=True),
        ),
    ] = 32
    dropout: Annotated[
        float,
        Field(
            title="Dropout",
            description="The share of signals that is left out at random while it learns, against learning by heart.",
            ge=0,
            le=0.9,
            json_schema_extra=ui("slider", advanced=True, step=0.01),
        ),
    ] = 0.0
    top_layers: Annotated[
        int,
        Field(
            title="Top layers",
            description="How many of the last layers learn; for that method alone.",
            ge=1,
            le=200,
            json_schema_extra=ui("stepper", advanced=True),
        ),
    ] = 2
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
    export: Annotated[
        Literal["adapter", "merged"],
        Field(
            title="Result",
            description="An adapter is small and needs its base; merged, both become one model of full size.",
            json_schema_extra=ui("segment", advanced=True),
        ),
    ] = "adapter"
    answers_only: Annotated[
        bool,
        Field(
            title="Learn answers only",
            description="Learn what the assistant says, and read the rest without learning it.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = True
    max_length: Annotated[
        int,
        Field(
            title="Longest example",
            description="Tokens of one example; what is longer is cut off, or of plain texts becomes several.",
            ge=8,
            le=131_072,
            json_schema_extra=ui("number", unit="tokens"),
        ),
    ] = 512
    join_texts: Annotated[
        bool,
        Field(
            title="Join texts",
            description="Read the rows of plain texts as one long text, in pieces of the longest example.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = False
    packing: Annotated[
        bool,
        Field(
            title="Packing",
            description="Put short examples side by side, none seeing another; faster where there are very many.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = False
    save_memory: Annotated[
        bool,
        Field(
            title="Save memory",
            description="Compute the activations twice instead of keeping them; slower by about a fifth.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = False
    architecture: Annotated[
        Literal["gpt2", "llama"],
        Field(
            title="Architecture",
            description="The form of a model from nothing.",
            json_schema_extra=ui("segment", advanced=True),
        ),
    ] = "gpt2"
    layers: Annotated[
        int,
        Field(
            title="Layers",
            description="The depth of a model from nothing.",
            ge=1,
            le=48,
            json_schema_extra=ui("stepper", advanced=True),
        ),
    ] = 4
    heads: Annotated[
        int,
        Field(
            title="Heads",
            description="The attention heads of a model from nothing.",
            ge=1,
            le=64,
            json_schema_extra=ui("stepper", advanced=True),
        ),
    ] = 4
    width: Annotated[
        int,
        Field(
            title="Width",
            description="Numbers per token in a model from nothing.",
            ge=8,
            le=4096,
            json_schema_extra=ui("number", advanced=True),
        ),
    ] = 128
    tokens: Annotated[
        Literal["characters", "bpe"],
        Field(
            title="Tokens",
            description="What a model from nothing reads: single characters, or pieces of words found in the data.",
            json_schema_extra=ui("segment", advanced=True),
        ),
    ] = "bpe"
    vocabulary: Annotated[
        int,
        Field(
            title="Vocabulary",
            description="How many pieces of words a model from nothing knows at most.",
            ge=300,
            le=100_000,
            json_schema_extra=ui("number", advanced=True),
        ),
    ] = 4096
    seed: Seed = None

    epochs: Epochs = 3
    batch_size: BatchSize = 8
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
