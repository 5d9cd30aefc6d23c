"""Searches and their trials as a running job sees them: a search submits and waits, a trial asks whether to go on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from shared import kinds, search_space, trials
from shared.db import Database
from shared.errors import AwaitsTrials, Invalid, Unavailable
from shared.job import Job
from shared.kinds.search_hyperparameters import SearchHyperparameters
from shared.trials import Choice, NewTrial, Trial
from worker.points import Points

log = logging.getLogger(__name__)


@dataclass
class Search:
    """What a search has asked for in this attempt; its end writes it down."""

    db: Database
    job_id: str
    new: Sequence[NewTrial] = ()
    #: How many ends of trials it knows of.
    ended: int = 0
    chosen: Choice | None = None

    def trials(self, metric: str) -> list[Trial]:
        """All so far."""
        return trials.of_search(self.db, self.job_id, metric)

    def wait(self, new: Sequence[NewTrial], known: Sequence[Trial]) -> NoReturn:
        """End this attempt."""
        self.new, self.ended = new, sum(each.end != "open" for each in known)
        raise AwaitsTrials

    def choose(self, choice: Choice) -> None:
        """Note it for the end."""
        self.chosen = choice


@dataclass
class Pruning:
    """Whether a trial is to be given up, asked once after each of its evaluations."""

    db: Database
    job: Job
    points: Points
    _latest: dict[str, int] = field(default_factory=dict)
    _rules: tuple[str, bool] | None = None
    _asked: bool = False
    _given_up: bool = False

    def note(self, name: str, step: int) -> None:
        """A point of a curve was measured."""
        if self.job.searched_by is not None:
            self._latest[name] = step

    def gives_up(self) -> bool:
        """Whether those before it did better by now. Where the database is away the trial goes on."""
        if self.job.searched_by is None or self._given_up:
            return self._given_up
        try:
            self._given_up = self._outdone()
        except (Unavailable, Invalid):
            log.warning("%s: whether to go on could not be told", self.job.id)
        return self._given_up

    def _outdone(self) -> bool:
        if not self._asked:
            self._rules, self._asked = self._told(), True
        if self._rules is None:
            return False
        metric, less_is_better = self._rules
        step = self._latest.pop(metric, None)
        if step is None or self.job.searched_by is None:
            return False
        self.points.write()
        # Loaded where a trial asks: optuna takes a second, and most processes never run one.
        from worker.engines.searching import outdone  # noqa: PLC0415

        siblings = trials.of_search(self.db, self.job.searched_by, metric)
        mine = next(each.judged for each in siblings if each.job.id == self.job.id)
        return outdone(mine, [each.judged for each in siblings if each.end == "done"], less_is_better=less_is_better)

    def _told(self) -> tuple[str, bool] | None:
        """The figure that decides and whether less of it is better; None where trials are never given up."""
        search = trials.search_of(self.db, self.job)
        asked = kinds.validate(search.kind, search.params) if search else None
        if not isinstance(asked, SearchHyperparameters) or not asked.prune:
            return None
        return search_space.judged(asked)
