"""The switch between languages: a plain form that sets a cookie and comes back to the same page."""

from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, current_app, redirect, request
from werkzeug.wrappers import Response

from shared.errors import Invalid
from web.auth import check_form, public
from web.pages.login import local_path
from web.pages.translation import COOKIE, NAMES, TAGS, Language, _, language
from web.site import site

pages = Blueprint("language", __name__)

KEPT = timedelta(days=365)

_OFFERS = {"en": "Switch to English", "zh": "切换到中文"}
"""What the switch offers, in the language that it leads to: whoever needs it does not read the other one."""


@dataclass(frozen=True)
class Switch:
    """The language that the switch leads to, how it is written, and the page to come back to."""

    language: str
    name: str
    tag: str
    offer: str
    back: str


@pages.post("/language")
@public
def choose() -> Response:
    """Remember the language."""
    check_form()
    chosen = request.form.get("language", "")
    if chosen not in NAMES:
        raise Invalid(_("There is no such language."), field="language")
    answer = redirect(local_path(request.form.get("next", "")) or "/", 303)
    secure = site().settings.url.startswith("https:")
    answer.set_cookie(COOKIE, chosen, max_age=KEPT, secure=secure, httponly=True, samesite="Lax")
    return answer


def switch() -> Switch:
    """The switch of this page."""
    to: Language = "en" if language() == "zh" else "zh"
    return Switch(to, NAMES[to], TAGS[to], _OFFERS[to], _back())


def _back() -> str:
    """The address of this page; of an answer to a form, that of the page at the same address, if there is one."""
    if request.method not in {"GET", "HEAD"}:
        adapter = current_app.create_url_adapter(request)
        return request.path if adapter is not None and adapter.test(request.path, "GET") else "/"
    # The address that the console prints holds a key, which must be in no page.
    return request.path if "key" in request.args else request.full_path.rstrip("?")
