"""What a classifier of the library thinks of a text: the hook of the safety filter for more than words."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from shared.errors import JobError
from worker.engines.encoders import Encoder, resident_encoder
from worker.engines.loading import check_task

if TYPE_CHECKING:
    from shared.library import ModelSource
    from worker.finishing.finisher import Workplace

T = TypeVar("T")

#: Characters that are judged at once: about what a small model holds.
_PIECE = 1000


@dataclass(frozen=True)
class Verdict:
    """The label that speaks against a text most, and how sure the classifier is of it."""

    label: str
    score: float


class TextJudge:
    """A classifier, and the labels that no text may get."""

    def __init__(self, encoder: Encoder, blocked: Collection[str]) -> None:
        if unknown := set(blocked) - set(encoder.labels):
            raise JobError(
                "safety_filter_missing",
                f"The safety filter is to block “{min(unknown)}”, and its classifier knows only: "
                f"{', '.join(encoder.labels)}.",
            )
        self._encoder, self._blocked = encoder, [encoder.labels.index(label) for label in blocked]

    def verdict(self, text: str) -> Verdict:
        """The worst of a text's pieces."""
        pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)] or [""]
        worst = Verdict("", 0.0)
        for tokens in self._encoder.tokens(pieces):
            chances = self._encoder.logits([tokens]).softmax(-1)[0].tolist()
            for label in self._blocked:
                if chances[label] > worst.score:
                    worst = Verdict(self._encoder.labels[label], chances[label])
        return worst


def text_judge(place: Workplace, name: str, blocked: Collection[str]) -> TextJudge:
    """The classifier of this name, kept in memory as other models are.

    Raises:
        JobError: it is not in the library, or not for texts.
    """
    source = check_task(place.source(name), "text-classification")
    _, encoder = resident_encoder(source, _Bench(place))
    return TextJudge(encoder, blocked)


@dataclass(frozen=True)
class _Bench:
    """A workplace as a source of models: a judge runs on the CPU, apart from the same model of a job."""

    place: Workplace
    device: str = "cpu"

    def model(self, name: str) -> ModelSource:
        return self.place.source(name)

    def resident(self, key: str, load: Callable[[], T], size: int | None = None) -> T:
        kept: T = self.place.resident(f"{key}#judge", load, size)
        return kept
