"""How Alembic runs the migrations: online, each in a transaction, giving up early on a lock."""

from alembic import context
from sqlalchemy import text

from shared.db import Database
from shared.records import metadata
from shared.settings import Settings


def run() -> None:
    """Run the migrations that the command asks for."""
    url = context.config.attributes.get("database_url") or Settings().database_url
    db = Database(url)
    with db.engine.connect() as connection:
        connection.execute(text("set lock_timeout = '2s'"))
        connection.execute(text("set statement_timeout = 0"))
        connection.commit()
        context.configure(
            connection=connection, target_metadata=metadata, transaction_per_migration=True, compare_server_default=True
        )
        with context.begin_transaction():
            context.run_migrations()
    db.dispose()


run()
