"""What a language model writes to the same few prompts before, during and after it learns: greedy, so comparable."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from worker.engines.decoding import write
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
        self.last = [Told(_as_text(asked), expected, self._answer(asked, heed)) for asked, expected in self._asked]
        return self.last

    def _answer(self, asked: list[dict[str, str]] | str, heed: Heed) -> str:
        lm = self._lm
        tokens = lm.encode(asked) if isinstance(asked, str) else lm.encode_chat(asked)
        length = min(_WRITTEN, lm.window // 2)
        how = Sampling(max_new_tokens=length, temperature=0, top_k=0, top_p=1, repetition_penalty=1)
        (row,) = write(lm, tokens[:, -(lm.window - length) :], how, seeds=[0], on_step=lambda *_: heed())
        return row.text


def pairs(before: Sequence[Told], after: Sequence[Told]) -> list[dict[str, str]]:
    """For a report: of every prompt what was wanted, and what was written before and after."""
    return [
        {"prompt": one.prompt, "expected": one.expected, "before": one.text, "after": other.text}
        for one, other in zip(before, after, strict=True)
    ]


def _as_text(asked: list[dict[str, str]] | str) -> str:
    return asked if isinstance(asked, str) else "\n".join(f"{turn['role']}: {turn['content']}" for turn in asked)
