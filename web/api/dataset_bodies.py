"""What goes in and out of the API of datasets."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from shared.dataset import Split
from web.api.bodies import Answer, Strict


class DatasetVersionBody(Answer):
    """One version of a dataset: it never changes."""

    number: int
    ref: str = Field(description="The name under which exactly these rows are found: `name@3`.")
    format: str
    sha256: str = Field(description="Of its archive: the same rows, options and seed are the same.")
    splits: dict[str, int] = Field(description="Rows of train, validation and test.")
    rows: int
    artifact_id: str
    job_id: str | None
    created_at: datetime


class DatasetBody(Answer):
    """A dataset; its bare name stands for the latest version."""

    name: str
    title: str
    created_at: datetime
    latest: DatasetVersionBody


class DatasetReportBody(DatasetVersionBody):
    """A version with what its check found."""

    report: dict[str, Any]


class WholeDatasetBody(DatasetBody):
    """A dataset with all its versions, newest first, each with its report."""

    versions: list[DatasetReportBody]


class DatasetsBody(Answer):
    """Your datasets, by name."""

    datasets: list[DatasetBody]


class DatasetRowsBody(Answer):
    """Some rows of a split, in order."""

    rows: list[dict[str, Any]]
    next: str | None = Field(description="The cursor of the next page, if there is one.")


class DatasetPath(BaseModel):
    """A dataset's name; where rows are read, also `name@3`."""

    name: Annotated[str, Field(max_length=80)]


class DatasetRowsQuery(Strict):
    """Which rows."""

    split: Split = "train"
    cursor: str | None = Field(None, max_length=60)
    limit: int = Field(20, ge=1, le=100)


class DatasetsQuery(Strict):
    """Filter of the list of datasets."""

    format: str | None = Field(None, max_length=40)
