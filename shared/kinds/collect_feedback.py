"""Params of `collect_feedback`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from shared.kinds.params import Output, Params, Pool, Preset, Seed, ui


class CollectFeedback(Params):
    """Makes a dataset of thumbs and edits."""

    title: ClassVar[str] = "Feedback as a dataset"
    summary: ClassVar[str] = "Makes a dataset to train on of your thumbs and edits on what jobs have made."
    icon: ClassVar[str] = "thumbs-up"
    output: ClassVar[Output] = "data"
    pool: ClassVar[Pool] = "cpu"
    action: ClassVar[str] = "Collect"
    gives: ClassVar[Literal["works", "model", "dataset"]] = "dataset"
    examples: ClassVar[list[dict[str, Any]]] = [
        {"name": "my-taste", "form": "preference"},
        {"name": "my-answers", "form": "prompt", "days": 7},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Pairs of a better and a worse answer", {"name": "my-taste", "form": "preference"}),
        Preset("Good answers of the last week", {"name": "my-answers", "form": "prompt", "days": 7}),
        Preset("Pictures with captions", {"name": "my-pictures", "form": "captioned"}),
    ]

    name: Annotated[
        str,
        Field(
            title="Name",
            description="What the dataset is called. A name that is there gets a new version.",
            pattern=r"^[a-z0-9][a-z0-9._-]*$",
            max_length=64,
            json_schema_extra=ui("text", placeholder="my-taste"),
        ),
    ]
    form: Annotated[
        Literal["preference", "prompt", "captioned"],
        Field(
            title="What to collect",
            description="Pairs of texts for a preference, good texts with their prompts, or pictures with captions.",
            json_schema_extra=ui(
                "segment",
                titles={"preference": "Pairs", "prompt": "Good texts", "captioned": "Pictures with captions"},
            ),
        ),
    ] = "preference"
    days: Annotated[
        float | None,
        Field(
            title="Days",
            description="Only what was said in the last days. Empty takes all.",
            gt=0,
            le=3650,
            json_schema_extra=ui("number", unit="days", placeholder="All"),
        ),
    ] = None
    validation: Annotated[
        float,
        Field(
            title="Held out",
            description="The share of rows by which a training is judged, and from which it does not learn.",
            ge=0,
            le=0.5,
            json_schema_extra=ui("slider", step=0.05),
        ),
    ] = 0.1
    seed: Seed = None

    def headline(self) -> str:
        """The name of what comes of it; lists show the kind beside it."""
        return self.name
