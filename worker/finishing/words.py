"""Offensive words in a text, masked. The words are lists in files, one a language; knows no model."""

import re
from collections.abc import Iterable
from pathlib import Path

BUILT_IN = Path(__file__).parent / "wordlists"

MASK = "•"

#: Scripts that put no space between words: there a word is found anywhere.
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\U00020000-\U0002ffff]")


class WordFilter:
    """Masks the words of some lists, in any case; whole words only where a script parts them."""

    def __init__(self, words: Iterable[str]) -> None:
        wanted = sorted({word.strip().casefold() for word in words} - {""}, key=len, reverse=True)
        parts = [re.escape(word).replace(r"\ ", r"\s+") for word in wanted]
        bounded = [part for word, part in zip(wanted, parts, strict=True) if not _UNSPACED.search(word)]
        anywhere = [part for word, part in zip(wanted, parts, strict=True) if _UNSPACED.search(word)]
        either = [rf"(?<!\w)(?:{'|'.join(bounded)})(?!\w)"] * bool(bounded) + ["|".join(anywhere)] * bool(anywhere)
        # Without words a pattern that fits nowhere.
        self._pattern = re.compile("|".join(either) or r"(?!)", re.IGNORECASE)

    @classmethod
    def from_folder(cls, folder: Path = BUILT_IN) -> "WordFilter":
        """The words of every `<language>.txt` of a folder, one a line; a line that begins with # is a comment."""
        lines = [line for file in sorted(folder.glob("*.txt")) for line in file.read_text("utf-8").splitlines()]
        return cls(line for line in lines if not line.startswith("#"))

    def mask(self, text: str) -> tuple[str, int]:
        """The text with the inside of each found word masked, and how many there were."""
        return self._pattern.subn(_masked, text)


def _masked(found: re.Match[str]) -> str:
    word = found[0]
    return word[0] + MASK * (len(word) - 1) if len(word) > 1 else MASK
