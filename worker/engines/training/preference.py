"""Learning which of two answers is liked better: direct preference optimisation (Rafailov and others, 2023)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as nn

from worker.engines.training.adaptation import Adapted
from worker.engines.training.company import ALONE, Company
from worker.engines.training.descent import Descending, Descent, Moment
from worker.engines.training.language_learner import (
    JUDGED,
    Told,
    answers,
    half_format,
    keeps_some,
    sheet,
)
from worker.engines.training.masking import Example, Reader, Row
from worker.engines.training.packing import batch
from worker.engines.training.plan import Heed
from worker.engines.training.state import State

_TOGETHER = 8


@dataclass(frozen=True)
class Pair:
    """One prompt with the answer that was chosen and the one that was not."""

    chosen: Example
    rejected: Example

    @property
    def name(self) -> str:
        """The row it comes from."""
        return self.chosen.name


def pairs_of(reader: Reader, rows: Sequence[Row]) -> tuple[list[Pair], int]:
    """The pairs of some rows, and how many had nothing left to learn; a prompt may be a conversation."""
    found: list[Pair] = []
    for row in rows:
        both = [reader.example(_answered(row, row[which])) for which in ("chosen", "rejected")]
        if all(each.weight for each in both):
            found.append(Pair(*both))
    return found, len(rows) - len(found)


def preference_loss(
    chosen: torch.Tensor, rejected: torch.Tensor, before_chosen: torch.Tensor, before_rejected: torch.Tensor,
    beta: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The loss of every pair, and the rewards of its two answers, all [pairs].

    Args:
        chosen: log-probability of each chosen answer now, [pairs].
        rejected: that of the rejected one.
        before_chosen: that of the chosen one by the model as it was.
        before_rejected: and of the rejected one.
        beta: how dear it is to leave the model as it was.
    """
    liked, disliked = beta * (chosen - before_chosen), beta * (rejected - before_rejected)
    return -nn.logsigmoid(liked - disliked), liked.detach(), disliked.detach()


