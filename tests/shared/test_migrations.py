"""Rows and migrations agree, and every step goes both ways."""

from alembic import command
from sqlalchemy import inspect

from migrations.upgrade import config, upgrade
from shared.db import Database


def test_rows_and_migrations_agree(database_url: str) -> None:
    command.check(config(database_url))


def test_down_to_nothing_and_up_again(database_url: str) -> None:
    command.downgrade(config(database_url), "base")
    db = Database(database_url)
    assert set(inspect(db.engine).get_table_names()) == {"alembic_version"}
    upgrade(database_url)
    command.check(config(database_url))
    db.dispose()
