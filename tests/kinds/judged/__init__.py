"""Texts with the labels that a reader of this project gave them, to judge the starters by: none was trained on."""

import re
from pathlib import Path

_FOLDER = Path(__file__).parent
_NAME = re.compile(r"\[(PER|LOC|ORG) ([^\]]+)\]")
#: Titles and articles before a name: whether they belong to it is a matter of taste, so they count for nothing.
_BEFORE = ("the ", "The ", "Mr ", "Mrs ")


def sentiment() -> list[tuple[str, str]]:
    """Label and sentence."""
    lines = (_FOLDER / "sentiment.tsv").read_text("utf-8").splitlines()
    return [(label, text) for label, text in (line.split("\t") for line in lines)]


def entities() -> list[tuple[str, set[tuple[str, str]]]]:
    """Sentence, and the names in it with their sorts."""
    lines = (_FOLDER / "entities.txt").read_text("utf-8").splitlines()
    return [(_NAME.sub(r"\2", line), {(bare(name), sort) for sort, name in _NAME.findall(line)}) for line in lines]


def bare(name: str) -> str:
    """A name without the article or title before it."""
    for before in _BEFORE:
        name = name.removeprefix(before)
    return name
