"""A plan made of what a job asks, for so many examples."""

from typing import Protocol

from worker.engines.training.descent import Descending
from worker.engines.training.loop import evenly, steps_of
from worker.engines.training.plan import Plan
from worker.engines.training.rates import Schedule


class Asked(Protocol):
    """How a job asks to be trained; see `shared.kinds.training_params`."""

    @property
    def epochs(self) -> float: ...
    @property
    def steps(self) -> int | None: ...
    @property
    def time_budget_s(self) -> float | None: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def at_once(self) -> int | None: ...
    @property
    def evaluations(self) -> int: ...
    @property
    def patience(self) -> int | None: ...
    @property
    def keep_best(self) -> bool: ...
    @property
    def checkpoint_s(self) -> float: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def schedule(self) -> Schedule: ...
    @property
    def warm_up(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def clip(self) -> float | None: ...


def planned(asked: Asked, count: int, seed: int, *, shows: int = 3) -> Plan:
    """The plan of a job over `count` examples, which shows what it makes `shows` times."""
    steps = asked.steps or steps_of(count, asked.batch_size, asked.epochs)
    return Plan(
        batch=asked.batch_size,
        steps=steps,
        seed=seed,
        at_once=asked.at_once or asked.batch_size,
        evaluate_every=evenly(steps, asked.evaluations),
        show_every=evenly(steps, shows),
        patience=asked.patience,
        keep_best=asked.keep_best,
        budget_s=asked.time_budget_s,
        checkpoint_s=asked.checkpoint_s,
    )


def descending(asked: Asked, betas: tuple[float, float] = (0.9, 0.999)) -> Descending:
    """How a job asks to descend."""
    return Descending(asked.learning_rate, asked.schedule, asked.warm_up, asked.weight_decay, betas, clip=asked.clip)
