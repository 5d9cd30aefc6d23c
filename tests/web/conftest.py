"""A whole application on real Postgres, two owners with keys, and a browserless client."""

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache, FileSystemBytecodeCache
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from shared import keys, library, owners
from shared.db import Database
from shared.keys import SCOPES
from shared.owners import Owner
from shared.settings import Settings
from tests.web.browsing import FLAGS, WIDE, Watched
from tests.web.driving import Driver
from web.app import create_app

_MODELS = {
    "smollm2-135m": "text-generation",
    "emoji": "text-to-image",
    "digits": "text-to-image",
    "hibari": "text-to-speech",
    "realesrgan-anime": "upscale",
    "latent-walk": "text-to-video",
    "whisper-tiny-en": "automatic-speech-recognition",
}


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> BytecodeCache:
    """Templates as they were compiled for the first application: each test has one of its own."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(settings: Settings, db: Database, compiled: BytecodeCache) -> Iterator[Flask]:
    """The application, with a library that has a model of each task; nothing ever opens their files."""
    for name, task in _MODELS.items():
        library.add(db, None, name=name, task=task, source=f"hub:demo/{name}", revision="0" * 40, title=name.title())
    app = create_app(settings)
    app.jinja_env.bytecode_cache = compiled
    yield app
    app.extensions["atelier"].db.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client without a key."""
    return app.test_client()


@pytest.fixture
def owner(db: Database) -> Owner:
    return owners.ensure(db, "owner")


@pytest.fixture
def secret(db: Database, owner: Owner) -> str:
    """A key of the owner that may do everything."""
    return keys.create(db, owner.id, "test", SCOPES).secret


@pytest.fixture
def stranger_secret(db: Database) -> str:
    """A key of somebody else, with the usual scopes."""
    return keys.create(db, owners.ensure(db, "stranger").id, "test").secret


@pytest.fixture
def driver(db: Database, owner: Owner, settings: Settings, tmp_path: Path) -> Driver:
    """Submits and runs the owner's jobs."""
    return Driver(db, owner, settings, tmp_path)


@dataclass(frozen=True)
class Visitor:
    """Somebody with a browser and no script: follows redirects, and sends the token of each form."""

    client: FlaskClient

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, follow_redirects=True)

    def post(self, path: str, **fields: str) -> TestResponse:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/login").text)
        assert found is not None
        return self.client.post(path, data={"csrf_token": found[1], **fields})


@pytest.fixture
def visitor(client: FlaskClient) -> Visitor:
    """A visitor who is not logged in."""
    return Visitor(client)


@pytest.fixture
def mine(visitor: Visitor, secret: str) -> Visitor:
    """The owner, logged in."""
    assert visitor.post("/login", key=secret).status_code == 303
    return visitor


@pytest.fixture
def theirs(app: Flask, stranger_secret: str) -> Visitor:
    """The stranger, logged in."""
    visitor = Visitor(app.test_client())
    assert visitor.post("/login", key=stranger_secret).status_code == 303
    return visitor


# ---- a real browser ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Its absence fails in CI and skips elsewhere."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        sentence = "No Chromium: install the system's package `chromium`, or name one in CHROMIUM."
        (pytest.fail if os.environ.get("CI") else pytest.skip)(sentence)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    """The application, served by threads of this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join(10)


@pytest.fixture
def open_page(browser: Browser, url: str, secret: str) -> Iterator[Callable[..., Page]]:
    """Opens a path in a browser context of its own, logged in."""
    contexts: list[BrowserContext] = []
    watched: list[Watched] = []

    def open_(path: str, *, login: bool = True, **options: Any) -> Page:
        context = browser.new_context(base_url=url, **{"viewport": WIDE, **options})
        contexts.append(context)
        watched.append(Watched(context, url))
        page = watched[-1].page
        if login:
            page.goto(f"/login?key={secret}&next={path}")
        else:
            page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [error for each in watched for error in each.errors] == []


@pytest.fixture
def png() -> bytes:
    """A small real picture."""
    made = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(made, "png")
    return made.getvalue()
