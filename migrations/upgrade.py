"""Bring a database to the newest schema: what `atelier migrate` and every start do."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from shared.db import Database

_LOCK = 7_310_001
"""Number of the advisory lock under which one migration runs at a time."""


def config(database_url: str) -> Config:
    """Alembic's configuration for this package and database."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.attributes["database_url"] = database_url
    return made


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate up to `revision`; several at a time take turns."""
    db = Database(database_url)
    try:
        with db.engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            command.upgrade(config(database_url), revision)
            connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": _LOCK})
    finally:
        db.dispose()
