"""What a form of a schedule submits, as the template of a job or of a batch: checked as a run will check it, with
its variables filled, and kept with the variables in it."""

from collections.abc import Mapping
from typing import Any

from shared import kinds, variables
from shared.errors import FieldError, Invalid
from shared.text import UNSTORABLE, storable
from web import forms
from web.pages.batch_forms import MAX_TITLE, BatchForm
from web.pages.translation import _

Made = tuple[dict[str, Any], list[FieldError]]
"""A template, and what is wrong with it."""

_JOB, _BATCH = "template.job.params", "template.batch"


def job_of(asked: BatchForm, given: Mapping[str, str]) -> Made:
    """The template of a job; `given` is what the variables stand for now."""
    raw = forms.params(asked.kind, asked.typed)
    try:
        filled = variables.fill(raw, given, _JOB)
    except Invalid as error:
        return {"kind": asked.kind}, error.errors
    checked, errors = _checked(asked.kind, filled, _JOB)
    return {"kind": asked.kind, "params": _kept(raw, filled, checked)}, errors


def batch_of(asked: BatchForm, given: Mapping[str, str], kept: Mapping[str, list[Any]]) -> Made:
    """The template of a batch, with `kept` varied too. Every value is checked beside the first of the others, once."""
    vary = {**kept, **asked.values}
    raw = {name: value for name, value in forms.params(asked.kind, asked.typed).items() if name not in vary}
    template: dict[str, Any] = {"kind": asked.kind, "mode": asked.mode, "title": asked.title or None, "vary": vary}
    errors = _title_errors(asked.title)
    try:
        filled = variables.fill(raw, given, f"{_BATCH}.params")
        values = variables.fill(vary, given, f"{_BATCH}.vary")
    except Invalid as error:
        return template, [*errors, *error.errors]
    first = {name: each[0] for name, each in values.items()}
    checked, wrong = _checked(asked.kind, filled | first, f"{_BATCH}.params")
    errors += [each for each in wrong if each["field"].split(".")[3] not in vary]
    template["params"] = _kept(raw, filled, checked)
    template["vary"] = {
        name: [
            _value(asked.kind, filled | first, name, (typed, value), errors)
            for typed, value in zip(vary[name], values[name], strict=True)
        ]
        for name in vary
    }
    return template, errors


def _value(kind: str, beside: Mapping[str, Any], name: str, value: tuple[Any, Any], errors: list[FieldError]) -> Any:
    """One value of a varied field, as typed and filled: of its own type, if no variable is in it."""
    typed, filled = value
    checked, wrong = _checked(kind, {**beside, name: filled}, f"{_BATCH}.params")
    place = f"{_BATCH}.vary.{name}"
    errors += [
        {"field": place, "message": f"{str(typed)[:60]}: {each['message']}"}
        for each in wrong
        if each["field"].split(".")[3] == name
    ]
    return _kept({name: typed}, {name: filled}, checked)[name]


def _kept(raw: Mapping[str, Any], filled: Mapping[str, Any], checked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: checked.get(name, value) if filled[name] == value else value for name, value in raw.items()}


def _checked(kind: str, params: Mapping[str, Any], place: str) -> Made:
    try:
        return kinds.validate(kind, dict(params), strict=False).model_dump(mode="json", exclude_unset=True), []
    except Invalid as error:
        return {}, [{**each, "field": f"{place}.{each['field']}"} for each in error.errors]


def _title_errors(title: str) -> list[FieldError]:
    told = _("Must be %(n)s characters or fewer.", n=MAX_TITLE) if len(title) > MAX_TITLE else ""
    told = told or ("" if storable(title) else UNSTORABLE)
    return [{"field": f"{_BATCH}.title", "message": told}] if told else []
