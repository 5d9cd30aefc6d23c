"""The form of a schedule: what was typed in it, as terms; terms, as they would have been typed; and its errors.

A field of the schedule itself is named `s-…` on the page, so that no param of a kind can have the same name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from werkzeug.datastructures import MultiDict

from shared import cron, kinds, variables
from shared.complaints import field_errors
from shared.errors import FieldError, Invalid
from shared.schedule import Schedule, Terms
from web import forms
from web.forms import Typed
from web.pages.repeats import DEFAULTS, FIELD_OF, cron_of, fields_of
from web.pages.translation import _

OWN: dict[str, str] = {"name": "", **DEFAULTS, "zone": "UTC", "overlap": "skip", "missed": "once", "hours": "24"}
"""The fields of the schedule itself, as they stand in an empty form."""

_PARAMS = "template.job.params"
_NAMES = {"window_s": "hours"}


@dataclass(frozen=True)
class Draft:
    """What was typed: the schedule's own fields, a kind, and the kind's. `batch`: its template stays as it is."""

    own: dict[str, str]
    kind: str
    typed: Typed
    batch: dict[str, Any] | None = None


def from_form(kind: str, form: MultiDict[str, str]) -> Draft:
    """What a form sent; fields that it has not keep their defaults."""
    own = {name: form.get(f"s-{name}", default) for name, default in OWN.items()}
    return Draft(own, kind, forms.from_form(kind, form, complete=True))


def from_schedule(schedule: Schedule) -> Draft:
    """A schedule as it would have been typed."""
    terms = schedule.terms
    own = OWN | fields_of(terms.cron) | {name: getattr(terms, name) for name in ("name", "zone", "overlap", "missed")}
    own["hours"] = f"{terms.window_s / 3600:g}" if terms.window_s else OWN["hours"]
    content = terms.template.content
    if terms.template.batch is not None:
        return Draft(own, content.kind, {}, terms.template.model_dump(mode="json"))
    return Draft(own, content.kind, forms.from_params(content.kind, content.params))


def terms_of(draft: Draft, kept: Mapping[str, Any] | None = None) -> Terms:
    """The terms that a form means; `kept` is what of a template's job the form does not show.

    Raises:
        Invalid: some fields are wrong: every one of them is named, as the page names it.
    """
    errors: list[FieldError] = []
    asked: dict[str, Any] = {name: draft.own[name] for name in ("name", "zone", "overlap", "missed")}
    try:
        asked["cron"] = cron.parse(cron_of(draft.own))
    except Invalid as error:
        errors += page_errors(error.errors, draft)
        asked["cron"] = "@daily"
    try:
        where = cron.zone(draft.own["zone"])
    except Invalid as error:
        errors += page_errors(error.errors, draft)
        where = cron.zone("UTC")
    if draft.own["missed"] == "all":
        asked["window_s"] = _window(draft.own["hours"], errors)
    if draft.batch is not None:
        asked["template"] = draft.batch
    else:
        given = variables.values(datetime.now(UTC), where, run=1, schedule=draft.own["name"])
        job = {**(kept or {}), "kind": draft.kind, "params": _params(draft, given, errors)}
        asked["template"] = {"job": job}
    try:
        terms = Terms.model_validate(asked)
    except ValidationError as error:
        errors += page_errors(field_errors(error), draft)
    if errors:
        raise Invalid(errors[0]["message"], field=errors[0]["field"], errors=errors)
    return terms


def page_errors(errors: list[FieldError], draft: Draft) -> list[FieldError]:
    """Errors of the API's fields, or of ours without their prefix, by the names of the fields on the page."""
    return [{**error, "field": _page_name(error["field"], draft)} for error in errors]


def _page_name(field: str, draft: Draft) -> str:
    if field.startswith(f"{_PARAMS}."):
        return field.removeprefix(f"{_PARAMS}.").split(".")[0]
    if field == "cron":
        return f"s-{FIELD_OF.get(draft.own['repeat'], 'time')}"
    name = _NAMES.get(field, field)
    return f"s-{name}" if name in OWN else field


def _params(draft: Draft, given: Mapping[str, str], errors: list[FieldError]) -> dict[str, Any]:
    """The params of a form: checked as they will be with variables filled, and kept with the variables in them."""
    raw = forms.params(draft.kind, draft.typed)
    try:
        filled = variables.fill(raw, given, _PARAMS)
        checked = kinds.validate(draft.kind, filled, strict=False).model_dump(mode="json", exclude_unset=True)
    except Invalid as error:
        errors += page_errors(error.errors, draft)
        return {}
    return {name: checked.get(name, value) if filled[name] == value else value for name, value in raw.items()}


def _window(hours: str, errors: list[FieldError]) -> int | None:
    try:
        return round(float(hours) * 3600)
    except (ValueError, OverflowError):
        errors.append({"field": "s-hours", "message": _("Write a number of hours.")})
        return None
