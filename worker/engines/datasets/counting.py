"""Tokens of rows, as a model's own tokenizer counts them, and how many fit the length that is trained at."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from shared.errors import JobError
from worker.engines.loading import check_folder
from worker.engines.unpacking import unpacked_gguf

if TYPE_CHECKING:
    from shared.library import ModelSource

#: Characters of a token, about, where there is no tokenizer to ask.
_CHARACTERS = 4
_BARS = 20
#: Tokens that the form of a conversation adds to a row, about.
FORM = 8


class Counter:
    """Counts tokens; without a tokenizer it reckons with four characters each, and says so."""

    def __init__(self, name: str = "", tokenizer: Path | None = None) -> None:
        self._tokenizer = Tokenizer.from_file(str(tokenizer)) if tokenizer is not None else None
        if self._tokenizer is not None:
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
        self.told = f"Counted by the tokenizer of {name}." if tokenizer else "Reckoned at four characters a token."

    def count(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text."""
        if self._tokenizer is None:
            return [-(-len(text) // _CHARACTERS) for text in texts]
        return [len(each) for each in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


@dataclass
class Lengths:
    """How long rows are, in tokens."""

    most: int
    all: array[int] = field(default_factory=lambda: array("I"))

    def add(self, tokens: int) -> None:
        """One row more."""
        self.all.append(tokens)

    @property
    def mean(self) -> float:
        """Tokens of a row as it is trained: what is cut off does not count."""
        return sum(min(each, self.most) for each in self.all) / max(len(self.all), 1)

    def told(self) -> dict[str, Any]:
        """For a report: how many, the middle and the long ones, how many are cut, and a histogram."""
        ordered = sorted(self.all)
        if not ordered:
            return {"total": 0, "p50": 0, "p95": 0, "max": 0, "truncated": 0, "truncated_share": 0.0, "histogram": []}
        cut = sum(each > self.most for each in ordered)
        return {
            "total": sum(ordered),
            "p50": ordered[(len(ordered) - 1) // 2],
            "p95": ordered[int(0.95 * (len(ordered) - 1))],
            "max": ordered[-1],
            "truncated": cut,
            "truncated_share": round(cut / len(ordered), 4),
            "histogram": _histogram(ordered),
        }


def _histogram(ordered: Sequence[int]) -> list[dict[str, int]]:
    """Bars of equal width up to nearly the longest; the last takes what is longer."""
    least, reach = ordered[0], ordered[int(0.99 * (len(ordered) - 1))]
    width = -(-(reach - least + 1) // _BARS)
    bars = [0] * (-(-(reach - least + 1) // width))
    for each in ordered:
        bars[min((each - least) // width, len(bars) - 1)] += 1
    starts = [least + index * width for index in range(len(bars) + 1)]
    ends = [start - 1 for start in starts[1:]]
    ends[-1] = max(ends[-1], ordered[-1])
    return [{"from": start, "to": end, "rows": rows} for start, end, rows in zip(starts, ends, bars, strict=False)]


def tokenizer_folder(source: ModelSource) -> Path:
    """The folder of a language model, with its `tokenizer.json`.

    Raises:
        JobError: it has none.
    """
    folder = unpacked_gguf(source) if source.file and source.file.endswith(".gguf") else check_folder(source)
    if not (folder / "tokenizer.json").is_file():
        told = f"The model “{source.name}” has no tokenizer.json to count with. Choose another, or none."
        raise JobError("model_unsupported", told, field="model")
    return folder
