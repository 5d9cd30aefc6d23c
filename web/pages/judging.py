"""Thumbs and edits on what a job made: a form below each result, which works without a script."""

from typing import get_args

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from shared import artifacts, feedback
from shared.errors import Invalid, NotFound
from shared.feedback import Feedback, Thumb
from web.auth import identity, needs
from web.pages.outputs import Shown
from web.site import site

pages = Blueprint("judging", __name__, url_prefix="/artifacts")

#: Characters of a text that are put into the form to be mended; of a longer one the reader writes what it should say.
_MENDED = 20_000


@pages.post("/<artifact_id>/feedback")
@needs("jobs:write")
def give(artifact_id: str) -> Response:
    """A thumb (pressed again, it is taken back) or an edit; what of both was there stays. Back to the job."""
    here, owner_id = site(), identity().owner.id
    artifact = artifacts.get(here.db, owner_id, artifact_id)
    if artifact.job_id is None:
        raise NotFound("There is no such result.")
    before = feedback.of(here.db, owner_id, [artifact_id]).get(artifact_id)
    thumb, edit = (before.thumb, before.edit) if before else (None, None)
    if "thumb" in request.form:
        pressed = request.form["thumb"]
        if pressed not in get_args(Thumb):
            raise Invalid("A thumb points up or down.", field="thumb")
        thumb = None if pressed == thumb else "up" if pressed == "up" else "down"
    if "edit" in request.form:
        edit = request.form["edit"].replace("\r\n", "\n")
    feedback.give(here.db, owner_id, artifact_id, thumb, edit)
    return redirect(url_for("job.show", job_id=artifact.job_id, _anchor=f"judge-{artifact_id}"), 303)


def to_mend(shown: Shown, said: Feedback | None) -> str | None:
    """What stands in the form of an edit; None where a result of this sort cannot be edited."""
    if said is not None and said.edit is not None:
        return said.edit
    if shown.shape == "picture":
        return ""
    if shown.shape not in {"text", "code"}:
        return None
    return shown.text if shown.text is not None and len(shown.text) <= _MENDED and not shown.cut else ""
