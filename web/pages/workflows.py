"""All workflows, newest first; kept up to date while somebody looks."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for

from shared import workflow_listing
from shared.job import JobState
from shared.workflow import Standing
from web.auth import identity, needs
from web.pages import polling
from web.pages.rows import kind_words
from web.pages.translation import _
from web.pages.wording import duration, listed, word
from web.site import site

pages = Blueprint("all_workflows", __name__, url_prefix="/workflows")

PAGE = 20


@dataclass(frozen=True)
class Seen:
    """A workflow and how it stands, in words."""

    stands: Standing

    @property
    def live(self) -> bool:
        """Whether any step still waits or runs."""
        return self.stands.state in {JobState.QUEUED, JobState.RUNNING}

    @property
    def done(self) -> str:
        """How many of how many steps."""
        total = len(self.stands.workflow.steps)
        return _("%(n)s of %(total)s steps done", n=self.stands.counts[JobState.SUCCEEDED], total=total)

    @property
    def took(self) -> str:
        """How long it took, if it has ended."""
        stands = self.stands
        if stands.finished_at is None:
            return ""
        return _("took %(time)s", time=duration((stands.finished_at - stands.workflow.created_at).total_seconds()))

    @property
    def made_of(self) -> str:
        """The kinds of its steps."""
        return listed(dict.fromkeys(word(kind_words(step.kind)[0]) for step in self.stands.workflow.steps))


@pages.get("/")
@needs("jobs:read")
def slashed() -> Response:
    """With a slash it is the same page."""
    return Response(status=308, headers={"Location": url_for("all_workflows.show")})


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The page."""
    return render_template("workflows/page.html", **_seen())


@pages.get("/list")
@needs("jobs:read")
def part() -> Response:
    """The list alone; 204 while it would be drawn the same."""
    seen = _seen()
    return polling.redrawn(seen["version"], lambda: render_template("workflows/list.html", **seen))


def _seen() -> dict[str, Any]:
    here, cursor = site(), request.args.get("cursor") or None
    found = workflow_listing.page(here.db, identity().owner.id, limit=PAGE, cursor=cursor)
    rows = [Seen(stands) for stands in workflow_listing.standings(here.db, found.items)]
    return {
        "rows": rows,
        "next": found.next,
        "cursor": cursor or "",
        "running": sum(row.live for row in rows),
        "version": polling.version([(row.stands.workflow.id, row.stands.version) for row in rows]),
    }
