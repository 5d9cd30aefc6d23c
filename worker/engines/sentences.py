"""Splitting a text into pieces that a voice can say in one breath. Knows no model and no sound."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: Characters. Speech models lose the thread in longer pieces, and progress stands still meanwhile.
LONGEST = 300

_END = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+|(?<=[。！？])")
_CLAUSE = re.compile(r"(?<=[,;:—、，；：])\s*")
_TITLES = {"mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "etc", "no", "vol", "fig", "e.g", "i.e"}


@dataclass(frozen=True)
class Piece:
    """A piece to say, and whether a paragraph ends with it."""

    text: str
    ends_paragraph: bool


def split(text: str) -> list[Piece]:
    """Sentences in order; long ones in parts, at a comma where there is one."""
    pieces: list[Piece] = []
    for paragraph in re.split(r"\n+", text.strip()):
        parts = [part for sentence in _sentences(paragraph) for part in _breaths(sentence)]
        pieces += [Piece(part, ends_paragraph=number == len(parts)) for number, part in enumerate(parts, start=1)]
    return pieces


def _sentences(paragraph: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(paragraph):
        end = match.end()
        before = paragraph[start:end].rstrip(" \"'”’)]")
        if _goes_on(before, paragraph[end : end + 1]):
            continue
        yield paragraph[start:end].strip()
        start = end
    if paragraph[start:].strip():
        yield paragraph[start:].strip()


def _goes_on(before: str, following: str) -> bool:
    """Whether the full stop belongs to a title ("Dr. Smith"), to an initial, or a small letter follows."""
    if not before.endswith("."):
        return False
    words = before[:-1].split()
    last = words[-1].lower().strip("(\"'") if words else ""
    return following.islower() or last in _TITLES or (len(last) == 1 and last.isalpha())


def _breaths(sentence: str) -> Iterator[str]:
    part = ""
    for clause in _words(_CLAUSE.split(sentence)):
        if part and len(part) + len(clause) + 1 > LONGEST:
            yield part
            part = clause
        else:
            part = f"{part} {clause}" if part else clause
    if part:
        yield part


def _words(clauses: list[str]) -> Iterator[str]:
    """Clauses; those that are too long themselves as words, and monstrous words in slices."""
    for clause in clauses:
        words = [clause] if len(clause) <= LONGEST else clause.split()
        for word in words:
            yield from (word[at : at + LONGEST] for at in range(0, len(word), LONGEST))
