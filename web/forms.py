"""A kind's JSON schema as form fields, and what a form sent as the kind's params.

Between the two stands `Typed`: the text in each field, as a person typed it. Knows no page and no database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from werkzeug.datastructures import MultiDict

from shared import kinds, search_space
from shared.errors import FieldError
from shared.kinds.params import SOME_FILE, Media
from web import written
from web.written import Pair, Typed

AUTOMATIC = "Automatic"
"""What a choice says that may be left out."""

DATASET = "dataset/"
"""Before the format of a dataset, where models have their task."""

ROLES = ("system", "user", "assistant")

ACCEPTED = {
    "image": "image/png,image/jpeg,image/webp",
    "audio": "audio/*,.wav,.flac,.mp3,.ogg,.opus,.m4a",
    "video": "video/mp4,video/quicktime,video/webm,video/x-matroska,.mp4,.mov,.webm,.mkv",
    "text": ".txt,.md,.srt,.vtt,text/plain",
    "table": ".csv,.tsv,.jsonl,.ndjson,.txt",
    "archive": ".zip,application/zip",
}
"""What a browser offers to choose from for each medium; the server looks for itself."""

_LINE_WIDGETS = {"textarea", "messages", "lines", "json"}


@dataclass(frozen=True)
class Choice:
    """One of the values that a field may have."""

    value: str
    label: str


@dataclass(frozen=True)
class Field:
    """One setting as a form shows it. `lacking`: it names a model, and the library has none for its `task`."""

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
    fixed: bool = False
    task: str = ""
    lacking: bool = False

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
    """A model that a `model` field may name; or a dataset, whose task is `dataset/` and its format."""

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
    schema, fixed = kinds.schema(kind), kinds.fixed(kind)
    required = set(schema.get("required", ()))
    found = [
        _field(
            name,
            written.flat(prop) | {"examples": _examples(schema, name)},
            written.number(fixed[name]) if name in fixed else typed.get(name),
            models,
            required=name in required,
            error=wrong.get(name),
            fixed=name in fixed,
        )
        for name, prop in schema["properties"].items()
    ]
    shown = sorted(found, key=lambda field: field.advanced)
    first = next((field.name for field in shown if field.error), None)
    return [replace(field, focused=field.name == first) for field in found]


def wanting(found: Sequence[Field]) -> Field | None:
    """The field without whose model a kind cannot work, where the library has no such model."""
    return next((field for field in found if field.lacking and not field.advanced), None)


def general_errors(kind: str, errors: Sequence[FieldError]) -> list[str]:
    """The sentences that belong to no field of this kind."""
    names = kinds.schema(kind)["properties"]
    return [error["message"] for error in errors if error["field"].split(".")[0] not in names]


def from_form(kind: str, form: MultiDict[str, str], *, complete: bool) -> Typed:
    """What was typed, but for what is fixed.

    A complete form says of a switch that is not in it that it is off; an address does not.
    """
    typed: Typed = {}
    fixed = kinds.fixed(kind)
    for name, prop in kinds.schema(kind)["properties"].items():
        widget = written.hints(prop)["widget"]
        if name in fixed:
            continue
        if widget in written.ROWS:
            rows = written.read_rows(form, name, widget)
            if rows or complete:
                typed[name] = rows
        elif name in form:
            text = form[name]
            typed[name] = text.replace("\r\n", "\n") if widget in _LINE_WIDGETS else text
        elif widget == "switch" and complete:
            typed[name] = ""
    return typed


def from_params(kind: str, params: Mapping[str, Any]) -> Typed:
    """Params as they would have been typed, but for what is fixed.

    A file that only stands for one of the reader's own is left to them.
    """
    properties, fixed = kinds.schema(kind)["properties"], kinds.fixed(kind)
    return {
        name: written.as_typed(written.hints(properties[name])["widget"], value)
        for name, value in params.items()
        if name in properties and name not in fixed and value != SOME_FILE
        and (value is not None or written.empties(properties[name]))
    }  # fmt: skip


def params(kind: str, typed: Typed) -> dict[str, Any]:
    """What was typed, as params to be checked with strict=False.

    Empty fields are left out, but for those that would get a value then: nothing is what was asked for.
    """
    found: dict[str, Any] = {}
    for name, prop in kinds.schema(kind)["properties"].items():
        if name not in typed:
            continue
        text, schema = typed[name], written.flat(prop)
        widget = written.hints(prop)["widget"]
        if isinstance(text, list):
            if text:
                found[name] = [written.as_row(widget, pair) for pair in text]
        elif widget == "switch":
            found[name] = text == "true"
        elif widget == "lines":
            found[name] = [written.unescape(line) for line in text.split("\n") if line]
        elif text.strip() or (text and widget == "textarea"):
            found[name] = written.read(widget, schema, text)
        elif written.empties(prop):
            found[name] = None
    return found


def values(kind: str, name: str, text: str) -> list[Any]:
    """One value of a field on each line that is not blank, as a batch varies it."""
    prop = kinds.schema(kind)["properties"][name]
    found = [written.value(written.flat(prop), written.unescape(line)) for line in text.split("\n") if line.strip()]
    return (
        [written.counted(each) for each in found] if written.flat(prop).get("type") in {"integer", "number"} else found
    )


def as_query(kind: str, typed: Typed) -> dict[str, str]:
    """What is typed, as values of an address; of rows each control by its number."""
    properties = kinds.schema(kind)["properties"]
    found: dict[str, str] = {}
    for name, value in typed.items():
        if isinstance(value, str):
            found[name] = value
            continue
        parts = written.ROWS[written.hints(properties[name])["widget"]]
        for number, pair in enumerate(value):
            found |= {f"{name}.{number}.{part}": text for part, text in zip(parts, pair, strict=True)}
    return found


def lines(varied: Sequence[Any]) -> str:
    """Values as they would have been typed: what `values` reads."""
    return "\n".join(
        ("on" if each else "off") if isinstance(each, bool) else written.escape(written.number(each)) for each in varied
    )


def can_vary(field: Field) -> bool:
    """Whether one line of text can stand for a value of this field."""
    return field.widget not in {*written.ROWS, "lines", "json"} and not field.fixed


def _field(
    name: str, prop: Mapping[str, Any], typed: str | list[Pair] | None, models: Sequence[ModelChoice], **marks: Any
) -> Field:
    hints = written.hints(prop)
    widget = hints["widget"]
    shown = typed if typed is not None else written.as_typed(widget, prop.get("default"))
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
        step=written.number(hints.get("step", 1 if whole else "any")),
        unit=str(hints.get("unit", "")),
        placeholder=str(hints.get("placeholder", "" if hints.get("advanced") else _sample(prop))),
        max_length=prop.get("maxLength"),
        media=cast(tuple[Media, ...], tuple(str(hints.get("media", "")).split())),
        task=str(hints.get("task", "")),
        lacking=widget in {"model", "dataset"} and all(model.task not in _tasks(hints) for model in models),
        **marks,
    )


def _tasks(hints: Mapping[str, Any]) -> set[str]:
    """What a field's model or dataset may be for."""
    formats = str(hints.get("formats", "")).split()
    return {f"{DATASET}{each}" for each in formats} or {str(hints.get("task", ""))}


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
    if hints["widget"] in {"model", "adapters", "dataset"}:
        found = [Choice(model.name, model.title) for model in models if model.task in _tasks(hints)]
        for value in dict.fromkeys(values):
            if value and all(choice.value != value for choice in found):
                # What was asked for stays visible, with the error that says it is not there.
                found.append(Choice(value, value))
    elif hints.get("choices") == "training":
        found = [Choice(kind, kinds.params_class(kind).title) for kind in search_space.searchable()]
    else:
        unit = f" {hints['unit']}" if "unit" in hints else ""
        found = [Choice(written.number(each), f"{written.choice(prop, each)}{unit}") for each in prop.get("enum", ())]
    blank = str(hints.get("placeholder", "")) or AUTOMATIC
    return [Choice("", blank), *found] if found and prop.get("nullable") else found
