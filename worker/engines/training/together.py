"""A training on a device group: the leader runs the loop, the other processes follow it step by step.

What a follower needs to know is the learner's state, whenever it may differ, and of every step its rows and the dice.
So a checkpoint holds nothing of the followers.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch

from worker.engines.training.company import Company, MateLost, leave
from worker.engines.training.descent import Moment, NotFinite
from worker.engines.training.plan import Heed, Learner
from worker.engines.training.state import State, read_state, write_state

_STATE = "group.safetensors"


class Dismissed(BaseException):
    """The leader has no more work for this process."""


class Mates(Protocol):
    """The way between the processes of a group outside the steps, where one may wait for another for long."""

    def join(self, count: int) -> Company:
        """Wait until all have built a learner of so many examples, and come together."""

    def tell(self, order: Mapping[str, Any]) -> None:
        """Have the followers do this."""

    def orders(self) -> Iterator[Mapping[str, Any]]:
        """What the leader says, until it says no more."""

    def explain(self) -> str:
        """What is known of a process that was lost."""


class Placed(Protocol):
    """What of a run's surroundings matters here."""

    @property
    def device(self) -> str:
        """Where the learner computes."""

    @property
    def workdir(self) -> Path:
        """Where files may lie."""

    @property
    def mates(self) -> Mates | None:
        """The other processes of the group."""


@contextmanager
def together(learner: Learner, ctx: Placed) -> Iterator[Learner]:
    """The learner, its steps shared with the other processes where there are any.

    Raises:
        Dismissed: this process followed, and the run has ended.
        MateLost: another one is gone.
    """
    if ctx.mates is None:
        yield learner
        return
    company = ctx.mates.join(learner.count)
    try:
        if company.rank:
            _follow(learner, company, ctx.mates, ctx.device)
            raise Dismissed
        yield Together(learner, company, ctx.mates, ctx.workdir / _STATE)
    except MateLost as lost:
        raise MateLost(ctx.mates.explain()) from lost
    finally:
        leave()


class Together:
    """The leader's learner: a step is taken by all, everything else by the leader alone."""

    def __init__(self, learner: Learner, company: Company, mates: Mates, path: Path) -> None:
        self._learner, self._company, self._mates, self._path = learner, company, mates, path
        self._alike = False

    @property
    def count(self) -> int:
        """Examples to learn from."""
        return self._learner.count

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """One step by all. Where memory ran out, some may have changed their weights: all take the leader's again."""
        if not self._alike:
            write_state(self._path, self._learner.state())
            self._mates.tell({"restore": str(self._path)})
        dice = base64.b64encode(torch.get_rng_state().numpy().tobytes()).decode()
        step = {"step": moment.step, "fraction": moment.fraction, "at_once": moment.at_once}
        self._mates.tell({"learn": list(rows), "moment": step, "dice": dice})
        self._alike = False
        with self._company.step():
            figures = self._learner.learn(rows, replace(moment, company=self._company))
        self._alike = True
        return figures

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """The leader's."""
        return self._learner.evaluate(heed)

    def show(self, folder: Path, heed: Heed) -> Path | None:
        """The leader's."""
        return self._learner.show(folder, heed)

    def name(self, row: int) -> str:
        """What an example is called."""
        return self._learner.name(row)

    def state(self) -> State:
        """The leader's: that of all."""
        return self._learner.state()

    def restore(self, state: State) -> None:
        """Go back to that; the others follow before the next step."""
        self._alike = False
        self._learner.restore(state)

    def weights(self) -> State:
        """The leader's."""
        return self._learner.weights()

    def take(self, weights: State) -> None:
        """Be that model; the others follow before the next step."""
        self._alike = False
        self._learner.take(weights)


def _follow(learner: Learner, company: Company, mates: Mates, device: str) -> None:
    """Do as the leader says until it says no more."""
    for order in mates.orders():
        if "restore" in order:
            learner.restore(read_state(Path(order["restore"])))
            continue
        torch.set_rng_state(torch.frombuffer(bytearray(base64.b64decode(order["dice"])), dtype=torch.uint8))
        moment = Moment(**order["moment"], company=company)
        try:
            with company.step():
                learner.learn(order["learn"], moment)
        except (NotFinite, MemoryError, torch.OutOfMemoryError):
            # The leader knows, and says what follows.
            if device.startswith("cuda"):
                torch.cuda.empty_cache()
