"""What a language model writes to the same few prompts before, during and after it learns: greedy, so comparable."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from worker.engines.decoding import write_each
from worker.engines.language import LanguageModel
from worker.engines.sampling import Sampling
from worker.engines.training.language_learner import Told
from worker.engines.training.masking import Reader, Row
from worker.engines.training.plan import Heed

#: How many rows are asked, and how many tokens are written to each.
ASKED, _WRITTEN = 3, 32


class Samples:
    """A model and what it is asked."""

    def __init__(self, lm: LanguageModel, model: Any, reader: Reader, rows: Sequence[Row]) -> None:
        """`model` is the one that learns, on `lm`'s."""
        self._lm = replace(lm, model=model)
        self._asked = [reader.prompt(row) for row in rows[:ASKED]]
        #: What it wrote last; after a run that is what its result writes.
        self.last: list[Told] = []

    def write(self, heed: Heed) -> list[Told]:
        """Its words to every prompt; `heed` is called with every token and may raise."""
        self._lm.model.eval()
        length = min(_WRITTEN, self._lm.window // 2)
        how = Sampling(max_new_tokens=length, temperature=0, top_k=0, top_p=1, repetition_penalty=1)
        prompts = [self._tokens(asked)[:, -(self._lm.window - length) :] for asked, _ in self._asked]
        rows = write_each(self._lm, prompts, how, heed) if prompts else []
        self.last = [
            Told(_as_text(asked), expected, row.text)
            for (asked, expected), row in zip(self._asked, rows, strict=True)
        ]  # fmt: skip
        return self.last

    def _tokens(self, asked: list[dict[str, str]] | str) -> torch.Tensor:
        return self._lm.encode(asked) if isinstance(asked, str) else self._lm.encode_chat(asked)


def pairs(before: Sequence[Told], after: Sequence[Told]) -> list[dict[str, str]]:
    """For a report: of every prompt what was wanted, and what was written before and after."""
    return [
        {"prompt": one.prompt, "expected": one.expected, "before": one.text, "after": other.text}
        for one, other in zip(before, after, strict=True)
    ]


def _as_text(asked: list[dict[str, str]] | str) -> str:
    return asked if isinstance(asked, str) else "\n".join(f"{turn['role']}: {turn['content']}" for turn in asked)
