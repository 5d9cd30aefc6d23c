"""Short examples side by side in one strip, none seeing another; and strips as tensors."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from worker.engines.training.masking import Example

Strip = Sequence[Example]
"""Examples that lie in one row of a batch, one after another."""


@dataclass(frozen=True)
class Batch:
    """Strips as tensors, all [strips, longest] but `seen`.

    `places` begins anew with every example. `seen` says which token may look at which, [strips, 1, longest, longest];
    None where every strip is one example: looking back alone does it then, since padding comes last.
    """

    tokens: torch.Tensor
    learned: torch.Tensor
    places: torch.Tensor
    seen: torch.Tensor | None


def strips(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Which examples share a strip of `room` tokens: each goes where the least room stays free, the longest first."""
    made: list[list[int]] = []
    free: list[tuple[int, int]] = []
    for number in sorted(range(len(lengths)), key=lambda number: (-lengths[number], number)):
        at = bisect_left(free, (lengths[number], 0))
        if at < len(free):
            left, strip = free.pop(at)
        else:
            left, strip = room, len(made)
            made.append([])
        made[strip].append(number)
        insort(free, (left - lengths[number], strip))
    return made


def batch(rows: Sequence[Strip], padding: int, device: str) -> Batch:
    """Strips as tensors on the device, padded at their ends to the longest."""
    longest = max(sum(len(each.tokens) for each in row) for row in rows)
    shape = len(rows), longest
    tokens, learned = torch.full(shape, padding), torch.zeros(shape, dtype=torch.bool)
    places, owner = torch.zeros(shape, dtype=torch.long), torch.full(shape, -1)
    for number, row in enumerate(rows):
        begin = 0
        for which, example in enumerate(row):
            end = begin + len(example.tokens)
            tokens[number, begin:end] = torch.tensor(example.tokens)
            learned[number, begin:end] = torch.tensor(example.learned)
            places[number, begin:end] = torch.arange(end - begin)
            owner[number, begin:end] = which
            begin = end
    seen = None
    if any(len(row) > 1 for row in rows):
        back = torch.ones(longest, longest, dtype=torch.bool).tril()
        seen = ((owner[:, :, None] == owner[:, None, :]) & back)[:, None].to(device)
    return Batch(tokens.to(device), learned.to(device), places.to(device), seen)
