"""Your keys: listed, made, revoked. A secret is in the one answer that makes it, and nowhere else.

Nothing here is kept by a browser, a cache or a log: the secret is in no address, and no answer may be stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response as AnyResponse

from shared import keys
from shared.complaints import field_errors
from shared.errors import FieldError, Forbidden, Invalid
from shared.keys import DEFAULT_SCOPES, SCOPES, Key, NewKey
from web.api.key_bodies import KeyRequest
from web.api.keys import make_for
from web.auth import identity, needs
from web.pages import polling
from web.pages.entries import entries
from web.pages.translation import _
from web.site import site

pages = Blueprint("own_keys", __name__, url_prefix="/keys")

ENTRIES = ("label", "scopes", "expires_at", "rate_per_minute")
"""The entries of the form, in the order in which they are drawn."""


@dataclass(frozen=True)
class Row:
    """One key of the list. `here`: this session was begun with it."""

    key: Key
    state: str
    state_word: str
    here: bool


@dataclass(frozen=True)
class ScopeChoice:
    """One scope of the form, with what it lets a key do."""

    name: str
    sentence: str
    chosen: bool
    may_give: bool


@pages.after_request
def _forget(answer: Response) -> Response:
    """Nothing of these pages is kept by a browser or by anything before it."""
    answer.headers["Cache-Control"] = "no-store"
    return answer


@pages.get("")
@needs("keys:write")
def show() -> str:
    """The page."""
    return _page({}, DEFAULT_SCOPES)


@pages.get("/list")
@needs("keys:write")
def part() -> Response:
    """The list alone; 204 while it would be drawn the same."""
    seen = _seen()
    return polling.redrawn(seen["version"], lambda: render_template("keys/list.html", **seen))


@pages.post("")
@needs("keys:write")
def create() -> tuple[str, int]:
    """Make a key, and show its secret in this answer: a redirect could not carry it without leaving it somewhere."""
    typed = {name: request.form.get(name, "").strip() for name in ENTRIES}
    scopes = request.form.getlist("scopes")
    try:
        made = make_for(identity(), _asked(typed, scopes))
    except ValidationError as error:
        return _page(typed, scopes, errors=field_errors(error)), 422
    except Invalid as error:
        return _page(typed, scopes, errors=error.errors), 422
    except Forbidden as error:
        return _page(typed, scopes, errors=[{"field": error.field or "", "message": str(error)}]), 422
    return _page({}, DEFAULT_SCOPES, made=made), 201


@pages.post("/<key_id>/revoke")
@needs("keys:write")
def revoke(key_id: str) -> AnyResponse:
    """End one of your keys for good."""
    keys.revoke(site().db, identity().owner.id, key_id)
    return redirect(url_for("own_keys.show"), 303)


def _asked(typed: dict[str, str], scopes: Sequence[str]) -> KeyRequest:
    """What was typed as the API's own request.

    Raises:
        Invalid, ValidationError: something in it cannot be used.
    """
    if not scopes:
        raise Invalid(_("Choose at least one."), field="scopes")
    asked: dict[str, Any] = {"label": typed["label"], "scopes": list(scopes)}
    if typed["rate_per_minute"]:
        asked["rate_per_minute"] = typed["rate_per_minute"]
    if typed["expires_at"]:
        asked["expires_at"] = _end_of(typed["expires_at"])
    return KeyRequest.model_validate(asked)


def _end_of(day: str) -> datetime:
    """The last second of a day."""
    try:
        return datetime.combine(date.fromisoformat(day), time(23, 59, 59), tzinfo=UTC)
    except ValueError:
        raise Invalid(_("Write a day as year-month-day, such as 2030-01-31."), field="expires_at") from None


def _page(
    typed: dict[str, str], scopes: Sequence[str], *, errors: Sequence[FieldError] = (), made: NewKey | None = None
) -> str:
    return render_template(
        "keys/page.html",
        form=entries(ENTRIES, typed, errors),
        scopes=_choices(scopes),
        made=made,
        base=request.host_url.rstrip("/"),
        usual_rate=site().settings.rate_per_minute,
        **_seen(),
    )


def _choices(chosen: Sequence[str]) -> list[ScopeChoice]:
    sentences = {
        "jobs:read": _("See your jobs, their results, the models and the devices."),
        "jobs:write": _("Submit, cancel and retry jobs, batches and schedules."),
        "models:write": _("Add models of your own to the library, and remove them."),
        "keys:write": _("See, make and revoke your keys."),
        "admin": _("Everything, for everybody: all the above, the server's folders, and draining devices."),
    }
    # Only an admin gives what it does not have: its own scopes are the bound of anybody else.
    own = identity().scopes
    return [
        ScopeChoice(scope, sentences[scope], scope in chosen, may_give="admin" in own or scope in own)
        for scope in SCOPES
    ]


def _seen() -> dict[str, Any]:
    who = identity()
    rows = [_row(key, who.key_id) for key in keys.list_keys(site().db, who.owner.id)]
    # Each request is a use: the minute is what is seen of it.
    seen = [(row.key.id, row.state, row.key.used_at is None) for row in rows]
    return {"rows": rows, "version": polling.version(seen)}


def _row(key: Key, here: str) -> Row:
    if key.revoked_at is not None:
        return Row(key, "revoked", _("Revoked"), key.id == here)
    if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
        return Row(key, "expired", _("Expired"), key.id == here)
    return Row(key, "active", _("Valid"), key.id == here)
