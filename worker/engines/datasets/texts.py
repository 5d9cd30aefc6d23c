"""The texts within canonical rows: cleaned, brought into one form, compared, and parted into question and answer."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from worker.engines.datasets.columns import Row

_BLANKS = re.compile(r"[^\S\n]{2,}|[^\S\n ]")
_BREAKS = re.compile(r"\n{3,}")
#: Control characters but for tab and line feed, and what takes no room: zero-width space, byte order mark.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\ufeff\u2060]")
_NO_WORD = re.compile(r"[\W_]+")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"(?<![\w.])\+?\d[\d ()/-]{7,16}\d(?![\w.])")
#: What a row's own texts are called, where it has one of them.
_FIELDS = ("text", "caption", "prompt", "completion", "chosen", "rejected")


@dataclass(frozen=True)
class Mending:
    """What is done to every text: blanks and control characters (`clean`), Unicode's composed form, lower case."""

    clean: bool = True
    normalise: bool = True
    lower: bool = False

    def text(self, text: str) -> str:
        """A text, mended."""
        if self.normalise and not text.isascii():
            text = unicodedata.normalize("NFC", text)
        if self.lower:
            text = text.lower()
        if self.clean:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            text = _BLANKS.sub(" ", _CONTROL.sub("", text)).replace(" \n", "\n").replace("\n ", "\n")
            text = _BREAKS.sub("\n\n", text).strip()
        return text

    def row(self, row: Row) -> Row:
        """A row with all its texts mended; labels, tags and files stay."""
        return changed(row, self.text)


def changed(row: Row, change: Callable[[str], str]) -> Row:
    """A canonical row with a function applied to each of its texts."""
    made = dict(row)
    for name in _FIELDS:
        value = row.get(name)
        if isinstance(value, str):
            made[name] = change(value)
        elif isinstance(value, list):
            made[name] = [each | {"content": change(each["content"])} for each in value]
    if "messages" in row:
        made["messages"] = [each | {"content": change(each["content"])} for each in row["messages"]]
    if "tokens" in row:
        made["tokens"] = [change(each) for each in row["tokens"]]
    return made


def texts(row: Row) -> Iterator[str]:
    """Every text of a canonical row."""
    for name in _FIELDS:
        value = row.get(name)
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (each["content"] for each in value)
    if "messages" in row:
        yield from (each["content"] for each in row["messages"])
    if "tokens" in row:
        yield " ".join(row["tokens"])


def sides(row: Row) -> tuple[str, str]:
    """What stands before the answer that a model learns, and all from there on; nothing before where all is learned."""
    if "messages" in row:
        messages = row["messages"]
        first = next(index for index, each in enumerate(messages) if each["role"] == "assistant")
        before, after = messages[:first], messages[first:]
        return _joined(before), _joined(after)
    if "completion" in row:
        return row["prompt"], row["completion"]
    if "chosen" in row:
        prompt = row["prompt"] if isinstance(row["prompt"], str) else _joined(row["prompt"])
        return prompt, max(row["chosen"], row["rejected"], key=len)
    return "", "\n".join(texts(row))


def question(row: Row) -> str:
    """What two rows in two splits may not share: what is asked, of a label or a tag the text, else all of it."""
    if "messages" in row:
        return _joined(row["messages"])
    if "prompt" in row:
        return row["prompt"] if isinstance(row["prompt"], str) else _joined(row["prompt"])
    return "\n".join(texts(row))


def exact_key(row: Row) -> bytes:
    """The same for equal rows alone."""
    return _key(json.dumps(row, sort_keys=True, ensure_ascii=False))


def near_key(text: str) -> bytes:
    """The same for texts that differ in case, blanks and punctuation alone."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _key(_NO_WORD.sub(" ", text.casefold()).strip() or text)


def personal(row: Row) -> str | None:
    """An e-mail address or a telephone number in a row, the first of them."""
    for text in texts(row):
        found = (_MAIL.search(text) if "@" in text else None) or _PHONE.search(text)
        if found is not None:
            return found[0]
    return None


def _joined(messages: list[dict[str, Any]]) -> str:
    return "\n".join(each["content"] for each in messages)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
