"""What a classifier of the library thinks of a text: the hook of the safety filter for more than words."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import JobError
from worker.engines.encoders import Encoder, encoder_size, load_encoder
from worker.engines.loading import check_task

if TYPE_CHECKING:
    from worker.finishing.finisher import Workplace

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
    base = place.source(source.base) if source.base else None
    key = f"{source.key}+{base.key}#judge" if base else f"{source.key}#judge"
    encoder: Encoder = place.resident(key, lambda: load_encoder(source, base, "cpu"), encoder_size(source, base))
    return TextJudge(encoder, blocked)
