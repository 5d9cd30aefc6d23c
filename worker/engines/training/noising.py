"""How diffusion hides pictures in noise while it learns, what it is to say of them, and how much each answer counts."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Prediction = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True)
class Noising:
    """Noise over T times: `signal` [T] is the share of the clean picture's variance that is left at each.

    `gamma` bounds how much a time counts by its signal-to-noise ratio (min-SNR; Hang et al., arXiv:2303.09556); None
    counts all alike.
    """

    signal: Tensor
    prediction: Prediction
    gamma: float | None = None

    @classmethod
    def of(cls, scheduler: Any, device: str, gamma: float | None = None) -> "Noising":
        """As a scheduler of diffusers has it."""
        return cls(scheduler.alphas_cumprod.to(device), scheduler.config.prediction_type, gamma)

    def times(self, count: int) -> Tensor:
        """A time for each of so many pictures [count], spread evenly so that every batch has early and late ones."""
        spread = (torch.arange(count) + torch.rand(count)) / count
        return (spread * len(self.signal)).long().clamp(max=len(self.signal) - 1)

    def hide(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """The pictures [N, ...] as they are at these times [N]."""
        alpha, sigma = self._mixture(times, clean)
        return alpha * clean + sigma * noise

    def errors(self, said: Tensor, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """What each answer [N, ...] costs: the mean square of its error, weighed by its time, [N]."""
        alpha, sigma = self._mixture(times, clean)
        target = noise if self.prediction == "epsilon" else alpha * noise - sigma * clean
        return (said.float() - target.float()).square().flatten(1).mean(1) * self.weights(times)

    def weights(self, times: Tensor) -> Tensor:
        """How much these times count [N]."""
        if self.gamma is None:
            return torch.ones_like(times, dtype=torch.float32)
        ratio = (self.signal / (1 - self.signal))[times].float()
        # A velocity's error is already the picture's times ratio + 1, a noise's times ratio.
        return ratio.clamp(max=self.gamma) / (ratio + 1 if self.prediction == "v_prediction" else ratio.clamp(min=1e-9))

    def _mixture(self, times: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        signal = self.signal[times].view(-1, *[1] * (like.ndim - 1)).to(like.dtype)
        return signal.sqrt(), (1 - signal).sqrt()
