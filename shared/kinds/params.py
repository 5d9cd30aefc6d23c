"""What every kind's params are made of: the base class, and the field types that more than one kind uses.

Title, help, bounds and widget stand here or in the kind, once; the form, the JSON API, OpenAPI, the command line and
validation read them from the schema. Knows no model and no form.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from shared.text import UNSTORABLE, storable

Pool = Literal["accelerated", "cpu", "io"]
Output = Literal["text", "code", "image", "audio", "video", "model", "data"]
#: What a model is for, in the hub's words where it has one.
Task = Literal[
    "text-generation", "text2text-generation", "text-classification", "token-classification", "feature-extraction",
    "text-to-image", "unconditional-image-generation", "image-to-text", "upscale", "controlnet", "image-adapter",
    "image-safety", "text-to-speech", "text-to-audio", "automatic-speech-recognition", "text-to-video",
]  # fmt: skip
Widget = Literal[
    "textarea", "text", "number", "slider", "stepper", "segment", "select", "size", "seed", "switch", "model",
    "messages", "lines", "file", "adapters", "dataset", "json",
]  # fmt: skip
#: What an input may be, as the first half of its media type says; `table` is rows: JSONL, CSV, or a text a line;
#: `archive` is a zip of files that belong together.
Media = Literal["image", "audio", "video", "text", "table", "archive"]
#: What the rows of a dataset are: each format has its own names of columns, see `shared.dataset`.
DatasetFormat = Literal[
    "text", "prompt", "chat", "labelled", "preference", "entities", "captioned", "classed", "transcribed"
]

MAX_SEED = 2**63 - 1
#: Characters. A page of text is about 3,000; the model's own window is checked when the tokens are known.
MAX_PROMPT = 20_000


SOME_FILE = "art_" + "0" * 26
"""What examples and starting points name where a file of the reader's own stands; no artifact has this id."""


@dataclass(frozen=True)
class Preset:
    """A starting point that people may choose: a few words for it, and params that work as they are."""

    title: str
    params: dict[str, Any]


