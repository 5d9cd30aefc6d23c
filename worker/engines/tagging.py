"""Spans of a text that a token classifier names: people, places, or whatever its labels say.

A word has the label of its first token; words are joined as B- and I- say; long texts are read in windows that overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from shared.errors import JobError
from worker.engines.encoders import Encoder

#: How much of a window the next one reads again: a word there is judged where it has more around it.
_OVERLAP = 0.25
_NOTHING = "O"


@dataclass(frozen=True)
class Span:
    """A piece of a text, [start, end) in characters, its label, and how sure the model is, from 0 to 1."""

    start: int
    end: int
    text: str
    label: str
    score: float


@dataclass(frozen=True)
class Window:
    """A part of text number `text` that the model reads at once: its tokens, and where each word's first token is."""

    text: int
    tokens: list[int]
    #: (place in `tokens`, start and end of the word in the text), in order.
    words: list[tuple[int, int, int]]


class _Word(NamedTuple):
    start: int
    end: int
    label: str
    score: float
    #: Tokens between the word and the nearer edge of its window.
    inside: int


def windows(encoder: Encoder, number: int, text: str) -> list[Window]:
    """A text as windows of the model's size."""
    if not encoder.tokenizer.is_fast:
        raise JobError("model_unsupported", "This model's tokenizer does not say where in the text its tokens are.")
    read = encoder.tokenizer(
        text, truncation=True, max_length=encoder.window, stride=int(encoder.window * _OVERLAP),
        return_overflowing_tokens=True,
    )  # fmt: skip
    return [Window(number, list(part.ids), _words(part)) for part in read.encodings]


def spans(encoder: Encoder, text: str, read: Sequence[tuple[Window, torch.Tensor]]) -> list[Span]:
    """The spans of a text from its windows and what the model said of each, [length, labels]."""
    best: dict[int, _Word] = {}
    for window, logits in read:
        for word in _judged(encoder, window, logits):
            if word.start not in best or word.inside > best[word.start].inside:
                best[word.start] = word
    return [_span(text, group) for group in _joined(best[start] for start in sorted(best))]


def _words(part: Any) -> list[tuple[int, int, int]]:
    """Where each word begins among the tokens; the word's end is that of its last token."""
    found: list[tuple[int, int, int]] = []
    before: int | None = None
    for place, (word, (start, end)) in enumerate(zip(part.word_ids, part.offsets, strict=True)):
        if word is None:
            before = None
        elif word == before:
            found[-1] = (*found[-1][:2], end)
        elif end > start:
            found.append((place, start, end))
            before = word
    return found


def _judged(encoder: Encoder, window: Window, logits: torch.Tensor) -> Iterator[_Word]:
    # Of all tokens at once: asked word by word it takes a good part of the model's own time.
    best = logits.softmax(-1).max(-1)
    scores, labels = best.values.tolist(), best.indices.tolist()
    for place, start, end in window.words:
        inside = min(place, len(window.tokens) - 1 - place)
        yield _Word(start, end, encoder.labels[labels[place]], scores[place], inside)


def _joined(words: Iterator[_Word]) -> Iterator[list[_Word]]:
    """Words in a row of one entity: a B- begins another, and so does an I- of another sort than the word before."""
    group: list[_Word] = []
    for word in words:
        goes_on = group and not word.label.startswith("B-") and _sort(word.label) == _sort(group[-1].label)
        if group and not goes_on:
            yield group
            group = []
        if word.label != _NOTHING:
            group.append(word)
    if group:
        yield group


def _span(text: str, group: list[_Word]) -> Span:
    # Byte-level tokenizers count the space before a word to it.
    piece = text[group[0].start : group[-1].end]
    start = group[0].start + len(piece) - len(piece.lstrip())
    end = group[-1].end - (len(piece) - len(piece.rstrip()))
    score = sum(word.score for word in group) / len(group)
    return Span(start, end, text[start:end], _sort(group[0].label), round(score, 6))


def _sort(label: str) -> str:
    """PER of B-PER and I-PER; a label without such a beginning is its own."""
    return label[2:] if label[:2] in {"B-", "I-"} else label
