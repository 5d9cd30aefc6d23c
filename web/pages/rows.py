"""Jobs as lists show them: each with its picture, its icon and a few words; and a version that changes with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared import artifacts, dependencies, kinds
from shared.dependencies import Need
from shared.errors import NotFound
from shared.job import Artifact, Job, JobState
from web.auth import identity
from web.pages import polling, progress
from web.pages.outputs import has_picture
from web.site import site


@dataclass(frozen=True)
class Row:
    """One job of a list."""

    job: Job
    kind_title: str
    icon: str
    picture: Artifact | None
    fraction: float | None
    note: str


@dataclass(frozen=True)
class Rows:
    """Jobs of a list. `version` stays the same while the list would be drawn the same."""

    items: list[Row]
    version: str

    @property
    def live(self) -> list[Row]:
        """Those that wait or run, running ones first."""
        waiting = [row for row in self.items if not row.job.done]
        return sorted(waiting, key=lambda row: row.job.state is not JobState.RUNNING)

    @property
    def ended(self) -> list[Row]:
        """Those that have ended."""
        return [row for row in self.items if row.job.done]


def rows_of(jobs: Sequence[Job], extra: str = "") -> Rows:
    """The rows of these jobs; `extra` is whatever else the list shows that may change."""
    files = artifacts.of_jobs(site().db, identity().owner.id, [job.id for job in jobs])
    waits = dependencies.unmet(site().db, [job.id for job in jobs if job.waits])
    items = [_row(job, files[job.id], waits.get(job.id, ())) for job in jobs]
    seen = [(row.job.id, row.job.revision, row.picture.id if row.picture else "", row.note) for row in items]
    return Rows(items, polling.version(seen, extra))


def kind_words(kind: str) -> tuple[str, str]:
    """Title and icon of a kind; of one that this installation knows no more, its name."""
    try:
        declared = kinds.params_class(kind)
    except NotFound:
        return kind, "file"
    return declared.title, declared.icon


def _row(job: Job, files: Sequence[Artifact], waits_for: Sequence[Need]) -> Row:
    title, icon = kind_words(job.kind)
    pictures = [each for each in files if has_picture(each) and each.role in {"output", "preview"}]
    return Row(
        job, title, icon, pictures[0] if pictures else None, progress.fraction(job), progress.short(job, waits_for)
    )
