"""Params of `search_hyperparameters`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import from_json

from shared.kinds.params import Params, Pool, Preset, Seed, ui
from shared.kinds.training_params import Promote

MAX_TRIALS = 500


def _read(value: Any) -> Any:
    """A form has an object as text."""
    if not isinstance(value, str):
        return value
    try:
        return from_json(value)
    except ValueError as error:
        raise ValueError(f"This is not JSON: {error}.") from error


class SearchHyperparameters(Params):
    """Tries settings of a training, each as a job of its own, and keeps the best model."""

    title: ClassVar[str] = "Search settings"
    summary: ClassVar[str] = "Trains again and again with other settings, and keeps the best model."
    icon: ClassVar[str] = "search"
    output = "model"
    # It only plans and waits: the trials do the work, where their kind does it.
    pool: ClassVar[Pool] = "cpu"
    trains: ClassVar[bool] = True
    action: ClassVar[str] = "Search"
    gives: ClassVar[Literal["works", "model", "dataset"]] = "model"
    searches: ClassVar[bool] = True
    examples: ClassVar[list[dict[str, Any]]] = [
        {
            "training": "train_rnn_lm",
            "params": {
                "name": "my-scribbler", "dataset": "my-texts", "steps": 3, "width": 32, "layers": 1, "evaluations": 1,
            },
            "space": ["learning_rate: 1e-3 to 1e-2, log"],
            "trials": 2,
        },
        {"training": "train_classifier", "params": {"name": "moods", "dataset": "labels", "epochs": 2}, "trials": 8},
    ]  # fmt: skip
    presets: ClassVar[list[Preset]] = [
        Preset(
            "Labels for texts",
            {
                "training": "train_classifier",
                "params": {"name": "my-labels", "dataset": "labels", "epochs": 3},
                "space": ["learning_rate: 1e-4 to 5e-3, log", "rank: 4, 8, 16, 32", "batch_size: 8, 16, 32"],
            },
        ),
        Preset(
            "A language model",
            {
                "training": "train_causal_lm",
                "params": {"name": "my-writer", "dataset": "my-texts", "time_budget_s": 90},
                "space": ["learning_rate: 5e-5 to 2e-3, log", "rank: 4, 8, 16"],
                "trials": 6,
            },
        ),
        Preset(
            "A small text generator",
            {
                "training": "train_rnn_lm",
                "params": {"name": "my-scribbler", "dataset": "my-texts", "time_budget_s": 60},
                "space": [
                    "learning_rate: 1e-3 to 2e-2, log",
                    "cell: lstm, gru",
                    "width: 128, 256",
                    "dropout: 0 to 0.4",
                ],
                "trials": 8,
            },
        ),
        Preset(
            "An adapter for pictures",
            {
                "training": "train_diffusion_lora",
                "params": {"name": "my-style", "dataset": "my-pictures"},
                "space": ["learning_rate: 2e-5 to 1e-3, log", "rank: 4, 8, 16"],
                "trials": 6,
            },
        ),
    ]

    training: Annotated[
        str,
        Field(
            title="Training",
            description="Which kind of training is tried.",
            min_length=1,
            max_length=100,
            json_schema_extra=ui("select", choices="training"),
        ),
    ] = "train_classifier"
    params: Annotated[
        dict[str, Any],
        BeforeValidator(_read),
        Field(
            title="Settings of every trial",
            description="What all trials have in common, as JSON: the name of the model, its dataset, its base.",
            json_schema_extra=ui("json", placeholder='{"name": "my-labels", "dataset": "labels"}'),
        ),
    ]
    space: Annotated[
        list[Annotated[str, Field(max_length=500)]],
        Field(
            title="What to try",
            description="One setting a line: a range, or values. Empty tries the learning rate and what goes with it.",
            default_factory=list,
            max_length=30,
            json_schema_extra=ui(
                "lines", placeholder="learning_rate: 1e-5 to 1e-3, log\nrank: 4, 8, 16\nepochs: 1 to 4"
            ),
        ),
    ]
    trials: Annotated[
        int,
        Field(
            title="Trials",
            description="How many trainings at most.",
            ge=1,
            le=MAX_TRIALS,
            json_schema_extra=ui("stepper"),
        ),
    ] = 10
    at_once: Annotated[
        int,
        Field(
            title="Trials at once",
            description="More use more devices, but each knows less of the others.",
            ge=1,
            le=64,
            json_schema_extra=ui("stepper"),
        ),
    ] = 1
    prune: Annotated[
        bool,
        Field(
            title="Give up early",
            description="End a trial that does worse than half of those before it did by then.",
            json_schema_extra=ui("switch"),
        ),
    ] = True
    metric: Annotated[
        str | None,
        Field(
            title="Figure",
            description="The figure of the evaluation that decides. Empty takes the one that the kind is judged by.",
            min_length=1,
            max_length=100,
            json_schema_extra=ui("text", advanced=True, placeholder="As the kind is judged"),
        ),
    ] = None
    direction: Annotated[
        Literal["lower", "higher"] | None,
        Field(
            title="Which is better",
            description="Of a figure of your own choice: whether less of it is better, or more.",
            json_schema_extra=ui("segment", advanced=True, placeholder="As the kind is judged"),
        ),
    ] = None
    keep_trials: Annotated[
        bool,
        Field(
            title="Keep every model",
            description="Enter the models of all trials as versions, not that of the best alone.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = False
    promote: Promote = "if_better"
    seed: Seed = None

    def affinity(self) -> str | None:
        """None: it loads no model itself."""
        return None

    def headline(self) -> str:
        """The name of what comes of it."""
        return str(self.params.get("name") or self.title)