class Params(BaseModel):
    """The params of one kind. A subclass sets the class variables below and its fields; it does no work."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    title: ClassVar[str]
    summary: ClassVar[str]
    icon: ClassVar[str]
    output: ClassVar[Output]
    pool: ClassVar[Pool] = "accelerated"
    #: A job whose progress stands still for this long is taken for hung.
    stall_s: ClassVar[float] = 300
    time_limit_s: ClassVar[float] = 3600
    #: Whether it trains: it can be paused, keeps checkpoints, and makes room for jobs that somebody waits for.
    trains: ClassVar[bool] = False
    #: What the button of its form says.
    action: ClassVar[str] = "Generate"
    #: What comes of it: works, which people judge, look for in the gallery and use again; or a model or a dataset,
    #: which its field `name` names, and about which its other files only tell.
    gives: ClassVar[Literal["works", "model", "dataset"]] = "works"
    #: Whether its work is other jobs, which it submits and waits for.
    searches: ClassVar[bool] = False
    #: No starter does this: examples and presets run once the owner has added a model and chosen it.
    needs_model: ClassVar[bool] = False
    #: Params that work as they are. The first is tiny: the smoke test runs it on a CPU.
    examples: ClassVar[list[dict[str, Any]]]
    #: Starting points that the form offers; each works well with the kind's own default model, or names another.
    presets: ClassVar[list[Preset]] = []

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        if not storable(data):
            raise ValueError(UNSTORABLE)
        return data

    def affinity(self) -> str | None:
        """The model that a device had better hold already."""
        return getattr(self, "model", None)

    def batch_key(self) -> str | None:
        """What jobs of this kind with one model must have in common to share a pass; None where none can."""
        return None

    def headline(self) -> str:
        """What a list of jobs shows."""
        return str(getattr(self, "prompt", None) or self.title)

    def smaller(self) -> dict[str, Any]:
        """Settings that hold less in memory, for a job that ran out of it: only those that differ, maybe none."""
        return {}

    @classmethod
    @cache
    def model_tasks(cls) -> dict[str, Task]:
        """The fields that name a library model, each with the task that the model must serve."""
        hints = {name: _hints(field) for name, field in cls.model_fields.items()}
        return {name: hint["task"] for name, hint in hints.items() if hint.get("widget") == "model"}

    @classmethod
    @cache
    def adapter_tasks(cls) -> dict[str, Task]:
        """The fields that list adapters, each a library model and its weight, with the task that the models serve."""
        hints = {name: _hints(field) for name, field in cls.model_fields.items()}
        return {name: hint["task"] for name, hint in hints.items() if hint.get("widget") == "adapters"}

    @classmethod
    @cache
    def input_media(cls) -> dict[str, tuple[Media, ...]]:
        """The fields that name an artifact to read, each with what that may be."""
        hints = {name: _hints(field) for name, field in cls.model_fields.items()}
        return {name: tuple(hint["media"].split()) for name, hint in hints.items() if hint.get("widget") == "file"}

    @classmethod
    @cache
    def dataset_formats(cls) -> dict[str, tuple[DatasetFormat, ...]]:
        """The fields that name a dataset, each with the formats that it may have."""
        hints = {name: _hints(field) for name, field in cls.model_fields.items()}
        return {name: tuple(hint["formats"].split()) for name, hint in hints.items() if hint.get("widget") == "dataset"}


def ui(widget: Widget, *, titles: Mapping[str, str] | None = None, **hints: str | float | bool) -> dict[str, Any]:
    """`json_schema_extra` for a field: how a form shows it (widget, advanced, unit, step, placeholder …).

    `titles` are what people read of choices that do not say it themselves, by their values.
    """
    return {"x-ui": {"widget": widget, **hints, **({"titles": dict(titles)} if titles else {})}}


class Creation(Params):
    """The params of a kind whose outputs are works: what is done with each before its owner gets it.

    An administrator may fix any of these switches; see `shared.settings`. They come last in every form.
    """

    safety_filter: Annotated[
        bool,
        Field(
            title="Safety filter",
            description="Blur explicit pictures and mask offensive words, and say so.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = True
    content_credentials: Annotated[
        bool,
        Field(
            title="Content credentials",
            description="Sign the file with how it was made (C2PA), so that others can tell.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = True
    visible_mark: Annotated[
        bool,
        Field(
            title="Visible mark",
            description="Show in the result itself that it was made by AI.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = False


FINISHING = tuple(Creation.__annotations__)


def ModelRef(  # noqa: N802 - reads as a type
    task: Task, *, title: str = "Model", description: str = "A model of the library.", advanced: bool = False
) -> Any:
    """A field that names a model of the library, for `Annotated[str, ModelRef("text-generation")]`."""
    return Field(
        title=title,
        description=description,
        min_length=1,
        max_length=200,
        json_schema_extra=ui("model", task=task, advanced=advanced),
    )


def InputRef(*media: Media, title: str, description: str, advanced: bool = False) -> Any:  # noqa: N802 - as ModelRef
    """A field that names an artifact to read, uploaded or made by a job: `Annotated[str, InputRef("image")]`."""
    return Field(
        title=title,
        description=description,
        pattern=r"^art_[0-9a-z]{26}$",
        json_schema_extra=ui("file", media=" ".join(media), advanced=advanced),
    )


def DatasetRef(  # noqa: N802 - as ModelRef
    *formats: DatasetFormat,
    title: str = "Dataset",
    description: str = "A dataset of yours: its name for the newest version, or name@3 for the third.",
    advanced: bool = False,
) -> Any:
    """A field that names a dataset of one of these formats: `Annotated[str, DatasetRef("labelled", "chat")]`."""
    return Field(
        title=title,
        description=description,
        pattern=r"^[a-z0-9][a-z0-9._-]*(@[1-9][0-9]{0,8})?$",
        max_length=80,
        json_schema_extra=ui("dataset", formats=" ".join(formats), advanced=advanced),
    )


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("Write something here.")
    return text


def _hints(field: FieldInfo) -> dict[str, Any]:
    extra = field.json_schema_extra
    hints = extra.get("x-ui") if isinstance(extra, dict) else None
    return hints if isinstance(hints, dict) else {}


NotBlank = AfterValidator(_not_blank)

Prompt = Annotated[
    str,
    Field(
        title="Prompt",
        description="What you want, in your own words.",
        min_length=1,
        max_length=MAX_PROMPT,
        json_schema_extra=ui("textarea"),
    ),
    NotBlank,
]

Seed = Annotated[
    int | None,
    Field(
        title="Seed",
        description="The same seed and settings give the same result. Empty draws one and saves it with the result.",
        ge=0,
        le=MAX_SEED,
        json_schema_extra=ui("seed", advanced=True),
    ),
]


KeepBest = Annotated[
    int | None,
    Field(
        title="Keep the best",
        description="Keep this many of those that are made, without duplicates. Empty keeps all.",
        ge=1,
        le=16,
        json_schema_extra=ui("number", advanced=True, placeholder="All"),
    ),
]
