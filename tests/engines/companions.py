"""Two processes that train one line together, and what may become of one of them."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch

from tests.engines.trainees import Line, Place
from worker.devices import Device
from worker.engines.training.descent import Moment
from worker.engines.training.plan import Plan
from worker.engines.training.state import write_state
from worker.mates import Mates

GROUP = Device("cpu:0+cpu:1", "CPU × 2", 1 << 30)
KINDS = Path(__file__).parent / "group"
#: 41 rows in batches of 8: the last batch of an epoch is one row, so that one of two has none.
PLAN = Plan(batch=8, steps=13, seed=3, at_once=3, evaluate_every=5, checkpoint_steps=4)
_SIGNALS = {"killed": signal.SIGKILL, "hangs": signal.SIGSTOP}


class Fated(Line):
    """A line whose rows weigh differently, and which meets its fate at a step: it ends, hangs, fails, lacks memory."""

    def __init__(
        self, *, dropout: float = 0.1, fate: str = "", at: int = 0, mark: Path | None = None, wrong: Sequence[int] = ()
    ) -> None:
        super().__init__(count=41, wrong=wrong)
        self.model[0].p = dropout
        self.fate, self.at, self.mark = fate, at, mark
        self.tried: list[tuple[int, int]] = []

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """A step, if that is its fate."""
        self.tried.append((moment.step, moment.at_once))
        self.model.train()
        if moment.step == self.at and self.fate in _SIGNALS:
            os.kill(os.getpid(), _SIGNALS[self.fate])
        if moment.step == self.at and self.fate == "fails":
            raise ValueError("this row is not for me")
        self.fits = 2 if moment.step == self.at and self.fate == "short" else 100
        figures = self.descent.step(rows, moment, self._loss, _weight, self._after if self.fate == "late" else None)
        if self.mark is not None:
            write_state(self.mark, self.model.state_dict())
        return figures

    def _after(self) -> None:
        # The weights have changed already.
        if [step for step, _ in self.tried] == list(range(self.at + 1)):
            raise torch.OutOfMemoryError("too late")

    def _loss(self, rows: Sequence[int]) -> torch.Tensor:
        super()._loss(rows)
        said = self.model(self.inputs[list(rows)]).squeeze(-1)
        return ((said - self.targets[list(rows)]) ** 2 * torch.tensor([_weight([row]) for row in rows])).sum()


def _weight(rows: Sequence[int]) -> float:
    return float(sum(1 + row % 3 for row in rows))


@contextmanager
def group(place: Place, **params: Any) -> Iterator[Mates]:
    """The place with a second process, which runs `fit_line`."""
    attempt = cast("Any", place)
    attempt.job = SimpleNamespace(id="job", kind="fit_line", params=params, seed=3)
    attempt.lean = False
    mates = Mates(attempt, GROUP)
    place.mates = mates
    try:
        yield mates
    finally:
        mates.end()
        place.mates = None
