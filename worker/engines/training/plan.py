"""What a training run is made of: who learns, where, by which plan; and what came of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from worker.engines.training.descent import Moment
from worker.engines.training.events import Curves
from worker.engines.training.state import State

if TYPE_CHECKING:
    from worker.engines.training.together import Mates

_NAMED = 8
"""Examples of a broken batch that are named."""

Ending = Literal["finished", "early", "kept", "budget", "broken"]
Heed = Callable[[], None]
"""To be called between the pieces of long work that is no step: it raises where the run is to stop or to make room."""


class Learner(Protocol):
    """What a training kind brings: a model, how it learns from examples, and how it is judged."""

    @property
    def count(self) -> int:
        """Examples to learn from."""

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """Learn from these examples, one step; the figures of it, `loss` among them. Raises NotFinite."""

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """Judge the model on what it does not learn from; `heed` between batches. May draw: the run keeps its dice."""

    def show(self, folder: Path, heed: Heed) -> Path | None:
        """A picture or text of what the model makes now, as a file; None where there is nothing to show."""

    def name(self, row: int) -> str:
        """What an example is called in a sentence: `line 12`."""

    def state(self) -> State:
        """All that changes while it learns."""

    def restore(self, state: State) -> None:
        """Go back to that."""

    def weights(self) -> State:
        """What the model would be if the run ended now."""

    def take(self, weights: State) -> None:
        """Be that model."""


class Surroundings(Protocol):
    """What a run needs of its job's context; see `worker.context.JobContext`."""

    @property
    def device(self) -> str:
        """Where the learner computes."""

    @property
    def workdir(self) -> Path:
        """Where files may lie."""

    @property
    def mates(self) -> "Mates | None":
        """The other processes of a device group; None on one device."""

    def progress(self, done: int, total: int | None, note: str = "", text: str | None = None) -> None:
        """Say how far it is."""

    def check_cancelled(self) -> None:
        """Raise where the job is to stop."""

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        """Record a point of a curve."""

    def save_artifact(self, path: Path, role: Literal["preview"] = "preview", **meta: Any) -> None:
        """Show what the model makes now."""

    def checkpoint(self, path: Path) -> None:
        """Store a file so that another attempt finds it."""

    def restore(self, name: str) -> Path | None:
        """What an earlier attempt stored under this name."""

    def wish(self) -> Literal["pause", "keep", "yield", "prune"] | None:
        """What the loop is asked to do after this step."""

    def step_aside(self) -> None:
        """End this attempt; another goes on from the checkpoint. Raises."""


@dataclass(frozen=True)
class Plan:
    """How long to train, `steps` at most, and how to go about it."""

    batch: int
    steps: int
    seed: int
    #: Examples that go through the model together; the rest of a batch follows before the weights change.
    at_once: int
    #: Steps between evaluations, and between samples; None for none but at the end.
    evaluate_every: int | None = None
    show_every: int | None = None
    #: The figure by which one evaluation is better than another, and whether less of it is better.
    judged_by: str = "validation_loss"
    less_is_better: bool = True
    #: Evaluations without a better one after which the run ends; None for never.
    patience: int | None = None
    keep_best: bool = True
    budget_s: float | None = None
    #: Seconds between checkpoints at least; and steps, which goes before seconds (for tests).
    checkpoint_s: float = 30.0
    checkpoint_steps: int | None = None


@dataclass
class Standing:
    """How far a run has come; plain values, for its checkpoints."""

    at_once: int
    step: int = 0
    spent_s: float = 0.0
    halved: int = 0
    before: dict[str, float] = field(default_factory=dict)
    best: float | None = None
    best_step: int | None = None
    #: Evaluations since the best one.
    worse: int = 0
    ending: Ending | None = None
    broken: str | None = None
    #: How many evaluations and samples are behind it.
    passed: dict[str, int] = field(default_factory=dict)


@dataclass
class Outcome:
    """What came of a run: the figures before, after and of the best, and how it ended."""

    before: Mapping[str, float]
    after: Mapping[str, float] = field(default_factory=dict)
    ending: Ending = "finished"
    steps: int = 0
    epochs: float = 0.0
    seconds: float = 0.0
    best_step: int | None = None
    at_once: int = 0
    halved: int = 0
    curves: Curves = field(default_factory=Curves)
    #: What broke the run, as a sentence; its weights are the last good ones.
    broken: str | None = None


def broken(learner: Learner, rows: Sequence[int], step: int) -> str:
    """What is said of a step whose loss was no number: in which batch, and what to do."""
    names = [learner.name(row) for row in rows]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"The loss was not a number at step {step}, in the batch of {', '.join(names[:_NAMED])}{more}. "
        "The last good weights are kept. Look at these rows, or try a lower learning rate."
    )
