"""A picture's own settings, read back: what the page Create does by itself where there is a script."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from shared import kinds
from shared.errors import Invalid
from web import forms
from web.auth import needs
from web.pages import create, png
from web.pages.translation import _

pages = Blueprint("from_picture", __name__, url_prefix="/create/from-picture")

MAX_ADDRESS = 6_000
"""Characters of an address that every server on the way takes."""


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The file field."""
    return render_template("create/from_picture.html", error=None)


@pages.post("")
@needs("jobs:read")
def read() -> Response | tuple[str, int] | str:
    """On to Create with the settings of the picture filled in; a wrong file gets a sentence."""
    try:
        found = _found()
    except Invalid as error:
        return render_template("create/from_picture.html", error=error.errors[0]["message"]), 422
    kind = found.pop("kind")
    typed = forms.from_form(kind, MultiDict(found), complete=False)
    texts: dict[str, Any] = {name: text for name, text in typed.items() if isinstance(text, str)}
    address = url_for("create.show", **{**texts, "kind": kind, "read": "picture"})
    return redirect(address, 303) if len(address) <= MAX_ADDRESS else create.filled(kind, typed)


def _found() -> dict[str, str]:
    sent = request.files.get("picture")
    if sent is None or not sent.filename:
        raise Invalid(_("Choose a picture first."), field="picture")
    found = png.settings(sent.stream)  # type: ignore[arg-type]  # a stream that can seek, typed as less
    if found["kind"] not in kinds.names():
        raise Invalid(_("This picture was made by a kind that is not installed here."), field="picture")
    return found
