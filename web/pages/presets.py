"""The starting points that a kind offers, as links that fill its form: they need no script and can be shared."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from flask import url_for

from shared import kinds
from web import forms
from web.written import Typed


@dataclass(frozen=True)
class Chip:
    """One starting point. `current`: the form is filled with it."""

    title: str
    address: str
    current: bool


def chips(kind: str, typed: Typed, models: Collection[str]) -> list[Chip]:
    """Those of a kind whose models are in the library."""
    fields = kinds.params_class(kind).model_tasks()
    found = []
    for preset in kinds.params_class(kind).presets:
        if any(preset.params.get(field, next(iter(models), "")) not in models for field in fields):
            continue
        wanted = forms.from_params(kind, preset.params)
        current = bool(typed) and all(typed.get(name) == text for name, text in wanted.items())
        query: dict[str, Any] = {"kind": kind} | forms.as_query(kind, wanted)
        found.append(Chip(preset.title, url_for("create.show", **query), current))
    return found
