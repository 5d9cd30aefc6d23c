"""What every kind that trains is asked: how long, in which portions, how fast, and when to stop.

A kind overrides a default by naming the field again: `learning_rate: LearningRate = 2e-5`.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from shared.kinds.params import DatasetFormat, DatasetRef, Params, Seed, ui

ModelName = Annotated[
    str,
    Field(
        title="Name",
        description="What the new model is called in the library. A name that is there gets a new version.",
        pattern=r"^[a-z0-9][a-z0-9._-]*$",
        max_length=64,
        json_schema_extra=ui("text", placeholder="my-model"),
    ),
]

Epochs = Annotated[
    float,
    Field(
        title="Epochs",
        description="How many times to go through the training data.",
        gt=0,
        le=1000,
        json_schema_extra=ui("number", step=0.5),
    ),
]

MaxSteps = Annotated[
    int | None,
    Field(
        title="Steps",
        description="Steps of training, instead of epochs.",
        ge=1,
        le=10_000_000,
        json_schema_extra=ui("number", advanced=True, placeholder="By epochs"),
    ),
]

BatchSize = Annotated[
    int,
    Field(
        title="Batch size",
        description="Examples that one step learns from.",
        ge=1,
        le=4096,
        json_schema_extra=ui("number", advanced=True),
    ),
]

AtOnce = Annotated[
    int | None,
    Field(
        title="Examples at once",
        description="Fewer take less memory and change nothing else: the rest of the batch follows before the step.",
        ge=1,
        le=4096,
        json_schema_extra=ui("number", advanced=True, placeholder="The whole batch"),
    ),
]

LearningRate = Annotated[
    float,
    Field(
        title="Learning rate",
        description="How far a step goes at most. Too high and the loss jumps, too low and it hardly falls.",
        gt=0,
        le=1,
        json_schema_extra=ui("number", advanced=True),
    ),
]

RateSchedule = Annotated[
    Literal["constant", "linear", "cosine"],
    Field(
        title="Learning rate schedule",
        description="How the rate falls after the warm-up.",
        json_schema_extra=ui(
            "segment", advanced=True, titles={"constant": "Constant", "linear": "In a line", "cosine": "Cosine"}
        ),
    ),
]

WarmUp = Annotated[
    float,
    Field(
        title="Warm-up",
        description="The share of the run in which the learning rate rises.",
        ge=0,
        le=0.9,
        json_schema_extra=ui("slider", advanced=True, step=0.01),
    ),
]

WeightDecay = Annotated[
    float,
    Field(
        title="Weight decay",
        description="How strongly weights are drawn to nothing, which keeps a model from learning by heart.",
        ge=0,
        le=1,
        json_schema_extra=ui("number", advanced=True, step=0.01),
    ),
]

Clip = Annotated[
    float | None,
    Field(
        title="Gradient clipping",
        description="The longest step that is taken, as the norm of the gradients. Empty takes any.",
        gt=0,
        le=1000,
        json_schema_extra=ui("number", advanced=True, placeholder="None"),
    ),
]

Evaluations = Annotated[
    int,
    Field(
        title="Evaluations",
        description="How often the model is judged on held-out data during the run.",
        ge=1,
        le=1000,
        json_schema_extra=ui("number", advanced=True),
    ),
]

Patience = Annotated[
    int | None,
    Field(
        title="Patience",
        description="Stop early after this many evaluations without a better one. Empty never stops early.",
        ge=1,
        le=1000,
        json_schema_extra=ui("number", advanced=True, placeholder="Never"),
    ),
]

KeepBestModel = Annotated[
    bool,
    Field(
        title="Keep the best",
        description="The result is the model of the best evaluation, not of the last step.",
        json_schema_extra=ui("switch", advanced=True),
    ),
]

TimeBudget = Annotated[
    float | None,
    Field(
        title="Time budget",
        description="Stop after this many seconds of training; the learning rate falls in time for it.",
        ge=5,
        le=7 * 86_400,
        json_schema_extra=ui("number", unit="s", placeholder="None"),
    ),
]

CheckpointEvery = Annotated[
    float,
    Field(
        title="Checkpoint every",
        description="Seconds between checkpoints, from which a run goes on after a crash; more where writing is slow.",
        ge=1,
        le=3600,
        json_schema_extra=ui("number", advanced=True, unit="s"),
    ),
]

Promote = Annotated[
    Literal["if_better", "always", "never"],
    Field(
        title="Promote",
        description="Whether the name stands for the new version at once: if it judges better than the one before.",
        json_schema_extra=ui(
            "segment", advanced=True, titles={"if_better": "If it is better", "always": "Always", "never": "Never"}
        ),
    ),
]


def RegressionRef(*formats: DatasetFormat) -> Any:  # noqa: N802 - as DatasetRef
    """A field that names what a new model must not forget: `Annotated[str | None, RegressionRef("labelled")]`."""
    return DatasetRef(
        *formats,
        title="Regression set",
        description="Rows of another dataset that the new model must do no worse on, or it is not promoted.",
        advanced=True,
    )


METHODS = {
    "lora": "LoRA", "dora": "DoRA", "rslora": "rsLoRA", "qlora": "QLoRA", "adalora": "AdaLoRA", "ia3": "IA³",
    "prompt_tuning": "Prompt tuning", "textual_inversion": "A new word", "top_layers": "Top layers",
    "full": "All weights", "head": "The head alone",
}  # fmt: skip
"""What people call the ways to teach a model."""

HeadMethod = Annotated[
    Literal["lora", "full", "top_layers", "head"],
    Field(
        title="What is trained",
        description="A LoRA beside every layer, the whole base, its top layers, or the new head alone.",
        json_schema_extra=ui("segment", titles=METHODS),
    ),
]

Rank = Annotated[
    int,
    Field(
        title="Rank",
        description="How much a LoRA can learn. More takes more memory.",
        ge=1,
        le=512,
        json_schema_extra=ui("number", advanced=True),
    ),
]

Alpha = Annotated[
    int,
    Field(
        title="Alpha",
        description="How strongly a LoRA counts: alpha divided by the rank.",
        ge=1,
        le=1024,
        json_schema_extra=ui("number", advanced=True),
    ),
]

TopLayers = Annotated[
    int,
    Field(
        title="Top layers",
        description="How many layers are trained, from the top, where only those are.",
        ge=1,
        le=200,
        json_schema_extra=ui("number", advanced=True),
    ),
]

MaxLength = Annotated[
    int,
    Field(
        title="Longest text",
        description="Tokens of one example; the rest is cut off.",
        ge=8,
        le=131_072,
        json_schema_extra=ui("number", advanced=True, unit="tokens"),
    ),
]


class Training(Params):
    """The params of a kind that trains. A kind's own fields come first in every form, these after them."""

    output = "model"
    stall_s: ClassVar[float] = 1800
    trains: ClassVar[bool] = True
    action: ClassVar[str] = "Train"
    gives: ClassVar[Literal["works", "model", "dataset"]] = "model"
    time_limit_s: ClassVar[float] = 7 * 86_400.0
    #: The figure of the evaluation that decides which model is better, and whether less of it is.
    judged_by: ClassVar[str] = "validation_loss"
    less_is_better: ClassVar[bool] = True

    name: ModelName
    epochs: Epochs = 3
    time_budget_s: TimeBudget = None
    steps: MaxSteps = None
    batch_size: BatchSize = 8
    at_once: AtOnce = None
    learning_rate: LearningRate = 2e-4
    schedule: RateSchedule = "cosine"
    warm_up: WarmUp = 0.1
    weight_decay: WeightDecay = 0.0
    clip: Clip = 1.0
    evaluations: Evaluations = 10
    patience: Patience = None
    keep_best: KeepBestModel = True
    checkpoint_s: CheckpointEvery = 30
    promote: Promote = "if_better"
    seed: Seed = None

    def headline(self) -> str:
        """The name of what comes of it; lists show the kind beside it."""
        return self.name

    def smaller(self) -> dict[str, int]:
        """Fewer examples at once."""
        now = self.at_once or self.batch_size
        return {"at_once": now // 2} if now > 1 else {}


TRAINING = tuple(Training.__annotations__)
