"""A text as it is written, token by token: whole characters, stop strings, and why it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Finish = Literal["stop", "length"]


@dataclass
class Row:
    """One text as it is written: its tokens, its text so far, and why it ended."""

    tokenizer: Any
    stop: Sequence[str]
    ends: frozenset[int]
    prompt_tail: list[int]
    text: str = ""
    tokens: int = 0
    finish: Finish | None = None
    #: Natural logarithm of the model's own probability of all tokens, whatever the sampling made of it; per token it
    #: says how well the model thinks of the text.
    likelihood: float = 0.0
    _ids: list[int] = field(default_factory=list)
    _from: int = 0
    _read: int = 0

    def __post_init__(self) -> None:
        self._ids = list(self.prompt_tail)
        self._read = len(self._ids)

    def add(self, token: int) -> None:
        """Take the next token; a finished row takes none."""
        if self.finish:
            return
        self.tokens += 1
        if token in self.ends:
            self.close("stop")
            return
        self._ids.append(token)
        fresh = self._fresh()
        if not fresh or fresh.endswith("\ufffd"):  # in the middle of a character of several tokens
            return
        self._from, self._read = self._read, len(self._ids)
        self._extend(fresh)

    def close(self, finish: Finish) -> None:
        """End the text; bytes of a character that was never completed go."""
        if self.finish:
            return
        self.finish = finish
        self._extend(self._fresh().rstrip("\ufffd"))

    @property
    def shown(self) -> str:
        """The text that is sure to stay: without an end that may turn out to be a stop string's beginning."""
        if self.finish:
            return self.text
        longest = max((len(stop) for stop in self.stop), default=1) - 1
        for length in range(min(longest, len(self.text)), 0, -1):
            if any(stop.startswith(self.text[-length:]) for stop in self.stop):
                return self.text[:-length]
        return self.text

    def _fresh(self) -> str:
        known, now = (
            self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            for ids in (self._ids[self._from : self._read], self._ids[self._from :])
        )
        return str(now[len(known) :])

    def _extend(self, fresh: str) -> None:
        searched = len(self.text)
        self.text += fresh
        hits = [self.text.find(stop, max(0, searched - len(stop) + 1)) for stop in self.stop]
        found = [hit for hit in hits if hit >= 0]
        if found:
            self.text, self.finish = self.text[: min(found)], "stop"
