"""The form of a schedule: what was typed in it, as terms; terms, as they would have been typed; and its errors.

A field of the schedule itself is named `s-…` on the page, so that no param of a kind can have the same name.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from werkzeug.datastructures import MultiDict

from shared import cron, variables
from shared.complaints import field_errors
from shared.errors import FieldError, Invalid
from shared.schedule import MAX_WINDOW_S, Schedule, Terms
from web import forms
from web.pages import batch_forms, schedule_template
from web.pages.batch_forms import BatchForm
from web.pages.repeats import DEFAULTS, FIELD_OF, cron_of, fields_of
from web.pages.translation import _

OWN: dict[str, str] = {
    "name": "",
    **DEFAULTS,
    "zone": "UTC",
    "what": "job",
    "overlap": "skip",
    "missed": "once",
    "hours": "24",
}
"""The fields of the schedule itself, as they stand in an empty form."""

MIN_WINDOW_S = 60


@dataclass(frozen=True)
class Draft:
    """What was typed: the schedule's own fields, and those of the job or of the batch that it submits.

    `kept` are fields that are varied by values which no line of text can hold: conversations, lists.
    """

    own: dict[str, str]
    asked: BatchForm
    kept: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def is_batch(self) -> bool:
        """Whether each run is a batch."""
        return self.own["what"] == "batch"


def from_form(kind: str, form: MultiDict[str, str], *, complete: bool = True) -> Draft:
    """What a form, or an address, says; fields that it has not keep their defaults."""
    own = {name: form.get(f"s-{name}", default) for name, default in OWN.items()}
    return Draft(own, batch_forms.read(kind, form, complete=complete))


def from_schedule(schedule: Schedule) -> Draft:
    """A schedule as it would have been typed."""
    terms = schedule.terms
    own = OWN | fields_of(terms.cron) | {name: getattr(terms, name) for name in ("name", "zone", "overlap", "missed")}
    own["hours"] = f"{terms.window_s / 3600:g}" if terms.window_s else OWN["hours"]
    content, batch = terms.template.content, terms.template.batch
    typed = forms.from_params(content.kind, content.params)
    if batch is None:
        return Draft(own, BatchForm(content.kind, typed=typed))
    vary = {name: forms.lines(values) for name, values in batch.vary.items() if _fits(values)}
    asked = BatchForm(content.kind, typed=typed, vary=vary, mode=batch.mode, title=batch.title or "")
    kept = {name: values for name, values in batch.vary.items() if name not in vary}
    return Draft(own | {"what": "batch"}, asked, kept)


def terms_of(draft: Draft, kept: Mapping[str, Any] | None = None) -> Terms:
    """The terms that a form means; `kept` is what of a template the form does not show.

    Raises:
        Invalid: some fields are wrong: every one of them is named, as the page names it.
    """
    errors: list[FieldError] = []
    if not draft.own["name"].strip():
        errors.append({"field": "s-name", "message": _("This is needed.")})
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
    given = variables.values(datetime.now(UTC), where, run=1, schedule=draft.own["name"])
    if draft.is_batch:
        template, wrong = schedule_template.batch_of(draft.asked, given, draft.kept)
    else:
        template, wrong = schedule_template.job_of(draft.asked, given)
    errors += page_errors(wrong, draft)
    asked["template"] = {draft.own["what"]: {**(kept or {}), **template}}
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


def once(token: str, draft: Draft) -> str:
    """One key for one form with one content: going back to change a word makes another schedule, a double click not."""
    content = json.dumps([draft.own, asdict(draft.asked)], sort_keys=True).encode()
    sent = hashlib.sha256(token.encode()).hexdigest()[:24] if token else secrets.token_hex(12)
    return f"page-{sent}-{hashlib.sha256(content).hexdigest()[:24]}"


def _fits(values: list[Any]) -> bool:
    """Whether a line of text can hold each of these."""
    return all(isinstance(each, str | int | float) and str(each).strip() for each in values)


def _page_name(field: str, draft: Draft) -> str:
    if field.startswith("template."):
        _template, _what, part, *rest = [*field.split("."), ""]
        if part == "params":
            return rest[0]
        if part == "vary":
            return f"vary.{rest[0]}".rstrip(".")
        return batch_forms.TITLE if part == "title" else field
    if field == "cron":
        return f"s-{FIELD_OF.get(draft.own['repeat'], 'time')}"
    name = "hours" if field == "window_s" else field
    return f"s-{name}" if name in OWN else field


def _window(hours: str, errors: list[FieldError]) -> int | None:
    try:
        seconds = round(float(hours) * 3600)
    except (ValueError, OverflowError):
        seconds = 0
    if MIN_WINDOW_S <= seconds <= MAX_WINDOW_S:
        return seconds
    told = _("Write a number of hours from 0.02, which is a minute, to %(most)s.", most=MAX_WINDOW_S // 3600)
    errors.append({"field": "s-hours", "message": told})
    return None
