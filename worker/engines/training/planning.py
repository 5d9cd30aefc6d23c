"""From what a person asked for to a plan, and to how to descend."""

import math
from typing import Protocol

from shared.kinds.training_params import Training
from worker.engines.training.descent import Descending
from worker.engines.training.plan import Plan


class Placed(Protocol):
    """What of a job's context a plan depends on."""

    @property
    def seed(self) -> int:
        """The dice's."""

    @property
    def lean(self) -> bool:
        """Whether memory ran out before."""


def planned(asked: Training, count: int, ctx: Placed, *, shows: int | None = None) -> Plan:
    """The plan for so many examples; `shows` is how often the run shows what it makes."""
    steps = asked.steps or steps_of(count, asked.batch_size, asked.epochs)
    at_once = min(asked.at_once or asked.batch_size, asked.batch_size)
    return Plan(
        batch=asked.batch_size,
        steps=steps,
        seed=ctx.seed,
        at_once=max(1, at_once // 2) if ctx.lean else at_once,
        evaluate_every=evenly(steps, asked.evaluations),
        show_every=evenly(steps, shows) if shows else None,
        judged_by=asked.judged_by,
        less_is_better=asked.less_is_better,
        patience=asked.patience,
        keep_best=asked.keep_best,
        budget_s=asked.time_budget_s,
        checkpoint_s=asked.checkpoint_s,
    )


def descending(asked: Training, betas: tuple[float, float] = (0.9, 0.999)) -> Descending:
    """How to descend."""
    return Descending(
        learning_rate=asked.learning_rate, schedule=asked.schedule, warm_up=asked.warm_up, decay=asked.weight_decay,
        betas=betas, clip=asked.clip,
    )  # fmt: skip


def steps_of(count: int, batch: int, epochs: float) -> int:
    """The steps of so many epochs over so many examples."""
    return max(1, math.ceil(epochs * -(-count // batch)))


def evenly(steps: int, times: int) -> int:
    """Steps between events of which a run is to have so many."""
    return max(1, steps // times)
