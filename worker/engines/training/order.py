"""In which order a training sees its examples: each epoch all of them, shuffled anew, known by the seed alone."""

import torch

from worker.engines.training.state import State


class Order:
    """Batches of example numbers, epoch after epoch. Where it stands is two numbers, so it goes on after a stop."""

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self.count, self.batch, self.seed = count, batch, seed
        self.epoch, self.taken = 0, 0
        self._shuffled = self._shuffle()

    @property
    def per_epoch(self) -> int:
        """Batches of one epoch; the last may be smaller."""
        return -(-self.count // self.batch)

    def take(self) -> list[int]:
        """The next batch."""
        if self.taken >= self.count:
            self.epoch, self.taken = self.epoch + 1, 0
            self._shuffled = self._shuffle()
        rows = self._shuffled[self.taken : self.taken + self.batch]
        self.taken += len(rows)
        return rows

    def state(self) -> State:
        """Where it stands."""
        return {"epoch": self.epoch, "taken": self.taken}

    def restore(self, state: State) -> None:
        """Stand there again."""
        self.epoch, self.taken = state["epoch"], state["taken"]
        self._shuffled = self._shuffle()

    def _shuffle(self) -> list[int]:
        # Of a generator of its own: what a model draws in between changes no order.
        dice = torch.Generator().manual_seed((self.seed + 0x9E3779B97F4A7C15 * (self.epoch + 1)) % 2**63)
        return torch.randperm(self.count, generator=dice).tolist()
