"""The starting points that a kind offers, as links that fill its form: they need no script and can be shared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for

from shared import kinds
from web import forms
from web.forms import ModelChoice
from web.written import Typed


@dataclass(frozen=True)
class Chip:
    """One starting point. `current`: the form is filled with it."""

    title: str
    address: str
    current: bool


def chips(kind: str, typed: Typed, models: Sequence[ModelChoice]) -> list[Chip]:
    """Those of a kind whose models are in the library."""
    names, tasks = {each.name for each in models}, {each.task for each in models}
    fields = kinds.params_class(kind).model_tasks()
    if kinds.params_class(kind).needs_model and not tasks.intersection(fields.values()):
        return []
    found = []
    for preset in kinds.params_class(kind).presets:
        if any(preset.params[field] not in names for field in fields if field in preset.params):
            continue
        wanted = forms.from_params(kind, preset.params)
        current = bool(typed) and all(typed.get(name) == text for name, text in wanted.items())
        query: dict[str, Any] = {"kind": kind} | forms.as_query(kind, wanted)
        found.append(Chip(preset.title, url_for("create.show", **query), current))
    return found
