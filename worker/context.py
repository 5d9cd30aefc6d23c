"""The door between a kind and the system: all that a running job may know and do.

Kinds are written against this Protocol alone; who implements it (a worker, a test) is not their business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

    from shared.dataset import DatasetSource
    from shared.feedback import Judged
    from shared.job import Role
    from shared.library import ModelSource
    from shared.trials import Choice, NewTrial, Trial
    from worker.engines.training.together import Mates

T = TypeVar("T")
P_co = TypeVar("P_co", covariant=True)

Wanted = Literal["pause", "keep", "yield", "prune"]


@dataclass(frozen=True)
class InputFile:
    """An artifact to read, as a file of this attempt's own: under a name of ours, with the name it was given beside."""

    path: Path
    name: str
    media_type: str


class Search(Protocol):
    """What a search may do beside what any job may."""

    def trials(self, metric: str) -> list[Trial]:
        """The trials that it has submitted so far, by number, with this figure of each."""

    def wait(self, new: Sequence[NewTrial], known: Sequence[Trial]) -> None:
        """Submit these trials, and wait in the queue until another one ends than those that are known to have.

        Ends this attempt; the next one begins from the start. Raises AwaitsTrials.
        """

    def choose(self, choice: Choice) -> None:
        """Say which model enters the library when the search has succeeded."""


@dataclass(frozen=True, eq=False)
class Member(Generic[P_co]):
    """One of several jobs that share their passes: what it asks for, and its own context."""

    params: P_co
    ctx: Any


class Party(Protocol[P_co]):
    """The jobs of one kind and one key that share the passes of a model; for `run_many(party)`."""

    def turn(self, room: int) -> Sequence[Member[P_co]]:
        """The jobs that join now, at most so many: first the one that it began with. Call it at every step."""

    def minding(self, member: Member[Any]) -> AbstractContextManager[None]:
        """What is raised inside, a cancel too, ends this job; the others go on."""

    def done(self, member: Member[Any]) -> None:
        """This job has saved all that it makes."""

    def has(self, member: Member[Any]) -> bool:
        """Whether this job is still one of them."""


class JobContext(Protocol):
    """One attempt of one job."""

    @property
    def job_id(self) -> str:
        """The job, for file names and logs."""

    @property
    def seed(self) -> int:
        """The seed asked for, or the one drawn at submit."""

    @property
    def device(self) -> str:
        """`cpu`, or `cuda:0`: of a group the first."""

    @property
    def lean(self) -> bool:
        """Whether the job ran out of memory before: hold as little as possible, even if it takes longer."""

    @property
    def workdir(self) -> Path:
        """An empty folder of this attempt; it goes when the attempt ends."""

    @property
    def mates(self) -> Mates | None:
        """The other processes of a device group, for a training; None on one device."""

    def progress(self, done: int, total: int | None, note: str = "", text: str | None = None) -> None:
        """Say how far the job is; `text` is what a text kind has written so far.

        Cheap: call it every step. Raises Cancelled, TimeLimit or Superseded, which no kind may catch.
        """

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        """Record a figure of this job; with a step, a point of its curve."""

    def check_cancelled(self) -> None:
        """Raise what `progress` would raise; for places that have nothing to report."""

    def checkpoint(self, path: Path) -> None:
        """Store a file at once, in the place of this job's earlier one of that name; a later attempt may restore it.

        Raises Superseded where another attempt owns the job. A checkpoint goes when its job has succeeded.
        """

    def restore(self, name: str) -> Path | None:
        """What any attempt of this job stored last under this name, in the work folder; None if there is nothing."""

    def wish(self) -> Wanted | None:
        """What a training is asked to do at the end of a step.

        `keep`: stop now, keep the best, succeed. `pause` and `yield`: store a checkpoint, then step aside.
        `prune`: it is a trial that does worse than those before it; raise Pruned.
        """

    def step_aside(self) -> None:
        """End this attempt and make room; the job goes on later, with a new attempt. Raises StoodAside."""

    def input(self, ref: str) -> InputFile:
        """An artifact of the same owner: uploaded, or made by an earlier job."""

    def save_artifact(self, path: Path, role: Role = "output", media_type: str | None = None, **meta: Any) -> None:
        """Hand over a file under its own name; a preview replaces the preview before it.

        What is handed over stays as it is until the job ends: it is uploaded then, with the rest. A preview is shown
        at once, and its file may be written again.
        """

    def resident(self, key: str, load: Callable[[], T], size: int | None = None) -> T:
        """What `load` returns, kept in the device's memory between jobs; `load` runs only when it is not there.

        `size` in bytes lets others be evicted before the loading instead of after it.
        """

    def model(self, name: str) -> ModelSource:
        """The library model of that name, for this job's owner."""

    def dataset(self, ref: str) -> DatasetSource:
        """The dataset that a `DatasetRef` names, its rows and files on this machine: to be read, not changed."""

    def feedback(self, since: datetime | None = None) -> list[Judged]:
        """What this job's owner said of results, oldest first."""

    @property
    def search(self) -> Search:
        """The trials of this job, where it searches."""
