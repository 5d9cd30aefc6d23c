"""The connection to Postgres: one pool a process, transactions by `with`.

Knows no tables.
"""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.errors import Unavailable

_MOST_IDLE = 8
"""Connections for single statements that are kept: more are made in a rush, and closed after it."""

# A statement that waits longer than this for a lock is a fault, not patience.
_OPTIONS = "-c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s -c timezone=UTC"
# A Postgres whose machine vanished without a word is noticed within seconds.
_CONNECTING: dict[str, Any] = {
    "connect_timeout": 3,
    "options": _OPTIONS,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
}


class Database:
    """A pool of connections to one Postgres database."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        if not url:
            raise ValueError("DATABASE_URL is not set. Start with `atelier up`, or set it to a postgresql:// URL.")
        parsed = make_url(url)
        if parsed.drivername in {"postgres", "postgresql"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.engine = create_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            pool_recycle=1800,
            connect_args=_CONNECTING,
        )
        self._conninfo = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        self._idle: list[psycopg.Connection[Any]] = []
        event.listen(self.engine, "checkout", _check_open)

    @contextmanager
    def begin(self, *, durable: bool = True) -> Iterator[Connection]:
        """One transaction, committed at the end of the block.

        `durable=False` lets the commit return before the disk has it: for progress and heartbeats,
        whose loss in a power cut costs nothing.

        Raises:
            Unavailable: Postgres cannot be reached, or went away in mid-transaction.
        """
        with _reported(), self.engine.begin() as connection:
            if not durable:
                connection.execute(_NOT_DURABLE)
            yield connection

    def one(self, query: str, given: dict[str, Any]) -> tuple[Any, ...] | None:
        """The one row of one statement in the driver's own form (`%(name)s`), a transaction by itself.

        Raises:
            Unavailable: Postgres cannot be reached.
        """
        with _reported():
            driver = self._take()
            try:
                row = driver.execute(query.encode(), given, prepare=True).fetchone()
            except BaseException:
                driver.close()
                raise
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(driver)
            else:
                driver.close()
            return row

    def _take(self) -> psycopg.Connection[Any]:
        while True:
            try:
                driver = self._idle.pop()
            except IndexError:
                return psycopg.connect(self._conninfo, autocommit=True, **_CONNECTING)
            if _is_open(driver):
                return driver
            driver.close()

    def ping(self) -> None:
        """Raises Unavailable where Postgres does not answer."""
        with self.begin() as connection:
            connection.execute(text("select 1"))

    def dispose(self) -> None:
        """Close every pooled connection; used after a fork and at the end."""
        self.engine.dispose()
        while self._idle:
            self._idle.pop().close()


def _is_open(driver: psycopg.Connection[Any]) -> bool:
    """Whether a pooled connection still stands: an idle one has nothing to read, but that Postgres closed it.

    Cheaper than a ping, which is a round trip, and what spares the first requests after a restart their error.
    """
    if driver.closed:
        return False
    readable = select.poll()
    readable.register(driver.fileno(), select.POLLIN)
    return not readable.poll(0)


def _check_open(driver: psycopg.Connection[Any], *_: object) -> None:
    if not _is_open(driver):
        raise InvalidatePoolError


@contextmanager
def _reported() -> Iterator[None]:
    """Turns what the driver raises when Postgres is away into ours."""
    try:
        yield
    except (OperationalError, PoolTimeout, psycopg.OperationalError) as error:
        raise Unavailable("The database cannot be reached just now. Try again in a moment.") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("The database connection broke off. Try again in a moment.") from error
        raise


_NOT_DURABLE = text("set local synchronous_commit = off")
