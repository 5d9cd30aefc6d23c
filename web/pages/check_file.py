"""Check a file: whether it was made here, by which job, and what it says of itself. Nothing of it is kept."""

from dataclasses import dataclass
from typing import BinaryIO, cast

from flask import Blueprint, render_template, request
from werkzeug.datastructures import FileStorage

from shared.errors import Invalid, TooMany, Unreadable
from shared.provenance import Provenance
from web import receiving
from web.auth import needs
from web.pages.translation import _
from web.uploads import takes_upload

pages = Blueprint("check_file", __name__, url_prefix="/check")


@dataclass(frozen=True)
class Told:
    """What is known of a file, in sentences. `sure`: it was made here."""

    name: str
    found: Provenance
    verdict: str
    signature: str
    sure: bool


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The form."""
    return render_template("check/page.html", told=None, error="")


@pages.post("")
@needs("jobs:read")
@takes_upload
def check() -> tuple[str, int] | str:
    """The form with what is known of the file; a file that cannot be looked at gets a sentence."""
    try:
        told = _told(request.files.get("file"))
    except (Invalid, Unreadable, TooMany) as error:
        return render_template("check/page.html", told=None, error=str(error)), 422
    return render_template("check/page.html", told=told, error="")


def _told(sent: FileStorage | None) -> Told:
    if sent is None or not sent.filename:
        raise Invalid(_("Choose a file first."), field="file")
    found = receiving.look_up(cast(BinaryIO, sent.stream), sent.filename, sent.mimetype)
    return Told(sent.filename, found, _verdict(found), _signature(found), found.made_here)


def _verdict(found: Provenance) -> str:
    works = [each for each in found.artifacts if each.role != "input"]
    if works and found.match == "exact":
        return _("Made here: this very file is one of your works.")
    if works:
        return _("Made here: one of your works shows or sounds the same. The file itself was changed since.")
    if found.made_here:
        return _("Made here: it is signed by this installation. It is none of your own works.")
    if found.artifacts:
        return _("Not made here: it is a file that you uploaded.")
    return _("Nothing here knows this file. That does not tell who made it.")


def _signature(found: Provenance) -> str:
    """What the content credentials (C2PA) come to."""
    state = (found.credentials or {}).get("state")
    if state == "trusted":
        return _("Valid: signed here, and not changed since.")
    if state == "valid":
        return _("Valid: signed elsewhere, and not changed since.")
    if state == "invalid":
        return _("Not valid: the file was changed after it was signed, or the signature is damaged.")
    return _("There are none in the file.")
