"""How a form writes a kind's values as text, and how it reads them back. Knows no field and no page."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json
from werkzeug.datastructures import MultiDict

Pair = tuple[str, str]
Typed = dict[str, str | list[Pair]]
"""The text of each field; of one with rows its rows: of a conversation a role and what was said, of adapters a model
and its weight."""

MAX_ROWS = 200

ROWS = {"messages": ("role", "content"), "adapters": ("model", "weight")}
"""The widgets that have rows, each with the names of the two controls of a row."""


def flat(prop: Mapping[str, Any]) -> dict[str, Any]:
    """`X | None` as X that is nullable: what pydantic writes as an anyOf of two."""
    choices = prop.get("anyOf")
    if not choices:
        return {**prop, "enum": [prop["const"]]} if "const" in prop else dict(prop)
    merged: dict[str, Any] = {"nullable": any(each.get("type") == "null" for each in choices)}
    for each in choices:
        if each.get("type") != "null":
            merged |= each
    return merged | {name: value for name, value in prop.items() if name != "anyOf"}


def empties(prop: Mapping[str, Any]) -> bool:
    """Whether nothing may stand in a field that begins with something, such as the base of a model from nothing."""
    return bool(flat(prop).get("nullable")) and prop.get("default") is not None


def choice(prop: Mapping[str, Any], value: Any) -> str:
    """What people read of a value that is one of a list."""
    text = number(value)
    return str(hints(prop).get("titles", {}).get(text, text))


def hints(prop: Mapping[str, Any]) -> dict[str, Any]:
    """The `x-ui` hints, with a widget in any case: a kind from elsewhere may have forgotten them."""
    return {"widget": "text", **prop.get("x-ui", {})}


def as_typed(widget: str, value: Any) -> str | list[Pair]:
    """A param as it would have been typed."""
    if widget in ROWS:
        first, second = ROWS[widget]
        return [(number(row[first]), number(row.get(second, ""))) for row in value or ()]
    if widget == "lines":
        return "\n".join(escape(line) for line in value or ())
    if widget == "json":
        return "" if value is None else json.dumps(value, ensure_ascii=False, indent=1)
    return "" if value is None else number(value)


def number(value: Any) -> str:
    """A value as a person writes it: 2 and not 2.0, true and not True."""
    if isinstance(value, bool):
        return "true" if value else ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def value(schema: Mapping[str, Any], text: str) -> Any:
    """Text as the schema's own value where it is one of a list, else as it is: pydantic reads numbers from text."""
    for each in schema.get("enum", ()):
        if number(each) == text:
            return each
    return text.strip() if schema.get("type") in {"integer", "number"} else text


def read(widget: str, schema: Mapping[str, Any], text: str) -> Any:
    """What was typed in the one control of a field, as its value."""
    if widget == "file":
        return text.strip()
    return counted(text) if widget == "json" else value(schema, text)


def counted(text: Any) -> Any:
    """A number, or an object, that is written as one; what is none stays text, and is refused with its own words."""
    try:
        return from_json(text)
    except (TypeError, ValueError):
        return text


def read_rows(form: MultiDict[str, str], name: str, widget: str) -> list[Pair]:
    """Rows that say something, in the order of their numbers."""
    first, second = ROWS[widget]
    found: list[Pair] = []
    for number in range(MAX_ROWS):
        pair = [form.get(f"{name}.{number}.{part}", "").replace("\r\n", "\n") for part in (first, second)]
        if widget == "messages" and pair[1]:
            found.append((pair[0] or "user", pair[1]))
        elif widget == "adapters" and pair[0]:
            found.append((pair[0], pair[1]))
    return found


def as_row(widget: str, pair: Pair) -> dict[str, Any]:
    """A row as the kind has it; a weight that is left out is the kind's own."""
    first, second = ROWS[widget]
    if widget == "messages":
        return {first: pair[0], second: pair[1]}
    return {first: pair[0]} | ({second: counted(pair[1])} if pair[1].strip() else {})


# One text a line: a line break within a text is written \n, and a backslash twice.


def escape(line: str) -> str:
    """A text in one line."""
    return line.replace("\\", "\\\\").replace("\n", "\\n")


def unescape(line: str) -> str:
    """The text that a line stands for."""
    return "\\".join(part.replace("\\n", "\n") for part in line.split("\\\\"))
