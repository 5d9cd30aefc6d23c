"""Schedules: all of them; and the form in which one is made or changed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import cron, kinds, schedules
from shared.errors import Conflict, FieldError, Invalid
from shared.schedule import Schedule
from web import forms
from web.auth import identity, needs
from web.pages import create, due, repeats, schedule_form, schedule_rows
from web.pages.rows import kind_words
from web.pages.schedule_form import Draft
from web.site import site

pages = Blueprint("all_schedules", __name__, url_prefix="/schedules")

PAGE = 25
VARIABLES = ("date", "time", "datetime", "weekday", "year", "month", "day", "hour", "minute", "run", "schedule")


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The page of all schedules."""
    return render_template("schedules/page.html", **_seen())


@pages.get("/list")
@needs("jobs:read")
def part() -> Response:
    """The list alone; 204 while it would be drawn the same."""
    seen = _seen()
    if seen["version"] == request.args.get("seen"):
        return Response(status=204)
    return Response(render_template("schedules/list.html", **seen))


@pages.get("/preview")
@needs("jobs:read")
def preview() -> str:
    """The cron that the fields mean, read back, with the next five due ticks."""
    own = {name: request.args.get(f"s-{name}", default) for name, default in schedule_form.OWN.items()}
    return render_template("schedules/preview.html", preview=_preview(own))


@pages.get("/new")
@needs("jobs:read")
def new() -> str:
    """An empty form; a kind and its settings may come with the address."""
    kind = create.known(request.args.get("kind", ""))
    typed = forms.from_form(kind, request.args, complete=False)
    return _page(Draft(dict(schedule_form.OWN), kind, typed))


@pages.post("/new")
@needs("jobs:write")
def make() -> AnyResponse | tuple[str, int] | str:
    """Make it; or only draw it again, for another kind, a preview, or from what was typed on Create."""
    draft = _sent()
    if _only_drawn():
        return _page(draft)
    try:
        made = schedules.create(site().db, identity().owner, schedule_form.terms_of(draft))
    except (Invalid, Conflict) as error:
        return _page(draft, errors=_errors(error, draft)), 422
    return redirect(url_for("schedule.show", schedule_id=made.id), 303)


@pages.get("/<schedule_id>/edit")
@needs("jobs:read")
def edit(schedule_id: str) -> str:
    """The form, filled."""
    schedule = schedules.get(site().db, identity().owner.id, schedule_id)
    create.known(schedule.terms.template.content.kind)
    return _page(schedule_form.from_schedule(schedule), schedule=schedule)


@pages.post("/<schedule_id>/edit")
@needs("jobs:write")
def change(schedule_id: str) -> AnyResponse | tuple[str, int] | str:
    """Change it; or only draw it again."""
    here = site()
    schedule = schedules.get(here.db, identity().owner.id, schedule_id)
    kept = schedule.terms.template.content.model_dump(mode="json") if schedule.terms.template.job else {}
    draft = _sent()
    if schedule.terms.template.batch is not None:
        draft = replace(draft, batch=schedule.terms.template.model_dump(mode="json"))
    if _only_drawn():
        return _page(draft, schedule=schedule)
    try:
        terms = schedule_form.terms_of(draft, kept)
        schedules.change(here.db, identity().owner, schedule_id, terms.model_dump())
    except Invalid as error:
        return _page(draft, schedule=schedule, errors=_errors(error, draft)), 422
    return redirect(url_for("schedule.show", schedule_id=schedule_id), 303)


def _sent() -> Draft:
    """What was sent, for the kind that is asked for: another one keeps what fits it."""
    return schedule_form.from_form(
        create.known(request.form.get("to", "") or request.form.get("kind", "")), request.form
    )


def _only_drawn() -> bool:
    return bool({"to", "draw"} & set(request.form))


def _errors(error: Invalid | Conflict, draft: Draft) -> list[FieldError]:
    if isinstance(error, Invalid):
        return schedule_form.page_errors(error.errors, draft)
    return [{"field": "", "message": str(error)}]


def _preview(own: dict[str, str]) -> due.Preview:
    try:
        return due.preview(repeats.cron_of(own), own["zone"])
    except Invalid as error:
        return due.Preview("", [], own["zone"], str(error))


def _page(draft: Draft, *, schedule: Schedule | None = None, errors: Sequence[FieldError] = ()) -> str:
    wrong: dict[str, str] = {}
    for error in errors:
        wrong.setdefault(error["field"].removeprefix("s-"), error["message"])
    own_wrong = {name: wrong[name] for name in schedule_form.OWN if any(e["field"] == f"s-{name}" for e in errors)}
    first = next(iter(own_wrong), None)
    found = forms.fields(draft.kind, draft.typed, create.models(identity().owner.id), errors)
    title, icon = kind_words(draft.kind)
    return render_template(
        "schedules/form.html",
        schedule=schedule,
        draft=draft,
        own=draft.own,
        wrong=own_wrong,
        first=first,
        general=forms.general_errors(draft.kind, [e for e in errors if not e["field"].startswith("s-")]),
        kinds=[(name, kinds.params_class(name)) for name in kinds.names()],
        kind_title=title,
        kind_icon=icon,
        fields=[replace(field, focused=field.focused and first is None) for field in found],
        roles=forms.ROLES,
        preview=_preview(draft.own),
        presets=[(name, repeats.repeat_word(name)) for name in repeats.PRESETS],
        variables=VARIABLES,
        zones=cron.zones(),
    )


def _seen() -> dict[str, Any]:
    found = schedules.page(site().db, identity().owner.id, limit=PAGE, cursor=request.args.get("cursor") or None)
    rows = schedule_rows.rows_of(found.items)
    return {
        "rows": rows,
        "next": found.next,
        "cursor": request.args.get("cursor", ""),
        "version": schedule_rows.version([(row.schedule.id, row.schedule.revision, row.last) for row in rows]),
    }
