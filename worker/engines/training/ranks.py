"""AdaLoRA's ranks: which directions of an adapter stay is decided while it learns (Zhang and others, 2023)."""

from collections.abc import Mapping
from typing import Any

import torch

from worker.engines.training.state import State

_MEMORIES = ("ipt", "exp_avg_ipt", "exp_avg_unc")


def stages(steps: int) -> dict[str, Any]:
    """How a run of so many steps is divided: a tenth with all ranks, a third with those that are left at the end."""
    total = max(steps, 3)
    return {
        "total_step": total,
        "tinit": total // 10,
        "tfinal": max(1, total // 3),
        "deltaT": max(1, total // 50),
    }


class Ranks:
    """The importance of every direction, and what follows from it. Its model is peft's `AdaLoraModel`."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._config = model.peft_config["default"]
        self._memory = model.rankallocator

    def after(self, step: int) -> None:
        """Judge the directions by the gradients of this step, while they are there; 0 is the first step."""
        if step + 1 <= self._config.total_step:
            self._model.update_and_allocate(step + 1)

    def penalty(self) -> torch.Tensor:
        """How far the directions are from being at right angles; part of the loss."""
        off = []
        for name, each in self._model.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                square = each @ each.T if "lora_A" in name else each.T @ each
                off.append(torch.linalg.matrix_norm(square - torch.eye(len(square), device=each.device)))
        return torch.stack(off).mean() * float(self._config.orth_reg_weight)

    def pattern(self) -> State | None:
        """Which directions are left, where that has been decided."""
        return self._config.rank_pattern or None

    def take_pattern(self, pattern: State | None) -> None:
        """Have decided that."""
        self._config.rank_pattern = dict(pattern or {})

    def state(self) -> State:
        """What it remembers."""
        return {name: dict(getattr(self._memory, name)) for name in _MEMORIES} | {"pattern": self.pattern()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember that."""
        for name in _MEMORIES:
            setattr(self._memory, name, dict(state[name]))
        self.take_pattern(state["pattern"])
