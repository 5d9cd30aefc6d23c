"""Params of `check_dataset`."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.kinds.params import SOME_FILE, InputRef, ModelRef, Output, Params, Pool, Preset, Seed, ui


class CheckDataset(Params):
    """Checks a file of examples row by row, and makes a dataset of the good ones."""

    title: ClassVar[str] = "Dataset"
    summary: ClassVar[str] = (
        "Checks a file of examples row by row, names every bad one, and makes a dataset to train on of the rest."
    )
    icon: ClassVar[str] = "stethoscope"
    output: ClassVar[Output] = "data"
    pool: ClassVar[Pool] = "cpu"
    action: ClassVar[str] = "Check"
    gives: ClassVar[Literal["works", "model", "dataset"]] = "dataset"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"name": "my-data", "source": SOME_FILE, "validation": 0.2, "preview": 3},
        {"name": "reviews", "source": SOME_FILE, "format": "labelled", "test": 0.1},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Conversations for a chat model", {"name": "conversations", "source": SOME_FILE, "max_length": 1024}),
        Preset("Texts with labels", {"name": "labels", "source": SOME_FILE, "format": "labelled", "copies": 1}),
        Preset("Pictures with captions", {"name": "pictures", "source": SOME_FILE, "format": "captioned"}),
    ]

    name: Annotated[
        str,
        Field(
            title="Name",
            description="What the dataset is called. A name that is there gets a new version.",
            pattern=r"^[a-z0-9][a-z0-9._-]*$",
            max_length=64,
            json_schema_extra=ui("text", placeholder="my-data"),
        ),
    ]
    source: Annotated[
        str,
        InputRef(
            "table",
            "text",
            "archive",
            title="File",
            description="JSON lines, CSV, CoNLL or plain text; or a zip of pictures or sounds with their descriptions.",
        ),
    ]
    format: Annotated[
        Literal[
            "auto",
            "text",
            "prompt",
            "chat",
            "labelled",
            "preference",
            "entities",
            "captioned",
            "classed",
            "transcribed",
        ],
        Field(
            title="Format",
            description="What each row is. Automatic tells it from the first rows, and says why.",
            json_schema_extra=ui(
                "select",
                titles={
                    "auto": "Automatic",
                    "text": "Plain texts",
                    "prompt": "Prompts with completions",
                    "chat": "Conversations",
                    "labelled": "Texts with labels",
                    "preference": "Preferred answers",
                    "entities": "Texts with tagged words",
                    "captioned": "Pictures with captions",
                    "classed": "Pictures with labels",
                    "transcribed": "Sounds with transcripts",
                },
            ),
        ),
    ] = "auto"
    validation: Annotated[
        float,
        Field(
            title="Held out for validation",
            description="The share of the rows on which a model is judged while it learns from the others.",
            ge=0,
            le=0.5,
            json_schema_extra=ui("slider", step=0.01),
        ),
    ] = 0.1
    test: Annotated[
        float,
        Field(
            title="Held out for the test",
            description="The share of the rows that only the last judgement sees.",
            ge=0,
            le=0.5,
            json_schema_extra=ui("slider", step=0.01),
        ),
    ] = 0.0
    max_length: Annotated[
        int,
        Field(
            title="Longest row",
            description="Tokens of a row that a model will learn from: what is longer is counted as cut.",
            ge=8,
            le=131_072,
            json_schema_extra=ui("number", unit="tokens"),
        ),
    ] = 512
    model: Annotated[str | None, ModelRef("text-generation", title="Model", advanced=True)] = None
    clean: Annotated[
        bool,
        Field(
            title="Clean",
            description="Trim texts, collapse blanks, and take out control characters.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = True
    normalise: Annotated[
        bool,
        Field(
            title="One form of letters",
            description="Write each accented letter as one character (Unicode NFC).",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = True
    lower: Annotated[
        bool,
        Field(
            title="Lower case",
            description="Write every text in lower case.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = False
    drop_duplicates: Annotated[
        bool,
        Field(
            title="Leave out duplicates",
            description="Keep the first of rows that are the same.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = True
    drop_leaks: Annotated[
        bool,
        Field(
            title="Leave out what leaks",
            description="Leave out rows to learn from that are also among those held out.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = True
    copies: Annotated[
        int,
        Field(
            title="Varied copies",
            description="More rows to learn from: labelled texts with words swapped or dropped, pictures mirrored.",
            ge=0,
            le=10,
            json_schema_extra=ui("stepper", advanced=True),
        ),
    ] = 0
    strict: Annotated[
        bool,
        Field(
            title="Refuse bad rows",
            description="Make no dataset where a single row is bad, instead of leaving it out.",
            json_schema_extra=ui("switch", advanced=True),
        ),
    ] = False
    preview: Annotated[
        int,
        Field(
            title="Rows to show",
            description="Rows of each split that the report shows.",
            ge=0,
            le=100,
            json_schema_extra=ui("number", advanced=True),
        ),
    ] = 10
    seed: Seed = 0

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if self.validation + self.test > 0.9:
            raise ValueError("Leave at least a tenth of the rows to learn from.")
        return self

    def headline(self) -> str:
        """The name of what comes of it; lists show the kind beside it."""
        return self.name
