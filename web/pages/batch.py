"""One batch: how it stands, and its jobs, as a grid with axes or as a table; cancel the rest, retry what failed."""

from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import batch_listing, batches
from shared.batch import Batch, Tally
from shared.errors import Conflict, Invalid, NotFound, TooMany
from shared.job import JobState
from web.auth import identity, needs
from web.pages import polling
from web.pages.batch_grid import Grid, grid_of, shown, titles
from web.pages.batch_selected import MOST_TEXT, makes, selected
from web.pages.rows import Row, rows_of
from web.pages.standing import made_of, standing
from web.site import site

pages = Blueprint("batch", __name__, url_prefix="/batches")

PAGE = 200
"""Jobs of one page, whether cells or lines."""


@pages.get("/<batch_id>")
@needs("jobs:read")
def show(batch_id: str) -> str:
    """The page of a batch."""
    batch, tally = _found(batch_id)
    return render_template("batch/page.html", **_seen(batch, tally))


@pages.get("/<batch_id>/part")
@needs("jobs:read")
def part(batch_id: str) -> Response:
    """What changes of it; 204 while none of its jobs has changed, which one query tells."""
    batch, tally = _found(batch_id)
    return polling.redrawn(_version(tally), lambda: render_template("batch/panel.html", **_seen(batch, tally)))


@pages.post("/<batch_id>/cancel")
@needs("jobs:write")
def cancel(batch_id: str) -> AnyResponse:
    """Cancel the rest. Where nothing is left to cancel, the page says so by itself."""
    try:
        batches.cancel(site().db, identity().owner.id, batch_id)
    except Conflict:
        pass  # every job ended between the drawing of the button and its press
    return _back(batch_id)


@pages.post("/<batch_id>/retry")
@needs("jobs:write")
def retry(batch_id: str) -> AnyResponse | tuple[str, int]:
    """Retry the jobs that failed, or those that were cancelled; where they cannot be, say why."""
    here = site()
    batch = batch_listing.get(here.db, identity().owner.id, batch_id)
    state = JobState.CANCELLED if request.form.get("state") == JobState.CANCELLED else JobState.FAILED
    try:
        batches.retry(here.db, identity().owner, batch_id, [state])
    except Conflict:
        pass  # a second press: the first one has retried them all
    except (Invalid, TooMany) as error:
        return render_template("batch/page.html", **_seen(*_found(batch_id)), error=str(error)), error.status
    else:
        here.ringer.ring(batch.pool)
    return _back(batch_id)


def _back(batch_id: str) -> AnyResponse:
    """Where the button was: the same page of the grid, with the same cell picked."""
    place = {name: request.args[name] for name in ("page", "selected") if name in request.args}
    return redirect(url_for("batch.show", batch_id=batch_id, **place), 303)  # type: ignore[arg-type]


def _found(batch_id: str) -> tuple[Batch, Tally]:
    batch = batch_listing.get(site().db, identity().owner.id, batch_id)
    return batch, batch_listing.tally(site().db, batch)


def _seen(batch: Batch, tally: Tally) -> dict[str, Any]:
    """Everything that a batch's page shows."""
    state = request.args.get("state", "")
    if state and state not in set(JobState):
        raise NotFound("There is no such state of a job.")
    grid = grid_of(batch) if not state else None
    return {
        "batch": batch,
        "stands": standing(batch, tally),
        "made_of": made_of(batch),
        "state": state,
        "common": _common(batch),
        "version": _version(tally),
        **(_cells(batch, grid) if grid else _lines(batch, state)),
    }


def _cells(batch: Batch, grid: Grid) -> dict[str, Any]:
    """A page of the grid, and the jobs that stand in it by their numbers."""
    number = min(max(1, request.args.get("page", 1, type=int)), grid.pages)
    sections = grid.page(number)
    wanted = [each for section in sections for each in section.numbers]
    rows = rows_of(list(batch_listing.numbered(site().db, batch, wanted).values()))
    cells: dict[int | None, Row] = {row.job.batch_index: row for row in rows.items}
    asked = request.args.get("selected", type=int)
    return {
        "grid": grid,
        "sections": sections,
        "cells": cells,
        "number": number,
        "rows": None,
        "cursor": "",
        "selected": asked,
        "chosen": selected(batch, sections, cells, asked),
        "makes": makes(batch.kind),
        "MOST_TEXT": MOST_TEXT,
    }


def _lines(batch: Batch, state: str) -> dict[str, Any]:
    """A page of the jobs by their numbers, each with what sets it apart."""
    cursor = request.args.get("cursor") or None
    states = [JobState(state)] if state else []
    found = batch_listing.items(site().db, batch, states=states, limit=PAGE, cursor=cursor)
    varied, names = batch.asked.get("fields") or {}, titles(batch.kind)
    order = [name for name in batch.asked.get("order", varied) if name in varied]
    return {
        "grid": None,
        "selected": None,
        "rows": rows_of(found.items),
        "next": found.next,
        "cursor": cursor or "",
        "number": 1,
        "varied": {
            job.id: [(names.get(name, name), shown(job.params.get(name))) for name in order] for job in found.items
        },
    }


def _common(batch: Batch) -> list[tuple[str, str]]:
    """The settings that all jobs have in common, by their titles."""
    names, given = titles(batch.kind), batch.asked.get("params") or {}
    varied = batch.asked.get("fields") or {}
    return [(names.get(name, name), shown(value)) for name, value in given.items() if name not in varied]


def _version(tally: Tally) -> str:
    """The same while the page would be drawn the same; relative times move on with the minute."""
    return polling.version(tally.version)
