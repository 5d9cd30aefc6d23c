"""All jobs: by state, kind, model, day and words, newest first; many chosen at once; kept up to date while seen."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, flash, get_flashed_messages, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import kinds, library, listing, selection
from shared.errors import Invalid, NotFound
from shared.job import JobState
from shared.listing import Page
from web.auth import identity, needs
from web.pages import chosen, polling
from web.pages.login import local_path
from web.pages.rows import rows_of
from web.pages.translation import _
from web.site import site

pages = Blueprint("all_jobs", __name__, url_prefix="/jobs")

PAGE = 25
MAX_SEARCH = 200

ACTIVE = "active"
_TABS: dict[str, tuple[JobState, ...]] = {
    "": tuple(JobState),
    ACTIVE: (JobState.RUNNING, JobState.QUEUED),
    **{state.value: (state,) for state in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)},
}
"""The tabs, each with the states that it shows."""


@pages.get("/")
@needs("jobs:read")
def slashed() -> Response:
    """With a slash it is the same page."""
    return Response(status=308, headers={"Location": url_for("all_jobs.show")})


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The page, with what the last action came to."""
    # With `all` every box is ticked, for those who have no script to tick them.
    return render_template("jobs/page.html", **_seen(), told=get_flashed_messages(), ticked="all" in request.args)


@pages.get("/list")
@needs("jobs:read")
def part() -> Response:
    """The list alone; 204 while it would be drawn the same."""
    seen = _seen()
    return polling.redrawn(seen["rows"].version, lambda: render_template("jobs/list.html", **seen))


@pages.post("/selection")
@needs("jobs:write")
def act() -> AnyResponse | tuple[str, int]:
    """Cancel the chosen jobs, or retry them, and say of how many that was done and of how many not, and why."""
    here, owner = site(), identity().owner
    picked = request.form.getlist("pick")
    try:
        if not picked:
            raise Invalid(_("Select at least one job."), field="pick")
        if request.form.get("do") == "retry":
            found = selection.retry(here.db, owner, picked, once=request.form.get("token", "")[:40] or None)
            here.ringer.ring(*found.pools)
            sentences = chosen.retried(found)
        else:
            found = selection.cancel(here.db, owner.id, picked)
            sentences = chosen.cancelled(found)
    except Invalid as error:
        wrong = error.errors[0]["message"]
        return render_template("jobs/page.html", **_seen(), told=[], wrong=wrong, picked=set(picked)), 422
    flash(" ".join(sentences))
    return redirect(local_path(request.form.get("next", "")) or url_for("all_jobs.show"), 303)


def _seen() -> dict[str, Any]:
    owner_id = identity().owner.id
    asked = _asked()
    counts = listing.counts(site().db, owner_id)
    found = _found(owner_id, asked)
    return {
        "asked": asked,
        "filters": {name: value for name, value in asked.items() if value and name != "state"},
        "counts": counts,
        "tabs": [(name, _number(counts, states)) for name, states in _TABS.items()],
        "tab": ACTIVE if asked["state"] in {JobState.QUEUED, JobState.RUNNING} else asked["state"],
        "rows": rows_of(found.items, extra=str(sorted(counts.items()))),
        "next": found.next,
        "cursor": request.args.get("cursor", ""),
        "kinds": [(name, kinds.params_class(name).title) for name in kinds.names()],
        "models": _models(owner_id, asked["model"]),
        "token": chosen.token(),
    }


def _found(owner_id: str, asked: Mapping[str, str]) -> Page:
    return listing.page(
        site().db,
        owner_id,
        states=_states(asked["state"]),
        kind=asked["kind"] or None,
        model=asked["model"] or None,
        search=asked["q"] or None,
        batch_id=asked["batch"] or None,
        before=_after(asked["until"]),
        limit=PAGE,
        cursor=request.args.get("cursor") or None,
    )


def _asked() -> dict[str, str]:
    """The filters of the address.

    Raises:
        NotFound: there is no such state; an unknown kind or model just finds nothing.
    """
    lengths = {"state": 20, "kind": 100, "model": MAX_SEARCH, "q": MAX_SEARCH, "until": 10, "batch": 40}
    asked = {name: request.args.get(name, "")[:length] for name, length in lengths.items()}
    if asked["state"] not in {*_TABS, *JobState}:
        raise NotFound("There is no such state of a job.")
    return asked


def _number(counts: Mapping[JobState, int], states: Sequence[JobState]) -> str:
    """How many jobs a tab has; where one of its states was not counted to its end, that there are more."""
    more = any(counts[state] >= listing.COUNTED for state in states)
    return f"{sum(counts[state] for state in states):,}{'+' if more else ''}"


def _states(state: str) -> Sequence[JobState]:
    if not state:
        return []
    return _TABS[state] if state in _TABS else [JobState(state)]


def _after(day: str) -> datetime | None:
    """The end of the day that is jumped to; a day that is none is no filter."""
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), UTC) if day else None
    except (ValueError, OverflowError):
        return None


def _models(owner_id: str, asked: str) -> list[tuple[str, str]]:
    """The models that a job may have, by name and title; the one that is asked for, whatever it is."""
    tasks = {task for name in kinds.names() for task in kinds.params_class(name).model_tasks().values()}
    found = {each.name: each.title for each in library.list_models(site().db, owner_id) if each.task in tasks}
    return list((found | ({asked: found.get(asked, asked)} if asked else {})).items())
