"""Schedules: all of them; and the form in which one is made or changed."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import cron, kinds, schedules
from shared.errors import Conflict, FieldError, Invalid
from shared.schedule import Schedule
from web import forms
from web.auth import identity, needs
from web.pages import batch_forms, batch_grid, create, due, polling, repeats, schedule_form, schedule_rows
from web.pages.attached import attached
from web.pages.schedule_form import Draft
from web.site import site
from web.uploads import takes_upload

pages = Blueprint("all_schedules", __name__, url_prefix="/schedules")

PAGE = 25

MAX_ADDRESS = 4000
"""Characters of an address that every browser and proxy takes."""

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
    return polling.redrawn(seen["version"], lambda: render_template("schedules/list.html", **seen))


@pages.get("/preview")
@needs("jobs:read")
def preview() -> str:
    """The cron that the fields mean, read back, with the next five due ticks."""
    own = {name: request.args.get(f"s-{name}", default) for name, default in schedule_form.OWN.items()}
    return render_template("schedules/preview.html", preview=_preview(own))


@pages.get("/new")
@needs("jobs:read")
def new() -> str:
    """An empty form; any of its fields may come with the address."""
    kind = create.known(request.args.get("kind", ""))
    return _page(schedule_form.from_form(kind, request.args, complete=False))


@pages.post("/new")
@needs("jobs:write")
@takes_upload
def make() -> AnyResponse | tuple[str, int] | str:
    """Make it, once however often the form is sent; or only draw it, for another kind, a preview, or from Create."""
    draft, here = _sent(), site()
    try:
        draft = _with_files(draft)
    except Invalid as error:
        return _page(draft, errors=error.errors), 422
    if request.form.get("draw") in {"create", "batch"}:
        return _begin(draft)
    if _only_drawn():
        return _page(draft)
    try:
        terms = schedule_form.terms_of(draft)
        key = schedule_form.once(request.form.get("token", ""), draft)
        made = schedules.create(here.db, identity().owner, terms, idempotency_key=key)
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
@takes_upload
def change(schedule_id: str) -> AnyResponse | tuple[str, int] | str:
    """Change it; or only draw it again."""
    here = site()
    schedule = schedules.get(here.db, identity().owner.id, schedule_id)
    content = schedule.terms.template.content
    kept = {name: getattr(content, name) for name in ("priority", "pool", "device", "time_limit_s")}
    draft = _sent()
    if draft.asked.kind == content.kind:
        draft = replace(draft, kept=schedule_form.from_schedule(schedule).kept)
    try:
        draft = _with_files(draft)
    except Invalid as error:
        return _page(draft, schedule=schedule, errors=error.errors), 422
    if _only_drawn():
        return _page(draft, schedule=schedule)
    try:
        terms = schedule_form.terms_of(draft, kept)
        schedules.change(here.db, identity().owner, schedule_id, terms.model_dump())
    except Invalid as error:
        return _page(draft, schedule=schedule, errors=_errors(error, draft)), 422
    return redirect(url_for("schedule.show", schedule_id=schedule_id), 303)


def _sent() -> Draft:
    """What was sent, for the kind that is asked for: another one keeps what fits it, which its models do not."""
    to = request.form.get("to", "")
    draft = schedule_form.from_form(create.known(to or request.form.get("kind", "")), request.form)
    if to:
        models, asked = kinds.params_class(to).model_tasks(), draft.asked
        typed = {name: text for name, text in asked.typed.items() if name not in models}
        vary = {name: text for name, text in asked.vary.items() if name not in models}
        return replace(draft, asked=replace(asked, typed=typed, vary=vary))
    return replace(draft, own=draft.own | {"what": "batch"}) if request.form.get("draw") == "batch" else draft


def _with_files(draft: Draft) -> Draft:
    """With the files that came along named in their fields; raises Invalid where one is not taken."""
    asked = draft.asked
    return replace(draft, asked=replace(asked, typed=asked.typed | attached(asked.kind)))


def _only_drawn() -> bool:
    return bool({"to", "draw"} & set(request.form))


def _begin(draft: Draft) -> AnyResponse | str:
    """From a form of jobs or of batches, with what was typed there: by its address, unless that would be too long."""
    given = batch_forms.address(draft.asked.kind, draft.asked.typed)
    if draft.is_batch:
        given |= batch_forms.varied_address(draft.asked) | {"s-what": "batch"}
    query = urlencode(given)
    return redirect(f"{url_for('all_schedules.new')}?{query}", 303) if len(query) <= MAX_ADDRESS else _page(draft)


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
    own_wrong: dict[str, str] = {}
    for each in errors:
        if each["field"].startswith("s-"):
            own_wrong.setdefault(each["field"].removeprefix("s-"), each["message"])
    errors = [each for each in errors if not each["field"].startswith("s-")]
    first, kind = next((name for name in schedule_form.OWN if name in own_wrong), None), draft.asked.kind
    found = forms.fields(kind, draft.asked.typed, create.models(identity().owner.id, kind), errors)
    vary = batch_forms.vary_fields(draft.asked, found, errors)
    if first is not None:
        # What stands above takes the focus.
        found, vary = [replace(each, focused=False) for each in found], [replace(each, focused=False) for each in vary]
    return render_template(
        "schedules/form.html",
        schedule=schedule,
        kind=kind,
        own=draft.own,
        asked=draft.asked,
        wrong=own_wrong,
        first=first,
        general=batch_forms.general(errors, found),
        fields=found,
        vary=vary,
        kept=[batch_grid.titles(kind).get(name, name) for name in draft.kept],
        title_error=next((each["message"] for each in errors if each["field"] == batch_forms.TITLE), None),
        roles=forms.ROLES,
        preview=_preview(draft.own),
        presets=[(name, repeats.repeat_word(name)) for name in repeats.PRESETS],
        variables=VARIABLES,
        zones=cron.zones(),
        token=request.form.get("token", "") or secrets.token_urlsafe(18),
    )


def _seen() -> dict[str, Any]:
    found = schedules.page(site().db, identity().owner.id, limit=PAGE, cursor=request.args.get("cursor") or None)
    rows = schedule_rows.rows_of(found.items)
    return {
        "rows": rows,
        "next": found.next,
        "cursor": request.args.get("cursor", ""),
        "version": polling.version([(row.schedule.id, row.schedule.revision, row.last) for row in rows]),
    }
