"""The running average of a network's weights: steadier than the weights themselves, and what is sampled from."""

import copy
from typing import Any, Generic, TypeVar

import torch

from worker.engines.training.state import State

T = TypeVar("T", bound=torch.nn.Module)


class Average(Generic[T]):
    """An average that forgets: each step it goes `1 - decay` of the way to the network, and faster at the start."""

    def __init__(self, network: T, decay: float) -> None:
        self.network: T = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def follow(self, network: T) -> None:
        """Take a step after the network; its buffers are taken as they are."""
        self.steps += 1
        # As TensorFlow's: an average of few steps had better not remember how the weights were drawn.
        share = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        mine: list[torch.Tensor] = list(self.network.parameters())
        theirs: list[torch.Tensor] = list(network.parameters())
        torch._foreach_lerp_(mine, theirs, share)
        for kept, now in zip(self.network.buffers(), network.buffers(), strict=True):
            kept.copy_(now)

    def state(self) -> State:
        """The average and its age."""
        return {"network": self.network.state_dict(), "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Both again."""
        self.network.load_state_dict(state["network"])
        self.steps = state["steps"]
