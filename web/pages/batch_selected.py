"""The cell of a grid that is picked: its result large, what sets it apart, and where to go from there."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared import artifacts, kinds
from shared.batch import Batch
from shared.errors import NotFound
from shared.job import JobState
from web.auth import identity
from web.pages.batch_grid import Section, shown, titles
from web.pages.outputs import Outputs, outputs
from web.pages.rows import Row
from web.site import site

MOST_TEXT = 2000
"""Characters of a text that are shown beside the grid; the job's page has all of it."""


@dataclass(frozen=True)
class Selected:
    """One number of a batch; `settings` are the fields that are varied, by their titles."""

    number: int
    row: Row
    files: Outputs
    settings: list[tuple[str, str]]

    @property
    def took_s(self) -> float | None:
        """How long it ran, once it has ended."""
        job = self.row.job
        return (job.finished_at - job.started_at).total_seconds() if job.finished_at and job.started_at else None


def selected(
    batch: Batch, sections: list[Section], cells: Mapping[int | None, Row], asked: int | None
) -> Selected | None:
    """The cell that is asked for, if it is on this page; else the first that has a result; None where none has."""
    numbers = [number for section in sections for number in section.numbers if number in cells]
    done = (number for number in numbers if cells[number].job.state is JobState.SUCCEEDED)
    number = asked if asked in numbers else next(done, None)
    if number is None:
        return None
    row = cells[number]
    found = artifacts.of_jobs(site().db, identity().owner.id, [row.job.id])[row.job.id]
    names, order = titles(batch.kind), batch.asked.get("order", ())
    settings = [(names.get(name, name), shown(row.job.params.get(name))) for name in order]
    return Selected(number, row, outputs(site().storage, found, code=makes(batch.kind) == "code"), settings)


def makes(kind: str) -> str:
    """What a kind makes: image, audio, text …; nothing is known of one that this installation knows no more."""
    try:
        return kinds.params_class(kind).output
    except NotFound:
        return ""
