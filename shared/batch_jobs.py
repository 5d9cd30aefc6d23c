"""The jobs of a batch, all at once: what `shared.batches` does inside its transactions."""

from collections.abc import Collection
from typing import BinaryIO

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from shared import transitions
from shared.errors import TooMany
from shared.ids import new_id
from shared.job import JobState
from shared.owners import Owner
from shared.records import jobs

COPIED_AT_ONCE = 4 << 20
"""Bytes of one COPY: little enough to hold, and to be far from the statement's time limit."""

_OWNER_IN_TURN = text("select pg_advisory_xact_lock(7310003, hashtext(:owner))")


def submit_many(connection: Connection, owner: Owner, batch_id: str, lines: BinaryIO, total: int) -> None:
    """Write the jobs of a batch: `lines` are those of `transitions.copy_line`, read a few megabytes at a time.

    Raises:
        TooMany: not all of them fit into the owner's queue.
    """
    _make_room(connection, owner, total)
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        while chunk := lines.readlines(COPIED_AT_ONCE):
            with cursor.copy(transitions.SUBMIT_MANY) as copy:
                copy.write(b"".join(chunk))
    connection.execute(transitions.LOG_SUBMITTED, {"batch": batch_id})


def cancel_rest(connection: Connection, owner_id: str, batch_id: str) -> int:
    """Cancel every job of a batch that waits, and ask every one that runs to stop; how many that were."""
    connection.execute(transitions.ONE_AT_A_TIME)
    stopped = 0
    # Again until nothing is left: between the two a job may have been claimed, or put back.
    while True:
        given = {"batch": batch_id, "owner": owner_id, "event_data": {}}
        found = sum(connection.execute(arrow, given).scalar_one() for arrow in transitions.CANCEL_REST)
        if not found:
            return stopped
        stopped += found


def retry_many(connection: Connection, owner: Owner, batch_id: str, states: Collection[JobState]) -> int:
    """Submit anew each job of a batch that is the latest of its number and in one of these states; how many.

    The caller holds the batch's row, so that asking twice at once is asking once.

    Raises:
        TooMany: not all of them fit into the owner's queue.
    """
    latest = (
        select(jobs.c.id, jobs.c.state)
        .where(jobs.c.batch_id == batch_id, jobs.c.owner_id == owner.id)
        .ext(distinct_on(jobs.c.batch_index))
        .order_by(jobs.c.batch_index.desc(), jobs.c.id.desc())
        .subquery()
    )
    ended = connection.execute(select(latest.c.id).where(latest.c.state.in_(list(states)))).scalars().all()
    if ended:
        _make_room(connection, owner, len(ended))
        fresh = [new_id("job") for _ in ended]
        connection.execute(transitions.RETRY_MANY, {"ended": list(ended), "fresh": fresh})
    return len(ended)


def _make_room(connection: Connection, owner: Owner, more: int) -> None:
    """Raises TooMany unless so many more jobs fit; batches of one owner are counted in turn."""
    connection.execute(_OWNER_IN_TURN, {"owner": owner.id})
    waiting = (jobs.c.owner_id == owner.id) & (jobs.c.state == JobState.QUEUED)
    room = max(0, owner.cap_queued - connection.execute(select(func.count()).where(waiting)).scalar_one())
    if more > room:
        raise TooMany(
            f"These are {more:,} jobs, and there is room for {room:,} more now: of yours {owner.cap_queued:,} "
            "may wait at one time.",
            code="queue_full",
            retry_after=30,
        )
