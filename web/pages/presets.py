"""The starting points that a kind offers, as links that fill its form: they need no script and can be shared."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flask import url_for

from shared import kinds
from web import forms
from web.forms import Typed


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
        found.append(Chip(preset.title, url_for("create.show", kind=kind, **_query(wanted)), current))
    return found


def _query(typed: Mapping[str, Any]) -> dict[str, Any]:
    """What is typed, as values of an address; a conversation by its turns."""
    found: dict[str, Any] = {}
    for name, value in typed.items():
        if isinstance(value, str):
            found[name] = value
            continue
        for number, (role, content) in enumerate(value):
            found |= {f"{name}.{number}.role": role, f"{name}.{number}.content": content}
    return found
