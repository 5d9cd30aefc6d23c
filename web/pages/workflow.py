"""One workflow: its graph, its steps as a list, and what can be done with it."""

from typing import Any

from flask import Blueprint, Response, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import workflow_listing, workflows
from shared.errors import Conflict, Invalid, TooMany
from shared.job import JobState
from shared.workflow import Standing
from web.auth import identity, needs
from web.pages import polling
from web.pages.rows import rows_of
from web.pages.workflow_graph import HEIGHT, WIDTH, graph
from web.pages.workflows import Seen
from web.site import site

pages = Blueprint("workflow", __name__, url_prefix="/workflows")


@pages.get("/<workflow_id>")
@needs("jobs:read")
def show(workflow_id: str) -> str:
    """The page of a workflow."""
    return render_template("workflows/one.html", **_seen(_found(workflow_id)))


@pages.get("/<workflow_id>/part")
@needs("jobs:read")
def part(workflow_id: str) -> Response:
    """What changes of it; 204 while none of its jobs has changed."""
    stands = _found(workflow_id)
    now = polling.version(stands.version)
    return polling.redrawn(now, lambda: render_template("workflows/panel.html", **_seen(stands)))


@pages.post("/<workflow_id>/cancel")
@needs("jobs:write")
def cancel(workflow_id: str) -> AnyResponse:
    """Cancel the rest. Where nothing is left to cancel, the page says so by itself."""
    try:
        workflows.cancel(site().db, identity().owner.id, workflow_id)
    except Conflict:
        pass  # every step ended between the drawing of the button and its press
    return redirect(url_for("workflow.show", workflow_id=workflow_id), 303)


@pages.post("/<workflow_id>/retry")
@needs("jobs:write")
def retry(workflow_id: str) -> AnyResponse | tuple[str, int]:
    """Retry what did not succeed; where that cannot be, say why."""
    here = site()
    try:
        here.ringer.ring(*workflows.retry(here.db, identity().owner, workflow_id))
    except Conflict:
        pass  # a second press: the first one has retried it all
    except (Invalid, TooMany) as error:
        return render_template("workflows/one.html", **_seen(_found(workflow_id)), error=str(error)), error.status
    return redirect(url_for("workflow.show", workflow_id=workflow_id), 303)


def _found(workflow_id: str) -> Standing:
    workflow = workflow_listing.get(site().db, identity().owner.id, workflow_id)
    return workflow_listing.standings(site().db, [workflow])[0]


def _seen(stands: Standing) -> dict[str, Any]:
    """Everything that a workflow's page shows."""
    workflow, seen = stands.workflow, Seen(stands)
    rows = {row.job.step: row for row in rows_of(list(stands.jobs.values())).items}
    lost = stands.counts[JobState.FAILED] + stands.counts[JobState.CANCELLED]
    return {
        "workflow": workflow,
        "stands": stands,
        "seen": seen,
        "steps": [(step, rows[step.name]) for step in workflow.steps],
        "rows": rows,
        "graph": graph(workflow.steps),
        "box": (WIDTH, HEIGHT),
        "retriable": lost > 0,
        "version": polling.version(stands.version),
    }
