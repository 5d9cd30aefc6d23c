"""The form of a new batch: what was typed in it, and the source of params that it stands for.

Knows no page and no database.
"""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from werkzeug.datastructures import MultiDict

from shared import kinds
from shared.batch_files import JsonLines
from shared.errors import FieldError
from shared.variations import Mode, Varied
from web import forms
from web.forms import Field
from web.written import Typed

Way = Literal["vary", "list", "file"]

VARY = "vary."
OWN = "batch."
"""Begins the names of what is no setting of the kind, which may have one of the same name."""

TITLE = f"{OWN}title"
MAX_TITLE = 200

PASTED = "pasted.jsonl"
_SAMPLE_ROWS = 3


@dataclass(frozen=True)
class BatchForm:
    """What was typed. `vary` has the values of each field, one a line; `items` JSON lines."""

    kind: str
    way: Way = "vary"
    typed: Typed = field(default_factory=dict)
    vary: dict[str, str] = field(default_factory=dict)
    mode: Mode = "product"
    items: str = ""
    title: str = ""

    @property
    def values(self) -> dict[str, list[object]]:
        """The values of each field that has any."""
        found = {name: forms.values(self.kind, name, text) for name, text in self.vary.items()}
        return {name: values for name, values in found.items() if values}

    @property
    def makes(self) -> int | None:
        """How many jobs the varied settings make; None where the lists do not fit side by side."""
        lengths = [len(values) for values in self.values.values()]
        if not lengths:
            return 0
        if self.mode == "product":
            return math.prod(lengths)
        return lengths[0] if len(set(lengths)) == 1 else None

    def source(self) -> Varied | JsonLines:
        """Of what was typed; a file is not among it."""
        if self.way == "list":
            return JsonLines({}, io.BytesIO(self.items.encode()), PASTED)
        params = forms.params(self.kind, self.typed)
        return Varied(params, self.values, self.mode, strict=False)


@dataclass(frozen=True)
class VaryField:
    """A field that may be varied: its values as typed, and what is wrong with them."""

    field: Field
    text: str
    sample: str
    errors: list[str]
    focused: bool = False

    @property
    def name(self) -> str:
        """Of its text area."""
        return f"{VARY}{self.field.name}"

    @property
    def id(self) -> str:
        """Of its text area."""
        return f"v-{self.field.name}"


@dataclass(frozen=True)
class Sample:
    """The first lines of a file for a kind, as CSV and as JSON lines."""

    csv: str
    jsonl: str


def read(kind: str, form: MultiDict[str, str], *, complete: bool) -> BatchForm:
    """What a form, or an address, says."""
    way = form.get(f"{OWN}way", "")
    names = kinds.schema(kind)["properties"]
    vary = {name: form.get(f"{VARY}{name}", "").replace("\r\n", "\n") for name in names}
    return BatchForm(
        kind=kind,
        way="list" if way == "list" else "file" if way == "file" else "vary",
        typed=forms.from_form(kind, form, complete=complete),
        vary={name: text for name, text in vary.items() if text.strip()},
        mode="zip" if form.get(f"{OWN}mode") == "zip" else "product",
        items=form.get(f"{OWN}items", "").replace("\r\n", "\n"),
        title=form.get(f"{OWN}title", "").strip(),
    )


def vary_fields(form: BatchForm, fields: Sequence[Field], errors: Sequence[FieldError]) -> list[VaryField]:
    """The fields that may be varied, each with its values and what is wrong with them."""
    wrong: dict[str, list[str]] = {}
    for error in errors:
        if error["field"].startswith(VARY):
            wrong.setdefault(error["field"].split(".")[1], []).append(error["message"])
    found = [
        VaryField(each, form.vary.get(each.name, ""), _sample(each), wrong.get(each.name, []))
        for each in fields
        if forms.can_vary(each)
    ]
    # A wrong field of the form itself stands above, and takes the focus.
    first = None if any(each.error for each in fields) else next((each.name for each in found if each.errors), None)
    return [replace(each, focused=each.name == first) for each in found]


def general(errors: Sequence[FieldError], fields: Sequence[Field]) -> list[str]:
    """The sentences that belong to no field of the form."""
    own = {each.name for each in fields}
    return [each["message"] for each in errors if _of_none(each["field"], own)]


def address(kind: str, typed: Typed) -> dict[str, str]:
    """What was typed, as the query values that fill the form with it again."""
    return {"kind": kind} | forms.as_query(kind, typed)


def varied_address(form: BatchForm) -> dict[str, str]:
    """The values that are varied, as query values beside those of `address`."""
    found = {f"{VARY}{name}": text for name, text in form.vary.items()}
    return found | {f"{OWN}mode": form.mode} | ({TITLE: form.title} if form.title else {})


def sample(kind: str) -> Sample:
    """Made of the examples that the kind itself gives."""
    examples = [_plain(each) for each in kinds.params_class(kind).examples[:_SAMPLE_ROWS]]
    names = list(dict.fromkeys(name for each in examples for name in each))
    table = io.StringIO()
    writer = csv.DictWriter(table, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(examples)
    return Sample(table.getvalue(), "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in examples))


def _of_none(field: str, own: set[str]) -> bool:
    first, _dot, rest = field.partition(".")
    return field != TITLE and first not in own and not (first == "vary" and rest)


def _plain(example: Mapping[str, object]) -> dict[str, object]:
    """Of an example what a cell can hold, in the order of the form."""
    return {name: value for name, value in example.items() if isinstance(value, str | int | float)}


def _sample(each: Field) -> str:
    """Two values that could stand in the text area of a field."""
    if each.widget == "switch":
        return "on\noff"
    if each.choices:
        return "\n".join(choice.value for choice in each.choices if choice.value)
    return ""
