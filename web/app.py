"""The factory of the web process: wiring only. Served as WSGI by granian."""

from importlib.metadata import version

from flask import Flask
from flask_openapi.openapi import OpenAPI

from shared import kinds
from shared.db import Database
from shared.queue import Ringer
from shared.settings import Settings
from shared.storage import Storage
from web import auth, incoming, openapi, pages, problems, uploads
from web.api import (
    artifacts,
    batches,
    cron,
    datasets,
    devices,
    health,
    jobs,
    keys,
    models,
    provenance,
    schedules,
    workflows,
)
from web.api import kinds as kinds_api
from web.api import uploads as uploads_api
from web.identities import Identities
from web.limits import Limits
from web.secret import session_secret
from web.sessions import Sessions
from web.site import Site
from web.strict_json import StrictJSON
from web.watcher import Watcher

VERSION = version("atelier")

STREAMS = 20
"""Long waits (long polls, event streams) at a time in one process. Each holds one of its threads (32 under
`atelier up`), and some must stay free for everything else."""

_APIS = (
    jobs.api,
    batches.api,
    workflows.api,
    schedules.api,
    cron.api,
    kinds_api.api,
    artifacts.api,
    uploads_api.api,
    provenance.api,
    models.api,
    datasets.api,
    devices.api,
    keys.api,
    health.api,
)


def create_app(settings: Settings | None = None) -> Flask:
    """The application. Without settings it takes them from the environment."""
    settings = settings or Settings()
    if settings.kinds_path is not None:
        kinds.extend(settings.kinds_path)
    kinds.fix(settings.fixed)
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
        **{uploads.MAX_LENGTH: settings.max_upload_mb << 20},
        SESSION_COOKIE_NAME="atelier",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.url.startswith("https:"),
    )
    app.session_interface = Sessions()
    app.json = StrictJSON(app)
    app.extensions["atelier"] = _site(settings)
    problems.register(app)
    incoming.register(app)
    app.before_request(auth.guard)
    app.before_request(incoming.check_json)
    for api in _APIS:
        app.register_api(api)
    app.register_blueprint(openapi.pages)
    pages.register(app)
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
