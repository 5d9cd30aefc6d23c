"""A kind's JSON schema as form fields, and what a form sent as the kind's params.

Between the two stands `Typed`: the text in each field, as a person typed it. Knows no page and no database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic_core import from_json
from werkzeug.datastructures import MultiDict

from shared import kinds
from shared.errors import FieldError
from shared.kinds.params import Media

Pair = tuple[str, str]
Typed = dict[str, str | list[Pair]]
"""The text of each field; of one with rows its rows: of a conversation a role and what was said, of adapters a model
and its weight."""

AUTOMATIC = "Automatic"
"""What a choice says that may be left out."""

ROLES = ("system", "user", "assistant")
MAX_ROWS = 200

ROWS = {"messages": ("role", "content"), "adapters": ("model", "weight")}
"""The widgets that have rows, each with the names of the two controls of a row."""

ACCEPTED = {
    "image": "image/png,image/jpeg,image/webp",
    "audio": "audio/*,.wav,.flac,.mp3,.ogg,.opus,.m4a",
    "video": "video/mp4,video/quicktime,video/webm,video/x-matroska,.mp4,.mov,.webm,.mkv",
    "text": ".txt,.md,.srt,.vtt,text/plain",
    "table": ".csv,.tsv,.jsonl,.ndjson,.txt",
}
"""What a browser offers to choose from for each medium; the server looks for itself."""

_LINE_WIDGETS = {"textarea", "messages", "lines"}


@dataclass(frozen=True)
class Choice:
    """One of the values that a field may have."""

    value: str
    label: str


@dataclass(frozen=True)
class Field:
    """One setting as a form shows it."""

    name: str
    title: str
    help: str
    widget: str
    required: bool
    advanced: bool
    value: str
    rows: list[Pair]
    choices: list[Choice]
    error: str | None
    minimum: float | None
    maximum: float | None
    step: str
    unit: str
    placeholder: str
    max_length: int | None
    media: tuple[Media, ...] = ()
    focused: bool = False

    @property
    def id(self) -> str:
        """The id of its control on the page."""
        return f"f-{self.name}"

    @property
    def accept(self) -> str:
        """The types of file that a browser is to offer."""
        return ",".join(ACCEPTED[each] for each in self.media)


@dataclass(frozen=True)
class ModelChoice:
    """A model that a `model` field may name."""

    name: str
    title: str
    task: str


def fields(
    kind: str, typed: Typed, models: Sequence[ModelChoice] = (), errors: Sequence[FieldError] = ()
) -> list[Field]:
    """The fields of a kind, filled with what was typed, or with defaults, and with the errors of each."""
    wrong: dict[str, str] = {}
    for error in errors:
        wrong.setdefault(error["field"].split(".")[0], error["message"])
    schema = kinds.schema(kind)
    required = set(schema.get("required", ()))
    found = [
        _field(
            name,
            _flat(prop) | {"examples": _examples(schema, name)},
            typed.get(name),
            models,
            required=name in required,
            error=wrong.get(name),
        )
        for name, prop in schema["properties"].items()
    ]
    shown = sorted(found, key=lambda field: field.advanced)
    first = next((field.name for field in shown if field.error), None)
    return [replace(field, focused=field.name == first) for field in found]


def general_errors(kind: str, errors: Sequence[FieldError]) -> list[str]:
    """The sentences that belong to no field of this kind."""
    names = kinds.schema(kind)["properties"]
    return [error["message"] for error in errors if error["field"].split(".")[0] not in names]


def from_form(kind: str, form: MultiDict[str, str], *, complete: bool) -> Typed:
    """What was typed. A complete form says of a switch that is not in it that it is off; an address does not."""
    typed: Typed = {}
    for name, prop in kinds.schema(kind)["properties"].items():
        widget = _hints(prop)["widget"]
        if widget in ROWS:
            rows = _rows(form, name, widget)
            if rows or complete:
                typed[name] = rows
        elif name in form:
            text = form[name]
            typed[name] = text.replace("\r\n", "\n") if widget in _LINE_WIDGETS else text
        elif widget == "switch" and complete:
            typed[name] = ""
    return typed


def from_params(kind: str, params: Mapping[str, Any]) -> Typed:
    """Params as they would have been typed."""
    properties = kinds.schema(kind)["properties"]
    return {
        name: _as_typed(_hints(properties[name])["widget"], value)
        for name, value in params.items()
        if name in properties and value is not None
    }


def params(kind: str, typed: Typed) -> dict[str, Any]:
    """What was typed, as params to be checked with strict=False; empty fields are left out."""
    found: dict[str, Any] = {}
    for name, prop in kinds.schema(kind)["properties"].items():
        if name not in typed:
            continue
        text, schema = typed[name], _flat(prop)
        widget = _hints(prop)["widget"]
        if isinstance(text, list):
            if text:
                found[name] = [_row(widget, pair) for pair in text]
        elif widget == "file":
            if text.strip():
                found[name] = text.strip()
        elif widget == "switch":
            found[name] = text == "true"
        elif widget == "lines":
            found[name] = [_unescape(line) for line in text.split("\n") if line]
        elif text.strip() or (text and widget == "textarea"):
            found[name] = _value(schema, text)
    return found


def values(kind: str, name: str, text: str) -> list[Any]:
    """One value of a field on each line that is not blank, as a batch varies it."""
    prop = kinds.schema(kind)["properties"][name]
    found = [_value(_flat(prop), _unescape(line)) for line in text.split("\n") if line.strip()]
    return [_counted(each) for each in found] if _flat(prop).get("type") in {"integer", "number"} else found


def as_query(kind: str, typed: Typed) -> dict[str, str]:
    """What is typed, as values of an address; of rows each control by its number."""
    properties = kinds.schema(kind)["properties"]
    found: dict[str, str] = {}
    for name, value in typed.items():
        if isinstance(value, str):
            found[name] = value
            continue
        parts = ROWS[_hints(properties[name])["widget"]]
        for number, pair in enumerate(value):
            found |= {f"{name}.{number}.{part}": text for part, text in zip(parts, pair, strict=True)}
    return found


def lines(varied: Sequence[Any]) -> str:
    """Values as they would have been typed: what `values` reads."""
    return "\n".join(("on" if each else "off") if isinstance(each, bool) else _escape(_number(each)) for each in varied)


def can_vary(field: Field) -> bool:
    """Whether one line of text can stand for a value of this field."""
    return field.widget not in {*ROWS, "lines"}


def _field(
    name: str, prop: Mapping[str, Any], typed: str | list[Pair] | None, models: Sequence[ModelChoice], **marks: Any
) -> Field:
    hints = _hints(prop)
    widget = hints["widget"]
    shown = typed if typed is not None else _as_typed(widget, prop.get("default"))
    value = shown if isinstance(shown, str) else ""
    whole = prop.get("type") == "integer"
    return Field(
        name=name,
        title=prop.get("title", name),
        help=prop.get("description", ""),
        widget=widget,
        advanced=bool(hints.get("advanced")),
        value=value,
        rows=shown if isinstance(shown, list) else [],
        choices=_choices(prop, hints, [value] if isinstance(shown, str) else [row[0] for row in shown], models),
        minimum=prop.get("minimum", prop.get("exclusiveMinimum")),
        maximum=prop.get("maximum", prop.get("exclusiveMaximum")),
        step=_number(hints.get("step", 1 if whole else "any")),
        unit=str(hints.get("unit", "")),
        placeholder=str(hints.get("placeholder", "" if hints.get("advanced") else _sample(prop))),
        max_length=prop.get("maxLength"),
        media=cast(tuple[Media, ...], tuple(str(hints.get("media", "")).split())),
        **marks,
    )


def _examples(schema: Mapping[str, Any], name: str) -> list[Any]:
    return [example[name] for example in schema["examples"] if name in example]


def _sample(prop: Mapping[str, Any]) -> str:
    """A text that the kind itself gives as an example, to show what could stand here."""
    texts = [each for each in prop["examples"] if isinstance(each, str)]
    return texts[-1] if texts else ""


def _choices(
    prop: Mapping[str, Any], hints: Mapping[str, Any], values: Sequence[str], models: Sequence[ModelChoice]
) -> list[Choice]:
    """The values to choose among; first an empty one where the setting may be left out."""
    if hints["widget"] in {"model", "adapters"}:
        found = [Choice(model.name, model.title) for model in models if model.task == hints.get("task")]
        for value in dict.fromkeys(values):
            if value and all(choice.value != value for choice in found):
                # What was asked for stays visible, with the error that says it is not there.
                found.append(Choice(value, value))
    else:
        unit = f" {hints['unit']}" if "unit" in hints else ""
        found = [Choice(_number(each), f"{_number(each)}{unit}") for each in prop.get("enum", ())]
    blank = str(hints.get("placeholder", "")) or AUTOMATIC
    return [Choice("", blank), *found] if found and prop.get("nullable") else found


def _flat(prop: Mapping[str, Any]) -> dict[str, Any]:
    """`X | None` as X that is nullable: what pydantic writes as an anyOf of two."""
    choices = prop.get("anyOf")
    if not choices:
        return {**prop, "enum": [prop["const"]]} if "const" in prop else dict(prop)
    merged: dict[str, Any] = {"nullable": any(each.get("type") == "null" for each in choices)}
    for each in choices:
        if each.get("type") != "null":
            merged |= each
    return merged | {name: value for name, value in prop.items() if name != "anyOf"}


def _hints(prop: Mapping[str, Any]) -> dict[str, Any]:
    """The `x-ui` hints, with a widget in any case: a kind from elsewhere may have forgotten them."""
    return {"widget": "text", **prop.get("x-ui", {})}


def _as_typed(widget: str, value: Any) -> str | list[Pair]:
    if widget in ROWS:
        first, second = ROWS[widget]
        return [(_number(row[first]), _number(row.get(second, ""))) for row in value or ()]
    if widget == "lines":
        return "\n".join(_escape(line) for line in value or ())
    return "" if value is None else _number(value)


def _number(value: Any) -> str:
    """A value as a person writes it: 2 and not 2.0, true and not True."""
    if isinstance(value, bool):
        return "true" if value else ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def _value(schema: Mapping[str, Any], text: str) -> Any:
    """Text as the schema's own value where it is one of a list, else as it is: pydantic reads numbers from text."""
    for each in schema.get("enum", ()):
        if _number(each) == text:
            return each
    return text.strip() if schema.get("type") in {"integer", "number"} else text


def _counted(text: Any) -> Any:
    """A number that is written as one; what is none stays text, and is refused with its own words."""
    try:
        return from_json(text)
    except (TypeError, ValueError):
        return text


def _rows(form: MultiDict[str, str], name: str, widget: str) -> list[Pair]:
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


def _row(widget: str, pair: Pair) -> dict[str, Any]:
    """A row as the kind has it; a weight that is left out is the kind's own."""
    first, second = ROWS[widget]
    if widget == "messages":
        return {first: pair[0], second: pair[1]}
    return {first: pair[0]} | ({second: _counted(pair[1])} if pair[1].strip() else {})


# One text a line: a line break within a text is written \n, and a backslash twice.


def _escape(line: str) -> str:
    return line.replace("\\", "\\\\").replace("\n", "\\n")


def _unescape(line: str) -> str:
    return "\\".join(part.replace("\\n", "\n") for part in line.split("\\\\"))
