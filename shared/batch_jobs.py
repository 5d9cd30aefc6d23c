"""The jobs of a batch, all at once: what `shared.batches` does inside its transactions."""

from collections.abc import Collection
from typing import BinaryIO

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import distinct_on

from shared import dependencies, transitions
from shared.batch_copy import LOG_SUBMITTED, SUBMIT_MANY
from shared.ids import new_id
from shared.job import JobState
from shared.new_rows import RETRY_MANY
from shared.owners import Owner
from shared.records import jobs
from shared.room import make_room

COPIED_AT_ONCE = 4 << 20
"""Bytes of one COPY: little enough to hold, and to be far from the statement's time limit."""


def submit_many(connection: Connection, owner: Owner, batch_id: str, lines: BinaryIO, total: int) -> None:
    """Write the jobs of a batch: `lines` are those of `batch_copy.copy_line`, read a few megabytes at a time.

    Raises:
        TooMany: not all of them fit into the owner's queue.
    """
    make_room(connection, owner, total)
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        while chunk := lines.readlines(COPIED_AT_ONCE):
            with cursor.copy(SUBMIT_MANY) as copy:
                copy.write(b"".join(chunk))
    connection.execute(LOG_SUBMITTED, {"batch": batch_id})


def cancel_rest(connection: Connection, owner_id: str, batch_id: str) -> int:
    """Cancel every job of a batch that waits, and ask every one that runs to stop; how many that were."""
    connection.execute(transitions.ONE_AT_A_TIME)
    stopped = 0
    # Again until nothing is left: between the two a job may have been claimed, or put back.
    while True:
        given = {"batch": batch_id, "owner": owner_id, "event_data": {}}
        found = sum(connection.execute(arrow, given).scalar_one() for arrow in transitions.CANCEL_REST)
        if not found:
            break
        stopped += found
    lost = select(jobs.c.id, jobs.c.state, jobs.c.step, jobs.c.needed).where(
        jobs.c.batch_id == batch_id, jobs.c.needed, jobs.c.state == JobState.CANCELLED
    )
    dependencies.follow_end(connection, list(connection.execute(lost).mappings()))
    return stopped


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
        make_room(connection, owner, len(ended))
        fresh = [new_id("job") for _ in ended]
        connection.execute(RETRY_MANY, {"ended": list(ended), "fresh": fresh})
    return len(ended)
