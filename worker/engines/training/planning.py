"""A plan of what was asked for: the fields that every training kind has, and the examples that there are."""

from typing import Any, Literal, Protocol

from worker.engines.training.descent import Descending
from worker.engines.training.loop import evenly, steps_of
from worker.engines.training.plan import Plan
from worker.engines.training.rates import Schedule


class Asked(Protocol):
    """How to train, as the params of a kind say it; see `shared.kinds.training_params.Training`."""

    @property
    def name(self) -> str:
        """Of the model that comes of it."""

    @property
    def epochs(self) -> float:
        """How many times through the data."""

    @property
    def steps(self) -> int | None:
        """Steps instead of epochs."""

    @property
    def time_budget_s(self) -> float | None:
        """Seconds after which to stop."""

    @property
    def batch_size(self) -> int:
        """Examples of a step."""

    @property
    def at_once(self) -> int | None:
        """Examples that go through together; None for the whole batch."""

    @property
    def schedule(self) -> Schedule:
        """How the learning rate falls."""

    @property
    def warm_up(self) -> float:
        """The share in which it rises."""

    @property
    def weight_decay(self) -> float:
        """Of matrices, not of biases."""

    @property
    def clip(self) -> float | None:
        """The longest gradient."""

    @property
    def evaluations(self) -> int:
        """How often to judge."""

    @property
    def patience(self) -> int | None:
        """Evaluations without a better one."""

    @property
    def keep_best(self) -> bool:
        """Whether the best is the result."""

    @property
    def checkpoint_s(self) -> float:
        """Seconds between checkpoints."""

    @property
    def promote(self) -> Literal["if_better", "always", "never"]:
        """When the name stands for the new version."""


def planned(asked: Asked, count: int, seed: int, *, portion: int | None = None, **settings: Any) -> Plan:
    """The plan for so many examples.

    Args:
        asked: how to train.
        count: examples to learn from.
        seed: of the run.
        portion: examples of one step, where that is not the batch size that was asked for.
        settings: of the plan, before what was asked for.
    """
    batch = min(portion or asked.batch_size, count)
    steps = asked.steps or steps_of(count, batch, asked.epochs)
    every = evenly(steps, asked.evaluations)
    plan: dict[str, Any] = {
        "batch": batch, "steps": steps, "seed": seed, "at_once": min(asked.at_once or batch, batch),
        "evaluate_every": every, "show_every": every, "patience": asked.patience,
        "keep_best": asked.keep_best, "budget_s": asked.time_budget_s, "checkpoint_s": asked.checkpoint_s,
    }  # fmt: skip
    return Plan(**plan | settings)


def descending(asked: Asked, learning_rate: float, betas: tuple[float, float] = (0.9, 0.999)) -> Descending:
    """How to descend, as asked for, at that rate."""
    return Descending(
        learning_rate, asked.schedule, asked.warm_up, decay=asked.weight_decay, betas=betas, clip=asked.clip
    )
