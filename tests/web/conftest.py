"""A whole application on real Postgres, two owners with keys, and a browserless client."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shared import keys, library, owners
from shared.db import Database
from shared.keys import SCOPES
from shared.owners import Owner
from shared.settings import Settings
from web.app import create_app

_MODELS = {
    "smollm2-135m": "text-generation",
    "emoji": "text-to-image",
    "digits": "text-to-image",
    "hibari": "text-to-speech",
    "realesrgan-anime": "upscale",
}


@pytest.fixture
def app(settings: Settings, db: Database) -> Iterator[Flask]:
    """The application, with a library that has a model of each task; nothing ever opens their files."""
    for name, task in _MODELS.items():
        library.add(db, None, name=name, task=task, source=f"hub:demo/{name}", revision="main", title=name.title())
    app = create_app(settings)
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
