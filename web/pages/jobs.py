"""All jobs: by state, kind and words, newest first; kept up to date while somebody looks."""

from typing import Any

from flask import Blueprint, Response, render_template, request, url_for

from shared import kinds, listing
from shared.errors import NotFound
from shared.job import JobState
from web.auth import identity, needs
from web.pages.rows import rows_of
from web.site import site

pages = Blueprint("all_jobs", __name__, url_prefix="/jobs")

PAGE = 25
MAX_SEARCH = 200


@pages.get("/")
@needs("jobs:read")
def slashed() -> Response:
    """With a slash it is the same page."""
    return Response(status=308, headers={"Location": url_for("all_jobs.show")})


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The page."""
    return render_template("jobs/page.html", **_seen())


@pages.get("/list")
@needs("jobs:read")
def part() -> Response:
    """The list alone; 204 while it would be drawn the same."""
    seen = _seen()
    if seen["rows"].version == request.args.get("seen"):
        return Response(status=204)
    return Response(render_template("jobs/list.html", **seen))


def _seen() -> dict[str, Any]:
    owner_id = identity().owner.id
    asked = _asked()
    counts = listing.counts(site().db, owner_id)
    found = listing.page(
        site().db,
        owner_id,
        states=[JobState(asked["state"])] if asked["state"] else [],
        kind=asked["kind"] or None,
        search=asked["q"] or None,
        limit=PAGE,
        cursor=request.args.get("cursor") or None,
    )
    return {
        "asked": asked,
        "counts": counts,
        "rows": rows_of(found.items, extra=str(sorted(counts.items()))),
        "next": found.next,
        "cursor": request.args.get("cursor", ""),
        "states": list(JobState),
        "kinds": [(name, kinds.params_class(name).title) for name in kinds.names()],
    }


def _asked() -> dict[str, str]:
    """The filters of the address.

    Raises:
        NotFound: there is no such state; an unknown kind just finds nothing.
    """
    state = request.args.get("state", "")
    if state and state not in set(JobState):
        raise NotFound("There is no such state of a job.")
    return {"state": state, "kind": request.args.get("kind", "")[:100], "q": request.args.get("q", "")[:MAX_SEARCH]}
