"""The variables of a template's texts: `{date}` becomes the day of the due tick, `{{` a brace.

Own and small on purpose: `str.format` would let a text reach into the attributes of what it is given.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from shared.errors import FieldError, Invalid

MAX_DEPTH = 20
"""Lists and objects within each other. No kind's params come near; deeper ones are not worth walking through."""

_PIECE = re.compile(r"\{\{|\}\}|\{(\w*)\}|[{}]")

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def values(due_at: datetime, where: ZoneInfo, *, run: int, schedule: str) -> dict[str, str]:
    """What each variable stands for at a due tick, by the clock of the schedule's zone."""
    local = due_at.astimezone(where)
    return {
        "date": f"{local:%Y-%m-%d}",
        "time": f"{local:%H:%M}",
        "datetime": f"{local:%Y-%m-%d %H:%M}",
        "weekday": _WEEKDAYS[local.weekday()],
        "year": f"{local:%Y}",
        "month": f"{local:%m}",
        "day": f"{local:%d}",
        "hour": f"{local:%H}",
        "minute": f"{local:%M}",
        "run": str(run),
        "schedule": schedule,
    }


def fill(params: Mapping[str, Any], given: Mapping[str, str], field: str) -> dict[str, Any]:
    """The params with the variables of every text filled, however deep it lies.

    Raises:
        Invalid: unknown variables and lone braces, each with the field it is in; `field` is where the params are.
    """
    errors: list[FieldError] = []
    filled = {name: _filled(value, given, f"{field}.{name}", errors, MAX_DEPTH) for name, value in params.items()}
    if errors:
        raise Invalid(errors[0]["message"], code="bad_variable", field=errors[0]["field"], errors=errors)
    return filled


def _filled(value: Any, given: Mapping[str, str], field: str, errors: list[FieldError], depth: int) -> Any:
    if isinstance(value, str):
        complaint = _complaint(value, given)
        if complaint:
            errors.append({"field": field, "message": complaint})
        return value if complaint else _PIECE.sub(lambda found: _piece(found, given), value)
    if not depth and isinstance(value, (dict, list)):
        errors.append({"field": field, "message": f"This is nested more than {MAX_DEPTH} deep."})
        return value
    if isinstance(value, dict):
        return {name: _filled(part, given, f"{field}.{name}", errors, depth - 1) for name, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, given, f"{field}.{place}", errors, depth - 1) for place, part in enumerate(value)]
    return value


def _piece(found: re.Match[str], given: Mapping[str, str]) -> str:
    return given[found[1]] if found[1] is not None else found[0][0]


def _complaint(text: str, given: Mapping[str, str]) -> str | None:
    for found in _PIECE.finditer(text):
        if found[0] in {"{", "}"}:
            return f"A lone brace: write {found[0] * 2} for {found[0]}, or one of {_known(given)}."
        if found[1] is not None and found[1] not in given:
            return f"There is no variable {{{found[1][:60]}}}; there are {_known(given)}. Write {{{{ for a brace."
    return None


def _known(given: Mapping[str, str]) -> str:
    return ", ".join(f"{{{name}}}" for name in given)
