"""One schedule: what it submits, when next, and what became of its due ticks; pause, resume, run now, delete."""

import math
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import schedules
from shared.cron_sentences import sentence
from shared.errors import Invalid
from shared.templates import BatchTemplate
from web.auth import identity, needs
from web.pages import due, polling, schedule_rows
from web.pages.batch_grid import shown, titles
from web.pages.rows import kind_words
from web.pages.settings import settings
from web.pages.translation import _, language
from web.site import site

pages = Blueprint("schedule", __name__, url_prefix="/schedules")

RUNS = 20
MAX_REASON = 500


@pages.get("/<schedule_id>")
@needs("jobs:read")
def show(schedule_id: str) -> str:
    """The page."""
    return _page(schedule_id)


@pages.get("/<schedule_id>/panel")
@needs("jobs:read")
def panel(schedule_id: str) -> Response:
    """All of the page that changes; 204 while it would be drawn the same."""
    seen = _seen(schedule_id)
    return polling.redrawn(seen["version"], lambda: render_template("schedules/panel.html", **seen))


@pages.post("/<schedule_id>/pause")
@needs("jobs:write")
def pause(schedule_id: str) -> AnyResponse | tuple[str, int]:
    """Let nothing become due, and note why."""
    reason = request.form.get("reason", "").strip()
    wrong = _("Must be %(n)s characters or fewer.", n=MAX_REASON) if len(reason) > MAX_REASON else ""
    if "\0" in reason:
        wrong = _("This has characters that cannot be stored.")
    if wrong:
        return _page(schedule_id, reason=reason, reason_error=wrong), 422
    schedules.pause(site().db, identity().owner.id, schedule_id, reason or None)
    return _back(schedule_id)


@pages.post("/<schedule_id>/resume")
@needs("jobs:write")
def resume(schedule_id: str) -> AnyResponse | tuple[str, int]:
    """Go on from now; where its terms can no longer be met, say why."""
    try:
        schedules.resume(site().db, identity().owner, schedule_id)
    except Invalid as error:
        return _page(schedule_id, error=str(error)), 422
    return _back(schedule_id)


@pages.post("/<schedule_id>/run")
@needs("jobs:write")
def run(schedule_id: str) -> AnyResponse:
    """Run it now; the history shows what became of it."""
    here = site()
    made = schedules.run_now(here.db, identity().owner.id, schedule_id)
    here.ringer.ring(*made.pools)
    return _back(schedule_id)


@pages.post("/<schedule_id>/delete")
@needs("jobs:write")
def delete(schedule_id: str) -> AnyResponse:
    """Delete it and its history; its jobs stay."""
    schedules.delete_schedule(site().db, identity().owner.id, schedule_id)
    return redirect(url_for("all_schedules.show"), 303)


def _jobs(batch: BatchTemplate) -> int:
    """How many jobs one run of this template makes."""
    lengths = [len(values) for values in batch.vary.values()]
    return math.prod(lengths) if batch.mode == "product" else max(lengths, default=0)


def _back(schedule_id: str) -> AnyResponse:
    return redirect(url_for("schedule.show", schedule_id=schedule_id), 303)


def _page(schedule_id: str, **said: str) -> str:
    return render_template("schedules/one.html", **_seen(schedule_id), **said)


def _seen(schedule_id: str) -> dict[str, Any]:
    db, owner_id = site().db, identity().owner.id
    schedule = schedules.get(db, owner_id, schedule_id)
    cursor = request.args.get("cursor", "")
    found = schedules.runs(db, owner_id, schedule_id, limit=RUNS, cursor=cursor or None)
    terms = schedule.terms
    content, batch = terms.template.content, terms.template.batch
    vary, names = batch.vary if batch else {}, titles(content.kind)
    title, icon = kind_words(content.kind)
    return {
        "schedule": schedule,
        "terms": terms,
        "sentence": sentence(terms.cron, language()),
        "preview": due.preview(terms.cron, terms.zone),
        "kind_title": title,
        "kind_icon": icon,
        "batch": batch,
        "jobs": _jobs(batch) if batch else 1,
        "settings": settings(content.kind, content.params),
        "varied": [(names.get(name, name), [shown(each) for each in values]) for name, values in vary.items()],
        "runs": [schedule_rows.run_row(each, terms.zone) for each in found.items],
        "next": found.next,
        "cursor": cursor,
        "version": polling.version(schedule.id, schedule.revision, found.items),
    }
