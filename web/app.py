"""The factory of the web process: wiring only. Served as WSGI by granian."""

from flask import Flask, Response, request
from flask_openapi.openapi import OpenAPI
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from shared import kinds
from shared.db import Database
from shared.queue import Ringer
from shared.settings import Settings
from shared.storage import Storage
from web import auth, openapi, problems
from web.api import artifacts, devices, health, jobs, keys, models
from web.api import kinds as kinds_api
from web.identities import Identities
from web.limits import Limits
from web.secret import session_secret
from web.site import Site
from web.watcher import Watcher

VERSION = "0.1.0"

STREAMS = 48
"""Long waits (long polls, event streams) at a time in one process; each holds a thread."""

_APIS = (jobs.api, kinds_api.api, artifacts.api, models.api, devices.api, keys.api, health.api)


def create_app(settings: Settings | None = None) -> Flask:
    """The application. Without settings it takes them from the environment."""
    settings = settings or Settings()
    if settings.kinds_path is not None:
        kinds.extend(settings.kinds_path)
    app = OpenAPI(
        __name__,
        info={"title": "Atelier", "version": VERSION, "description": "One queue for generating and training."},
        security_schemes={"key": {"type": "http", "scheme": "bearer"}},
        validation_error_callback=problems.invalid_body,
        doc_ui=False,
    )
    app.config.update(
        SECRET_KEY=session_secret(settings.home),
        MAX_CONTENT_LENGTH=settings.max_body_mb << 20,
        MAX_FORM_MEMORY_SIZE=settings.max_body_mb << 20,
        MAX_FORM_PARTS=1_000,
        SESSION_COOKIE_NAME="atelier",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.url.startswith("https:"),
    )
    app.extensions["atelier"] = _site(settings)
    problems.register(app)
    app.before_request(_check_text)
    app.before_request(auth.guard)
    app.before_request(_check_json)
    app.after_request(_harden)
    for api in _APIS:
        app.register_api(api)
    app.register_blueprint(openapi.pages)
    return app


def _site(settings: Settings) -> Site:
    db = Database(settings.database_url)
    return Site(
        settings=settings,
        db=db,
        storage=Storage(settings.storage),
        ringer=Ringer(settings),
        watcher=Watcher(db, STREAMS),
        identities=Identities(db),
        limits=Limits(settings.rate_per_minute),
    )


def _check_text() -> None:
    """Refuse text that cannot be stored, wherever in the address it is."""
    parts = [request.path, *request.args.keys(), *(value for values in request.args.lists() for value in values[1])]
    if any("\x00" in part or "\ufffd" in part for part in parts):
        raise BadRequest


def _check_json() -> None:
    """A body under /api is JSON and can be read, before any view looks at it."""
    if not request.path.startswith("/api") or request.method not in {"POST", "PUT", "PATCH"}:
        return
    if not request.is_json:
        if request.get_data(cache=True):
            raise UnsupportedMediaType
        return
    try:
        request.get_json() if request.get_data(cache=True) else None
    except RecursionError as error:
        raise BadRequest from error


def _harden(answer: Response) -> Response:
    headers = answer.headers
    headers.setdefault("Content-Security-Policy", _POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("X-Frame-Options", "DENY")
    return answer


_POLICY = (
    "default-src 'self'; img-src 'self' data:; media-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
