"""Login with a key. The session holds the key's id, never the key itself."""

from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from shared.errors import Unauthorized
from web.auth import check_form, public
from web.pages.translation import _
from web.site import site

pages = Blueprint("login", __name__)

MAX_KEY = 1000
"""Characters; longer ones are not looked up."""


@pages.get("/login")
@public
def show() -> Response | tuple[str, int] | str:
    """The form; with `?key=` (the address that the console prints) the login itself."""
    if "key" in request.args:
        # The answer is a redirect in any case, so that the key does not stay in the address bar.
        return _enter(request.args["key"], request.args.get("next", ""))
    return render_template("login.html", next=request.args.get("next", ""), error=None)


@pages.post("/login")
@public
def enter() -> Response | tuple[str, int]:
    """Log in with the key that was typed."""
    check_form()
    return _enter(request.form.get("key", ""), request.form.get("next", ""))


@pages.post("/logout")
@public
def leave() -> Response:
    """End the session."""
    check_form()
    session.clear()
    return redirect(url_for("login.show"), 303)


def local_path(path: str) -> str | None:
    """`path` if it leads to a page of this site, else None."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return None
    inside = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if inside and not parts.scheme and not parts.netloc and path.isprintable() else None


def _enter(key: str, wanted: str) -> Response | tuple[str, int]:
    try:
        found = site().identities.by_secret(key.strip()[:MAX_KEY])
    except Unauthorized:
        site().limits.spend_try(request.remote_addr or "")
        sentence = _("This key is not valid. Check it, or make a new one.")
        return render_template("login.html", next=wanted, error=sentence), 422
    # A fresh session: whatever was planted in the old one is gone.
    session.clear()
    session.permanent = True
    session["key"] = found.key_id
    return redirect(local_path(wanted) or url_for("create.show"), 303)
