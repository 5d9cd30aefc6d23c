"""Splitting a text into pieces that a voice can say in one breath. Knows no model and no sound."""

import re
from collections.abc import Callable, Iterator
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


def grouped(pieces: list[Piece], measure: Callable[[str], int], most: int) -> list[Piece]:
    """Pieces put together while `measure` says no more than `most`; a paragraph's end also ends a group."""
    groups: list[Piece] = []
    for piece in (part for whole in pieces for part in _fitting(whole, measure, most)):
        joined = f"{groups[-1].text} {piece.text}" if groups and not groups[-1].ends_paragraph else ""
        if joined and measure(joined) <= most:
            groups[-1] = Piece(joined, piece.ends_paragraph)
        else:
            groups.append(piece)
    return groups


def _fitting(piece: Piece, measure: Callable[[str], int], most: int) -> Iterator[Piece]:
    """A piece in halves, and those in halves, while it is too long and has more than one character."""
    middle = len(piece.text) // 2
    if middle == 0 or measure(piece.text) <= most:
        yield piece
        return
    space = piece.text.rfind(" ", 1, middle + 1)
    at = space if space > 0 else middle
    yield from _fitting(Piece(piece.text[:at].strip(), ends_paragraph=False), measure, most)
    yield from _fitting(Piece(piece.text[at:].strip(), piece.ends_paragraph), measure, most)


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
