"""The settings that a PNG carries in its text: our own record, or the lines that most image tools write.

Reads the headers of chunks and skips the rest, so that a picture of any size costs little. The browser reads the same
in static/js/picture.js.
"""

import json
import re
import struct
from typing import Any, BinaryIO

from shared.errors import Invalid
from web.pages.translation import _

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT = 256 << 10
"""Bytes of one text chunk; a longer one is skipped."""

MAX_CHUNKS = 20_000
RECORD, LINES = "atelier", "parameters"

_NAMES = {"Steps": "steps", "CFG scale": "guidance", "Seed": "seed", "Model": "model"}
_SETTING = re.compile(r"\s*([A-Za-z][\w /-]*):\s*([^,]*)(?:,|$)")


def settings(file: BinaryIO) -> dict[str, str]:
    """The settings in a PNG as a form has them, by name; `kind` is one of them.

    Raises:
        Invalid: it is no PNG, or has no settings.
    """
    texts = _texts(file)
    try:
        record = json.loads(texts.get(RECORD, ""))
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict) and "prompt" in record:
        found = {name: _typed(value) for name, value in record.items() if isinstance(value, str | int | float)}
    elif LINES in texts:
        found = _from_lines(texts[LINES])
    else:
        found = {}
    if not found:
        raise Invalid(_("This picture has no settings in it. Other programs leave them out."), field="picture")
    return {"kind": "generate_image"} | {name: text.replace("\x00", "") for name, text in found.items()}


def _texts(file: BinaryIO) -> dict[str, str]:
    """The text chunks by keyword.

    Raises:
        Invalid: it is no PNG.
    """
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise Invalid(_("This is no PNG. Choose a picture that was made here, as it was downloaded."), field="picture")
    texts: dict[str, str] = {}
    for _number in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        size, kind = struct.unpack(">I4s", head)
        if kind in {b"tEXt", b"iTXt"} and size <= MAX_TEXT:
            keyword, text = _text(kind, file.read(size))
            texts.setdefault(keyword, text)
            file.seek(4, 1)
        else:
            file.seek(size + 4, 1)
    return texts


def _text(kind: bytes, data: bytes) -> tuple[str, str]:
    keyword, _zero, rest = data.partition(b"\x00")
    name = keyword.decode("latin-1")
    if kind == b"tEXt":
        return name, rest.decode("latin-1")
    if rest[:1] != b"\x00":
        return name, ""  # packed: neither we nor the common tools write it so
    text = rest[2:].partition(b"\x00")[2].partition(b"\x00")[2]
    return name, text.decode("utf-8", "replace")


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _from_lines(text: str) -> dict[str, str]:
    """The prompt, “Negative prompt: …”, and a last line of “Name: value, …”."""
    lines = text.strip().split("\n")
    last = dict(_SETTING.findall(lines[-1])) if "Steps:" in lines[-1] else {}
    prompt, _word, negative = "\n".join(lines[:-1] if last else lines).partition("Negative prompt:")
    found = {"prompt": prompt.strip(), "negative_prompt": negative.strip()}
    found |= {ours: last[theirs].strip() for theirs, ours in _NAMES.items() if theirs in last}
    size = re.fullmatch(r"(\d{1,5})x(\d{1,5})", last.get("Size", "").strip())
    if size:
        found |= {"width": size[1], "height": size[2]}
    return {name: value for name, value in found.items() if value} if found["prompt"] else {}
