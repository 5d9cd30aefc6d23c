"""Your uploads: listed, sent, deleted. Jobs name them as their input."""

from typing import BinaryIO, cast

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from shared import uploads
from shared.errors import Conflict, Invalid, NotFound, TooMany, Unreadable
from shared.job import Artifact
from web import forms, receiving
from web.auth import identity, needs
from web.pages.translation import _
from web.site import site
from web.uploads import takes_upload

pages = Blueprint("all_uploads", __name__, url_prefix="/uploads")

PAGE = 40


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The page."""
    return _page()


@pages.post("")
@needs("jobs:write")
@takes_upload
def send() -> Response | tuple[str, int]:
    """Keep a file, and show it on top; one that is not taken gets a sentence."""
    sent = request.files.get("file")
    try:
        if sent is None or not sent.filename:
            raise Invalid(_("Choose a file first."), field="file")
        kept = receiving.keep(cast(BinaryIO, sent.stream), sent.filename, sent.mimetype)
    except (Invalid, Unreadable, TooMany) as error:
        return _page(error=str(error)), 422
    return redirect(url_for("all_uploads.show", sent=kept.artifact.id), 303)


@pages.post("/<upload_id>/delete")
@needs("jobs:write")
def remove(upload_id: str) -> Response | tuple[str, int]:
    """Delete an upload; one that a job still needs stays, and the page says which job."""
    try:
        uploads.remove(site().db, identity().owner.id, upload_id)
    except Conflict as error:
        return _page(refused=str(error)), 409
    return redirect(url_for("all_uploads.show"), 303)


def _page(*, error: str = "", refused: str = "") -> str:
    cursor = request.args.get("cursor") or None
    found = uploads.page(site().db, identity().owner.id, limit=PAGE, cursor=cursor)
    return render_template(
        "uploads/page.html",
        items=found.items,
        next=found.next,
        cursor=cursor,
        error=error,
        refused=refused,
        sent=_sent(),
        accept=",".join(forms.ACCEPTED.values()),
    )


def _sent() -> Artifact | None:
    """The upload that was just kept."""
    try:
        return uploads.get(site().db, identity().owner.id, request.args["sent"]) if "sent" in request.args else None
    except NotFound:
        return None
