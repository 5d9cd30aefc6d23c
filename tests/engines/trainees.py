"""What the training loop is tested with: a context that remembers checkpoints across attempts, and a small learner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from shared.errors import Superseded
from worker.engines.training.descent import Descending, Descent, Moment
from worker.engines.training.plan import Heed
from worker.engines.training.state import State
from worker.engines.training.together import Mates


class SteppedAside(BaseException):
    """The attempt made room."""


@dataclass
class Place:
    """The surroundings of a run. `store` outlives the attempts; `die_at` ends one as a kill would."""

    folder: Path
    store: dict[str, bytes] = field(default_factory=dict)
    die_at: int | None = None
    wishes: dict[int, Any] = field(default_factory=dict)
    points: dict[str, dict[int, float]] = field(default_factory=dict)
    device: str = "cpu"
    mates: Mates | None = None
    done: int = 0
    attempt: int = 0

    @property
    def workdir(self) -> Path:
        """A folder for each attempt."""
        made = self.folder / str(self.attempt)
        made.mkdir(exist_ok=True)
        return made

    def progress(self, done: int, total: int | None, note: str = "", text: str | None = None) -> None:
        """Die if it is time."""
        self.done = done
        if self.die_at is not None and done >= self.die_at:
            raise Superseded

    def check_cancelled(self) -> None:
        """Nobody cancels."""

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        """Remember the point."""
        if step is not None:
            self.points.setdefault(name, {})[step] = value

    def save_artifact(self, path: Path, role: str = "preview", **meta: Any) -> None:
        """Nobody looks."""

    def checkpoint(self, path: Path) -> None:
        """Keep the bytes."""
        self.store[path.name] = path.read_bytes()

    def restore(self, name: str) -> Path | None:
        """The bytes as a file."""
        if name not in self.store:
            return None
        path = self.workdir / name
        path.write_bytes(self.store[name])
        return path

    def wish(self) -> Any:
        """What was planned for this step."""
        return self.wishes.pop(self.done, None)

    def step_aside(self) -> None:
        """End the attempt."""
        raise SteppedAside

    def again(self) -> "Place":
        """The next attempt."""
        self.attempt, self.die_at = self.attempt + 1, None
        return self


class Line:
    """A line through points, with dropout so that the dice matter; `wrong` rows are no numbers."""

    def __init__(self, count: int = 40, *, seed: int = 0, fits: int = 100, wrong: Sequence[int] = ()) -> None:
        dice = torch.Generator().manual_seed(seed)
        self.inputs = torch.randn(count, 3, generator=dice)
        self.targets = self.inputs @ torch.tensor([1.0, -2.0, 0.5]) + 0.3
        for row in wrong:
            self.targets[row] = torch.nan
        self.held_inputs, self.held = torch.randn(20, 3, generator=dice), torch.zeros(20)
        self.held = self.held_inputs @ torch.tensor([1.0, -2.0, 0.5]) + 0.3
        weights = torch.randn(1, 3, generator=dice)
        self.model = torch.nn.Sequential(torch.nn.Dropout(0.1), torch.nn.Linear(3, 1))
        with torch.no_grad():
            self.model[1].weight.copy_(weights)
            self.model[1].bias.zero_()
        self.descent = Descent(self.model.parameters(), Descending(0.05, decay=0.01))
        self.fits, self.count, self.pieces = fits, count, [0]

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """A step; out of memory where more are asked for at once than fit."""
        self.model.train()
        return self.descent.step(rows, moment, self._loss)

    def _loss(self, rows: Sequence[int]) -> torch.Tensor:
        self.pieces.append(len(rows))
        if len(rows) > self.fits:
            raise torch.OutOfMemoryError("too many")
        said = self.model(self.inputs[list(rows)]).squeeze(-1)
        return ((said - self.targets[list(rows)]) ** 2).sum()

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """The squared error on held-out points."""
        heed()
        self.model.eval()
        # A careless evaluation that draws: the run must not miss it.
        torch.rand(7)
        with torch.inference_mode():
            return {"validation_loss": (self.model(self.held_inputs).squeeze(-1) - self.held).pow(2).mean().item()}

    def show(self, folder: Path, heed: Heed) -> Path | None:
        """Nothing."""
        return None

    def name(self, row: int) -> str:
        """As if from a file."""
        return f"line {row + 1}"

    def state(self) -> State:
        """Model and optimiser."""
        return {"model": self.model.state_dict(), "descent": self.descent.state()}

    def restore(self, state: State) -> None:
        """Both again."""
        self.model.load_state_dict(state["model"])
        self.descent.restore(state["descent"])

    def weights(self) -> State:
        """The model's."""
        return dict(self.model.state_dict())

    def take(self, weights: State) -> None:
        """Be that model."""
        self.model.load_state_dict(weights)
