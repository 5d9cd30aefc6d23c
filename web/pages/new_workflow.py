"""A new workflow: written as JSON in one field, from a worked example or from one that was submitted before."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from shared import workflow_listing, workflows
from shared.complaints import field_errors
from shared.errors import FieldError, Invalid, NotFound, TooMany, Unreadable
from shared.placeholders import placeholders
from shared.steps import Asked
from shared.workflow import Workflow
from web.auth import identity, needs
from web.pages.json_places import line_of
from web.pages.workflow_starts import starts, written
from web.site import site

pages = Blueprint("new_workflow", __name__, url_prefix="/workflows/new")


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with what was written, and the line that it is in, where that is known."""

    line: int | None
    field: str
    message: str


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The form, with a worked example in it (`start`), or with what was asked for before (`from`)."""
    offered = starts()
    if "from" in request.args:
        workflow = workflow_listing.get(site().db, identity().owner.id, request.args["from"])
        return _page(_again(workflow))
    if "start" in request.args:
        chosen = [each for each in offered if each.name == request.args["start"]]
        if not chosen:
            raise NotFound("There is no such starting point.")
        return _page(chosen[0].text)
    return _page(offered[0].text if offered else "")


@pages.post("")
@needs("jobs:write")
def submit() -> Response | tuple[str, int]:
    """Submit what is written; the same form sent twice is one workflow."""
    text, token = request.form.get("steps", "").replace("\r\n", "\n"), request.form.get("token", "")
    try:
        asked = _asked(text)
        submitted = workflows.submit(site().db, identity().owner, asked, idempotency_key=_once(token, text))
    except Unreadable as error:
        return _page(text, [Fault(None, "", str(error))], token), Invalid.status
    except Invalid as error:
        return _page(text, [_fault(text, each) for each in error.errors], token), error.status
    except TooMany as error:
        return _page(text, [Fault(None, "", str(error))], token), error.status
    site().ringer.ring(*submitted.pools)
    return redirect(url_for("workflow.show", workflow_id=submitted.workflow.id), 303)


def _asked(text: str) -> Asked:
    try:
        return Asked.model_validate(current_app.json.loads(text))
    except ValidationError as error:
        errors = field_errors(error)
    raise Invalid(errors[0]["message"], field=errors[0]["field"], errors=errors)


def _fault(text: str, error: FieldError) -> Fault:
    return Fault(line_of(text, error["field"]), error["field"], error["message"])


def _again(workflow: Workflow) -> str:
    """What was asked for; needs that params say already are not said twice."""
    steps: list[dict[str, Any]] = []
    for step in workflow.asked["steps"]:
        again = {name: value for name, value in step.items() if name != "needs" and value is not None}
        told = {value["from"] for _, value in placeholders(step["params"])}
        beside = [need for need in step["needs"] if need not in told]
        steps.append(again | ({"depends_on": beside} if beside else {}))
        if steps[-1].get("priority") == 5:
            del steps[-1]["priority"]
    return written({"title": workflow.title, "steps": steps})


def _page(text: str, faults: Sequence[Fault] = (), token: str = "") -> str:
    return render_template(
        "workflows/new.html", text=text, faults=faults, starts=starts(), token=token or secrets.token_urlsafe(18)
    )


def _once(token: str, text: str) -> str:
    """One key for one form with one content: going back to change a word makes a new workflow, a double click not."""
    sent = hashlib.sha256(token.encode()).hexdigest()[:24] if token else secrets.token_hex(12)
    return f"page-{sent}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
