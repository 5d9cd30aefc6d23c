"""The curves of a run: kept in its checkpoints, and written at its end as the event file that TensorBoard reads."""

from pathlib import Path

import torch
from tensorboardX import SummaryWriter

from worker.engines.training.state import State


class Curves:
    """Points by name. A run that goes on has all of its past."""

    def __init__(self) -> None:
        self._points: dict[str, dict[int, float]] = {}

    def add(self, name: str, step: int, value: float) -> None:
        """A point; a step that is done again replaces its own."""
        self._points.setdefault(name, {})[step] = value

    def write(self, folder: Path) -> Path:
        """An event file in a folder of its own; the file."""
        with SummaryWriter(str(folder)) as writer:
            for name, points in self._points.items():
                for step, value in sorted(points.items()):
                    writer.add_scalar(name, value, step)
        return next(folder.glob("events.out.tfevents.*"))

    def state(self) -> State:
        """All points."""
        steps = {name: torch.tensor(list(points)) for name, points in self._points.items()}
        values = {
            name: torch.tensor(list(points.values()), dtype=torch.float64) for name, points in self._points.items()
        }
        return {"steps": steps, "values": values}

    def restore(self, state: State) -> None:
        """All points of an earlier attempt."""
        self._points = {
            name: dict(zip(steps.tolist(), state["values"][name].tolist(), strict=True))
            for name, steps in state["steps"].items()
        }