class PreferenceLearner:
    """A language model that learns pairs."""

    def __init__(
        self, adapted: Adapted, learned: Sequence[Pair], held: Sequence[Pair], how: Descending, *, beta: float,
        padding: int, write: Callable[[Heed], Sequence[Told]] | None = None,
        on_pair: Callable[[int], None] | None = None,
    ) -> None:  # fmt: skip
        """Where all weights learn, what the model says of all pairs before is asked now, and `on_pair` counts them."""
        self.adapted, self.learned, self.held = adapted, learned, list(held[:JUDGED])
        self.beta, self._padding, self._write = beta, padding, write
        self._device = str(adapted.model.device)
        self._keeps = keeps_some(adapted.model)
        self.descent = Descent(adapted.learning().values(), how)
        #: Log-probabilities of both answers of every pair by the model as it was, [pairs, 2]: where no adapter can be
        #: switched off to ask again.
        self._before: torch.Tensor | None = None
        if not adapted.is_adapter and (learned or held):
            self._before = self._asked_before([*learned, *self.held], on_pair or (lambda _: None))
        self._rewards: list[tuple[torch.Tensor, torch.Tensor]] = []

    @property
    def count(self) -> int:
        """Pairs to learn from."""
        return len(self.learned)

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """One step; beside the loss the rewards of both answers, their margin, and how often the chosen one's is more.

        A reward is beta times how much likelier the answer has become.
        """
        self.adapted.model.train()
        self._rewards = []
        ranks = self.adapted.ranks
        figures = self.descent.step(
            rows, moment, self._sum, after=(lambda: ranks.after(moment.step)) if ranks else None
        )
        return figures | _figures(self._rewards, moment.company)

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """Loss, margin and accuracy on held-out pairs."""
        if not self.held:
            return {}
        self.adapted.model.eval()
        total, rewards, first = 0.0, [], len(self.learned)
        with torch.no_grad():
            for begin in range(0, len(self.held), _TOGETHER):
                heed()
                part = self.held[begin : begin + _TOGETHER]
                loss, *both = self._loss(part, range(first + begin, first + begin + len(part)))
                total += loss.sum().item()
                rewards.append((both[0], both[1]))
        found = _figures(rewards)
        return {"validation_loss": total / len(self.held)} | {
            f"validation_{name}": value for name, value in found.items()
        }

    def show(self, folder: Path, heed: Heed) -> Path | None:
        """A page of samples."""
        return sheet(folder, self._write(heed)) if self._write is not None else None

    def name(self, row: int) -> str:
        """The row of the pair."""
        return self.learned[row].name

    def state(self) -> State:
        """What learns and its optimiser; what was before is computed again from the base."""
        ranks = self.adapted.ranks
        return {
            "adapted": self.adapted.weights(),
            "descent": self.descent.state(),
            "ranks": ranks.state() if ranks else None,
        }

    def restore(self, state: State) -> None:
        """Go back to that."""
        self.adapted.take(state["adapted"])
        self.descent.restore(state["descent"])
        if self.adapted.ranks:
            self.adapted.ranks.restore(state["ranks"])

    def weights(self) -> State:
        """What has been learned."""
        return self.adapted.weights()

    def take(self, weights: State) -> None:
        """Have learned that."""
        self.adapted.take(weights)

    def _sum(self, rows: Sequence[int]) -> torch.Tensor:
        loss, liked, disliked = self._loss([self.learned[row] for row in rows], rows)
        self._rewards.append((liked, disliked))
        total = loss.sum()
        return total + self.adapted.ranks.penalty() * len(rows) if self.adapted.ranks else total

    def _loss(self, pairs: Sequence[Pair], places: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        now = self._likelihoods(pairs)
        before = self._as_it_was(pairs) if self._before is None else self._before[list(places)].to(now.device)
        return preference_loss(now[:, 0], now[:, 1], before[:, 0], before[:, 1], self.beta)

    def _as_it_was(self, pairs: Sequence[Pair]) -> torch.Tensor:
        """What the base says of the pairs, [pairs, 2]: in their own batch, so that nothing moved is nothing exactly."""
        learning = self.adapted.model.training
        self.adapted.model.eval()
        try:
            with torch.no_grad(), self.adapted.switched_off():
                return self._likelihoods(pairs)
        finally:
            self.adapted.model.train(learning)

    def _likelihoods(self, pairs: Sequence[Pair]) -> torch.Tensor:
        """Log-probabilities of the chosen and the rejected answers, [pairs, 2]."""
        examples = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
        given = batch([[each] for each in examples], self._padding, self._device)
        with half_format(self._device):
            said, true = answers(self.adapted.model, given, keeps=self._keeps)
        each = -nn.cross_entropy(said.float(), true, reduction="none")
        # The tokens come example by example, so many of each as it teaches.
        lengths = torch.tensor([example.weight for example in examples], device=each.device)
        owner = torch.arange(len(examples), device=each.device).repeat_interleave(lengths)
        sums = torch.zeros(len(examples), device=each.device).index_add(0, owner, each)
        return sums.view(2, -1).T

    def _asked_before(self, pairs: Sequence[Pair], tell: Callable[[int], None]) -> torch.Tensor:
        """What the model says of all pairs, [pairs, 2]."""
        self.adapted.model.eval()
        found = []
        with torch.no_grad():
            for begin in range(0, len(pairs), _TOGETHER):
                tell(begin)
                found.append(self._likelihoods(pairs[begin : begin + _TOGETHER]).cpu())
        return torch.cat(found)


def _figures(rewards: Sequence[tuple[torch.Tensor, torch.Tensor]], company: Company = ALONE) -> dict[str, float]:
    """The means over all pairs, of all processes."""
    sums = [
        (len(liked), liked.sum().item(), disliked.sum().item(), (liked > disliked).sum().item())
        for liked, disliked in rewards
    ]
    count, liked, disliked, right = company.meet(*(sum(each) for each in zip((0, 0.0, 0.0, 0), *sums, strict=True)))
    return {
        "reward_chosen": liked / count,
        "reward_rejected": disliked / count,
        "margin": (liked - disliked) / count,
        "accuracy": right / count,
    }


def _answered(row: Row, answer: Any) -> dict[str, Any]:
    """The row as a conversation or as a prompt with its completion."""
    words = answer if isinstance(answer, str) else answer[-1]["content"]
    if isinstance(row["prompt"], str):
        return {"prompt": row["prompt"], "completion": words, "line": row.get("line", "?")}
    return {"messages": [*row["prompt"], {"role": "assistant", "content": words}], "line": row.get("line", "?")}
