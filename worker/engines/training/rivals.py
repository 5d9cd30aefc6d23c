"""What a new model is measured against: the version that its name stands for now, and what it must not forget."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from shared.dataset import DatasetSource
from shared.errors import JobError
from shared.kinds.training_params import Training
from shared.library import ModelSource
from worker.engines.training.plan import Heed, Learner

_log = logging.getLogger(__name__)

Judge = Callable[[Heed], Mapping[str, float]]
"""Judges a model: the figures of it."""

Rows = Sequence[Mapping[str, Any]]


class Library(Protocol):
    """Where models and datasets are; a job's context is one."""

    def model(self, name: str) -> ModelSource:
        """The model of that name. Raises JobError where there is none."""

    def dataset(self, ref: str) -> DatasetSource:
        """The dataset of that name."""

    def check_cancelled(self) -> None:
        """Raise where the job is to stop."""


@dataclass(frozen=True)
class Rival:
    """How the version that the name stands for judges on the data of this run."""

    number: int
    figures: Mapping[str, float]


def watched_name(judged_by: str) -> str:
    """What the figure that counts is called where it is measured on the regression set."""
    return f"regression_{judged_by.removeprefix('validation_')}"


def watched_rows(ctx: Library, ref: str | None) -> Rows:
    """The rows of a regression set: its test rows, else those held out, else all; none where there is no set."""
    if ref is None:
        return []
    data = ctx.dataset(ref)
    return data.rows("test") or data.rows("validation") or data.rows("train")


class Watched:
    """A learner that is judged by a regression set as well; what it learns from is untouched by it."""

    def __init__(self, learner: Learner, judge: Judge) -> None:
        """`judge` judges the same model on the regression set."""
        self._learner, self._judge = learner, judge
        self.learn, self.show, self.name = learner.learn, learner.show, learner.name
        self.state, self.restore = learner.state, learner.restore
        self.weights, self.take = learner.weights, learner.take

    @property
    def count(self) -> int:
        """Examples to learn from."""
        return self._learner.count

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """The learner's figures, and those on the regression set."""
        return both(self._learner.evaluate, self._judge, heed)


def both(judge: Judge, watching: Judge, heed: Heed) -> dict[str, float]:
    """The figures of two evaluations of one model; the second one's by the names they have on the regression set."""
    return {**judge(heed), **{watched_name(name): figure for name, figure in watching(heed).items()}}


def rival(
    ctx: Library, asked: Training, task: str, judge: Callable[[ModelSource], Mapping[str, float] | None]
) -> Rival | None:
    """How the version that the name stands for judges now, where there is one and the better of both is to stand.

    Args:
        ctx: where models are.
        asked: what the run was asked for.
        task: what the new model does.
        judge: figures of a model on the data of this run; None where it cannot be compared with the new one.
    """
    if asked.promote != "if_better":
        return None
    try:
        source = ctx.model(asked.name)
        if source.version is None or source.task != task:
            return None
        figures = judge(source)
    except (JobError, MemoryError, torch.OutOfMemoryError) as error:
        _log.info("The version of “%s” that stands now could not be judged: %s", asked.name, error)
        return None
    return Rival(source.version, figures) if figures else None
