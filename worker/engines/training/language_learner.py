"""Learning to continue text: the loss of the next token, judged on held-out rows, with texts that it writes."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as nn

from worker.engines.training.adaptation import Adapted, as_mask
from worker.engines.training.descent import Descending, Descent, Moment
from worker.engines.training.packing import Batch, Strip, batch
from worker.engines.training.plan import Heed
from worker.engines.training.state import State

#: Strips of held-out rows that an evaluation looks at, and how many at once.
JUDGED, _TOGETHER = 256, 8


@dataclass(frozen=True)
class Told:
    """A model's words in the middle of a run: what it was asked, what the row says, and what it wrote."""

    prompt: str
    expected: str
    text: str


class LanguageLearner:
    """A language model that learns strips of examples; each strip is one of the loop's examples."""

    def __init__(
        self,
        adapted: Adapted,
        strips: Sequence[Strip],
        held: Sequence[Strip],
        how: Descending,
        *,
        padding: int,
        write: Callable[[Heed], Sequence[Told]] | None = None,
    ) -> None:
        """`held` is what it is judged by. `write` lets the model write its samples."""
        self.adapted, self.strips, self.held, self._padding, self._write = adapted, strips, held, padding, write
        self.descent = Descent(adapted.learning().values(), how)
        self._device = str(adapted.model.device)
        self._keeps = keeps_some(adapted.model)

    @property
    def count(self) -> int:
        """Strips to learn from."""
        return len(self.strips)

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """One step. Pieces of a batch are of about one length, so that little is padding."""
        self.adapted.model.train()
        rows = sorted(rows, key=lambda row: (-_length(self.strips[row]), row))
        ranks = self.adapted.ranks
        return self.descent.step(
            rows, moment, self._sum, self._weight, after=(lambda: ranks.after(moment.step)) if ranks else None
        )

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """The loss on held-out rows, per token, and its perplexity; nothing where no rows are held out."""
        return self.judge(self.held, heed)

    def judge(self, strips: Sequence[Strip], heed: Heed) -> dict[str, float]:
        """The same on other rows."""
        return judged(self.adapted.model, strips, heed, padding=self._padding)

    def loss(self, strips: Sequence[Strip]) -> torch.Tensor:
        """The loss summed over all tokens to learn, a scalar."""
        return summed_loss(self.adapted.model, batch(strips, self._padding, self._device), keeps=self._keeps)

    def show(self, folder: Path, heed: Heed) -> Path | None:
        """A page of samples."""
        return sheet(folder, self._write(heed)) if self._write is not None else None

    def name(self, row: int) -> str:
        """The lines of a strip."""
        return ", ".join(dict.fromkeys(each.name for each in self.strips[row]))

    def state(self) -> State:
        """What learns, its optimiser, and AdaLoRA's memory."""
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
        loss = self.loss([self.strips[row] for row in rows])
        if self.adapted.ranks:
            loss = loss + self.adapted.ranks.penalty() * self._weight(rows)
        return loss

    def _weight(self, rows: Sequence[int]) -> float:
        return float(sum(each.weight for row in rows for each in self.strips[row]))


def judged(model: Any, strips: Sequence[Strip], heed: Heed, *, padding: int) -> dict[str, float]:
    """The loss of a model on some strips, per token, and its perplexity; nothing where there are none.

    Args:
        model: continues texts.
        strips: at most `JUDGED` of them are looked at.
        heed: called between batches.
        padding: a token to fill up with.
    """
    if not strips:
        return {}
    model.eval()
    device, keeps = str(model.device), keeps_some(model)
    held = sorted(strips[:JUDGED], key=_length, reverse=True)
    total = weight = 0.0
    with torch.no_grad():
        for begin in range(0, len(held), _TOGETHER):
            heed()
            part = held[begin : begin + _TOGETHER]
            total += float(summed_loss(model, batch(part, padding, device), keeps=keeps))
            weight += sum(each.weight for strip in part for each in strip)
    mean = total / max(weight, 1)
    return {"validation_loss": mean, "perplexity": math.exp(min(mean, 100))}


def summed_loss(model: Any, given: Batch, *, keeps: bool) -> torch.Tensor:
    """The loss summed over all tokens to learn, a scalar."""
    with half_format(str(model.device)):
        said, true = answers(model, given, keeps=keeps)
    return nn.cross_entropy(said.float(), true, reduction="sum")


def answers(model: Any, given: Batch, *, keeps: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """What a model says of every token to learn, and which tokens these are: [tokens, vocabulary] and [tokens].

    With `keeps` the model computes its head where something is learned alone: a good part of a small model's work.
    """
    wanted, nexts = given.learned[:, 1:], given.tokens[:, 1:]
    columns = wanted.any(0).nonzero().squeeze(-1)
    inputs: dict[str, Any] = {"input_ids": given.tokens}
    if given.seen is not None:
        inputs |= {"position_ids": given.places, "attention_mask": as_mask(model, given.seen)}
    if keeps:
        logits = model(**inputs, logits_to_keep=columns, use_cache=False).logits
    else:
        # Virtual tokens come before all others.
        logits = model(**inputs, use_cache=False).logits[:, -given.tokens.shape[1] :][:, columns]
    chosen = wanted[:, columns]
    if chosen.all():  # choosing would copy them, and their gradients
        return logits.flatten(0, 1), nexts[:, columns].flatten()
    return logits[chosen], nexts[:, columns][chosen]


def keeps_some(model: Any) -> bool:
    """Whether a model can compute its head for some places alone."""
    config = getattr(model, "active_peft_config", None)
    if config is not None and config.is_prompt_learning:
        return False
    inner = model.get_base_model() if config is not None else model
    return "logits_to_keep" in inspect.signature(inner.forward).parameters


def sheet(folder: Path, told: Sequence[Told]) -> Path:
    """A page of samples."""
    path = folder / "samples.txt"
    path.write_text("\n\n".join(f"{each.prompt}\n→ {each.text}" for each in told), "utf-8")
    return path


def half_format(device: str) -> AbstractContextManager[Any]:
    """Computing in bfloat16 on a GPU that can; the weights stay as they are."""
    if device.startswith("cuda") and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


def _length(strip: Strip) -> int:
    return sum(len(each.tokens) for each in strip)
