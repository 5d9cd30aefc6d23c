"""All batches, newest first; kept up to date while somebody looks."""

from typing import Any

from flask import Blueprint, Response, render_template, request, url_for

from shared import batch_listing
from web.auth import identity, needs
from web.pages import polling
from web.pages.standing import made_of, standing
from web.site import site

pages = Blueprint("all_batches", __name__, url_prefix="/batches")

PAGE = 20


@pages.get("/")
@needs("jobs:read")
def slashed() -> Response:
    """With a slash it is the same page."""
    return Response(status=308, headers={"Location": url_for("all_batches.show")})


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The page."""
    return render_template("batches/page.html", **_seen())


@pages.get("/list")
@needs("jobs:read")
def part() -> Response:
    """The list alone; 204 while it would be drawn the same."""
    seen = _seen()
    return polling.redrawn(seen["version"], lambda: render_template("batches/list.html", **seen))


def _seen() -> dict[str, Any]:
    here, cursor = site(), request.args.get("cursor") or None
    found = batch_listing.page(here.db, identity().owner.id, limit=PAGE, cursor=cursor)
    tallies = batch_listing.tallies(here.db, found.items)
    rows = [standing(batch, tallies[batch.id]) for batch in found.items]
    return {
        "rows": rows,
        "made_of": made_of,
        "next": found.next,
        "cursor": cursor or "",
        "running": sum(row.live for row in rows),
        "version": polling.version([(row.batch.id, row.tally.version) for row in rows]),
    }
