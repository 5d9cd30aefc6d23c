"""Who may do what: a bearer key, or a browser's session that was begun with one.

Each view says what it needs with `needs(scope)` or `public`; a view that says nothing is refused, and a test
finds it. A session alone is not enough to change anything: it takes the page's token as well (CSRF).
"""

import hmac
import ipaddress
import secrets
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, current_app, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from shared.errors import Forbidden, Unauthorized
from shared.keys import Identity, Scope
from web import uploads
from web.problems import wants_page
from web.site import site

View = TypeVar("View", bound=Callable[..., Any])

_PUBLIC = "public"
_SAFE = {"GET", "HEAD", "OPTIONS"}


def needs(scope: Scope) -> Callable[[View], View]:
    """Mark a view as open to keys with this scope only."""

    def mark(view: View) -> View:
        view.__dict__["needs"] = scope
        return view

    return mark


def public(view: View) -> View:
    """Mark a view as open to everybody."""
    view.__dict__["needs"] = _PUBLIC
    return view


def needed(app: Flask, endpoint: str) -> str | None:
    """What a view says that it needs; None where it says nothing."""
    if endpoint == "static":
        return _PUBLIC
    return getattr(app.view_functions[endpoint], "needs", None)


def identity() -> Identity:
    """Who asks. Known in every view that is not public."""
    found: Identity = g.identity
    return found


def csrf_token() -> str:
    """The token that a form of this session carries."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(24)
    return str(session["csrf"])


def guard() -> Response | None:
    """Before each request: is the name right, who asks, and may they?"""
    _check_host()
    if request.endpoint is None:
        # There is nothing to guard at an address that does not exist; it answers 404 to everybody.
        return None
    scope = needed(current_app, request.endpoint)
    if scope == _PUBLIC:
        return None
    if scope is None:
        raise Forbidden("This address is not open to anybody.")
    try:
        g.identity = _identify()
    except Unauthorized:
        if wants_page():
            return _to_login()
        raise
    limits = site().limits
    g.rate = limits.spend(g.identity.key_id, g.identity.rate_per_minute)
    g.identity.require(scope)
    return None


def _to_login() -> Response:
    """On to the login page; a part of a page, which asks by script, is told to leave as a whole."""
    if "HX-Request" in request.headers:
        return Response(status=401, headers={"HX-Redirect": url_for("login.show")})
    return redirect(url_for("login.show", next=request.full_path.rstrip("?")))


def check_form() -> None:
    """Refuse a form that did not come from a page of this session.

    Raises:
        Forbidden: the token or the origin is wrong.
    """
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise Forbidden("This form was sent from another site.", code="cross_site")
    sent = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
    if not sent and uploads.is_taken() and not request.form:
        # A form that stops midway reads as empty: of a token that never came, nothing can be said.
        raise uploads.cut_off()
    if not hmac.compare_digest(sent.encode(), csrf_token().encode()):
        raise Forbidden("This page is too old to send. Reload it and try again.", code="stale_form")


def _identify() -> Identity:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    try:
        if secret and scheme.lower() == "bearer":
            return site().identities.by_secret(secret.strip())
        if "key" in session:
            found = site().identities.by_key_id(session["key"])
            if request.method not in _SAFE:
                check_form()
            return found
    except Unauthorized:
        # Right keys are never refused for others' wrong ones: behind a proxy everybody has one address.
        site().limits.spend_try(request.remote_addr or "")
        raise
    raise Unauthorized("This needs a key. Send it as Authorization: Bearer …", code="key_missing")


def _check_host() -> None:
    """Refuse names that are not ours, so that no foreign page can reach a local site by rebinding its own name."""
    settings = site().settings
    if request.path in {"/healthz", "/readyz"} or _is_ours(request.host, settings.host, settings.url):
        return
    name = urlsplit(f"//{request.host}").hostname
    raise Forbidden(
        f"This site is not called {name!r}. Its operator can set ATELIER_URL to allow it.", code="wrong_host"
    )


@lru_cache(1000)
def _is_ours(host: str, listening: str, url: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name in {"localhost", listening, urlsplit(url).hostname}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
