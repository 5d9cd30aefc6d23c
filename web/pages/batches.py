"""All batches, newest first; kept up to date while somebody looks."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for

from shared import batch_listing
from web.auth import identity, needs
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
    if seen["version"] == request.args.get("seen"):
        return Response(status=204)
    return Response(render_template("batches/list.html", **seen))


def _seen() -> dict[str, Any]:
    here, cursor = site(), request.args.get("cursor") or None
    found = batch_listing.page(here.db, identity().owner.id, limit=PAGE, cursor=cursor)
    tallies = batch_listing.tallies(here.db, found.items)
    rows = [standing(batch, tallies[batch.id]) for batch in found.items]
    # Relative times move on by themselves: the minute is a part of what is seen.
    seen = [f"{row.batch.id} {row.tally.version}" for row in rows] + [datetime.now(UTC).strftime("%H:%M")]
    return {
        "rows": rows,
        "made_of": made_of,
        "next": found.next,
        "cursor": cursor or "",
        "running": sum(row.live for row in rows),
        "version": hashlib.sha256("\n".join(seen).encode()).hexdigest()[:16],
    }
