"""How the next token is chosen: settings, and sampling in which each row has its own dice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from transformers import LogitsProcessor


class Asked(Protocol):
    """How a job asks for the next token to be chosen."""

    @property
    def max_new_tokens(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def top_k(self) -> int: ...
    @property
    def top_p(self) -> float: ...
    @property
    def repetition_penalty(self) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is chosen, and where the text ends."""

    max_new_tokens: int
    temperature: float
    top_k: int
    top_p: float
    repetition_penalty: float
    stop: Sequence[str] = ()

    @classmethod
    def of(cls, asked: Asked, stop: Sequence[str] = ()) -> Self:
        """As a job asks for it; its text ends before the first text of `stop`."""
        return cls(
            max_new_tokens=asked.max_new_tokens,
            temperature=asked.temperature,
            top_k=asked.top_k,
            top_p=asked.top_p,
            repetition_penalty=asked.repetition_penalty,
            stop=stop,
        )


def dice_of(seeds: Sequence[int]) -> list[torch.Generator]:
    """The dice of rows, by their seeds. Always the CPU's, so that a seed says the same on every device."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


class SeededSampler(LogitsProcessor):
    """Sampling as an argmax: logits plus Gumbel noise, drawn by each row's own generator.

    The noise belongs to the token, not to its rank, so rounding between batch sizes does not change the choice.
    """

    def __init__(self, sampling: Sampling, dice: Sequence[torch.Generator]) -> None:
        """`dice` are of the rows, in their order; see `dice_of`."""
        self.temperature, self.top_k, self.top_p = sampling.temperature, sampling.top_k, sampling.top_p
        self.dice = dice

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - their form
        """The scores whose argmax is the sample."""
        scores = scores.float() / self.temperature
        vocabulary = scores.shape[-1]
        uniform = torch.stack([torch.rand(vocabulary, generator=each) for each in self.dice])
        uniform = uniform.to(scores.device)
        if self.top_k == 0 and self.top_p == 1:
            return scores + _gumbel(uniform)
        best, tokens = scores.topk(min(self.top_k or vocabulary, vocabulary), dim=-1)
        chance = best.softmax(-1)
        # A token stays while those before it have not reached top_p; so the first always stays.
        beyond = chance.cumsum(-1) - chance >= self.top_p
        best = (best + _gumbel(uniform.gather(-1, tokens))).masked_fill(beyond, -torch.inf)
        return torch.full_like(scores, -torch.inf).scatter(-1, tokens, best)


def _gumbel(uniform: torch.Tensor) -> torch.Tensor:
    # Clamped, so that neither logarithm is infinite.
    return -torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7)))
