"""Where in a JSON text each value stands, so that a wrong field can be named by its line."""

import json
from json.decoder import scanstring  # type: ignore[attr-defined]  # what the decoder itself reads texts with

_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder()


def line_of(text: str, field: str) -> int | None:
    """The line, from 1, of the value at `steps.2.params.image`, or of the nearest one around it that there is.

    `text` is known to be JSON.
    """
    at = _skip(text, 0)
    for part in field.split(".") if field else []:
        inner = _members(text, at).get(part)
        if inner is None:
            break
        at = inner
    return text.count("\n", 0, at) + 1


def _members(text: str, at: int) -> dict[str, int]:
    """Where the values of an object or a list begin, by name or number; of anything else there are none."""
    found: dict[str, int] = {}
    if text[at : at + 1] not in {"{", "["}:
        return found
    named, at = text[at] == "{", _skip(text, at + 1)
    while text[at] not in "}]":
        name = str(len(found))
        if named:
            name, at = scanstring(text, at + 1)
            at = _skip(text, _skip(text, at) + 1)
        found[name] = at
        _, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
