"""Owners, and the probe kind, for tests of what both sides share."""

from pathlib import Path

import pytest

from shared import kinds, owners
from shared.db import Database
from shared.owners import Owner

kinds.extend(Path(__file__).parents[1] / "probe")


@pytest.fixture
def owner(db: Database) -> Owner:
    return owners.ensure(db, "owner")


@pytest.fixture
def stranger(db: Database) -> Owner:
    return owners.ensure(db, "stranger")
