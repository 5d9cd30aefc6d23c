"""Passages of a text or a table, and those of them that are nearest to a question. Knows no conversation."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from worker.engines.encoders import Encoder, embed
from worker.engines.sentences import split
from worker.engines.tables import form_of, read_table

#: Characters of one passage: a paragraph, little enough that a small model reads three of them.
LONGEST = 600


@dataclass(frozen=True)
class Passage:
    """A piece of the knowledge: what is searched, what is read, and the line of the file where it begins."""

    line: int
    searched: str
    text: str


@dataclass(frozen=True)
class Knowledge:
    """Passages with their vectors of length 1, [passages, width]."""

    passages: list[Passage]
    vectors: torch.Tensor

    def nearest(self, encoder: Encoder, question: str, count: int) -> list[tuple[Passage, float]]:
        """The passages most like a question, best first, each with its likeness: 1 is the same, 0 is unrelated."""
        asked = embed(encoder, encoder.tokens([question]), normalise=True, on_batch=lambda _: None)
        best = (self.vectors @ asked[0]).topk(min(count, len(self.passages)))
        return [(self.passages[index], value) for value, index in zip(*map(torch.Tensor.tolist, best), strict=True)]


def read_passages(path: Path, name: str, media_type: str, column: str) -> list[Passage]:
    """Each row of a table: the column is searched, and the whole row is read. Or a plain text's paragraphs.

    Raises:
        JobError: the file is wrong, as `tables` says.
    """
    rows = read_table(path, name, media_type, column)
    if form_of(name, media_type) != "text":
        return [Passage(row.line, row.text, "\n".join([row.text, *_texts(row.others)])) for row in rows]
    found: list[Passage] = []
    before = -1
    for row in rows:
        for piece in _pieces(row.text):
            # Lines without a blank one between them are one paragraph.
            if found and row.line == before + 1 and len(found[-1].text) + len(piece) < LONGEST:
                joined = f"{found[-1].text} {piece}"
                found[-1] = Passage(found[-1].line, joined, joined)
            else:
                found.append(Passage(row.line, piece, piece))
        before = row.line
    return found


def learn(encoder: Encoder, passages: list[Passage], on_batch: Callable[[int], None]) -> Knowledge:
    """Passages with their vectors."""
    tokens = encoder.tokens([passage.searched for passage in passages])
    return Knowledge(passages, embed(encoder, tokens, normalise=True, on_batch=on_batch))


def _texts(others: dict[str, object]) -> list[str]:
    return [value.strip() for value in others.values() if isinstance(value, str) and re.search(r"\w", value)]


def _pieces(text: str) -> list[str]:
    """A long line as pieces that end with a sentence."""
    pieces: list[str] = []
    for sentence in split(text):
        if pieces and len(pieces[-1]) + len(sentence.text) < LONGEST:
            pieces[-1] = f"{pieces[-1]} {sentence.text}"
        else:
            pieces.append(sentence.text)
    return pieces
