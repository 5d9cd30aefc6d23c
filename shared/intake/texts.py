"""Texts and tables: UTF-8 without a mark at its beginning and without NUL, checked line by line; no more is judged."""

import codecs
from pathlib import Path

from shared.intake.caps import Caps
from shared.intake.made import Made
from shared.intake.refusal import Refusal

_CHUNK = 1 << 20
_SUFFIXES = {
    "text/csv": ".csv", "text/tab-separated-values": ".tsv", "application/jsonl": ".jsonl", "text/vtt": ".vtt",
    "text/markdown": ".md",
}  # fmt: skip


def read(source: Path, name: str, caps: Caps) -> Made:  # noqa: ARG001 - every reader is asked the same
    """The text of media type `name`, written anew as UTF-8.

    Raises:
        Refusal: it is not UTF-8 (or UTF-16 that says so), it has a NUL, or nothing is in it.
    """
    target = Path("text")
    lines, written = 1, 0
    with source.open("rb") as sent, target.open("wb") as kept:
        decoder = codecs.getincrementaldecoder(_encoding(sent.read(4)))("strict")
        sent.seek(0)
        while True:
            chunk = sent.read(_CHUNK)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                line = lines + error.object[: error.start].count(b"\n")
                raise Refusal("unsupported_text", f"Line {line:,} is not UTF-8. Save the text as UTF-8.") from error
            if "\0" in text:
                line = lines + text[: text.index("\0")].count("\n")
                raise Refusal("unsupported_text", f"Line {line:,} has a NUL character, which no text has.")
            lines += text.count("\n")
            written += kept.write(text.encode())
            if not chunk:
                break
    if not written:
        raise Refusal("empty_file", "There is no text in the file.")
    return Made(target.name, name, _SUFFIXES.get(name, ".txt"), meta={"lines": lines})


def _encoding(head: bytes) -> str:
    return "utf-16" if head[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE} else "utf-8-sig"
