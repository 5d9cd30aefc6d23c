"""Whether an owner may queue one more job, without counting its whole queue at every submit.

Well below the cap a count of up to a second ago is enough; near it each submit counts. What is submitted at the same
moment does not see each other, so a cap can be passed by as many jobs as there are requests at one time. A batch
and a workflow always count; single submits of the second in which they fill the queue may pass the cap by less than the
margin.
"""

import threading
import time
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from shared.db import Database
from shared.errors import TooMany
from shared.job import JobState
from shared.owners import Owner
from shared.records import jobs

REMEMBER_S = 1.0
MARGIN = 5_000
"""More than what all other processes submit for one owner while a count is remembered."""

_COUNT = """
select count(*) from (select from jobs where owner_id = %(owner)s and state = 'queued' limit %(cap)s) as waiting
"""

_OWNER_IN_TURN = text("select pg_advisory_xact_lock(7310003, hashtext(:owner))")


@dataclass
class _Count:
    at: float
    queued: int


class Room:
    """A short memory of how many jobs each owner has queued, per process."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}
        self._lock = threading.Lock()

    def cap_to_check(self, db: Database, owner: Owner) -> int | None:
        """The cap, where this submit must count exactly; None where there is room beyond doubt."""
        now = time.monotonic()
        with self._lock:
            known = self._counts.setdefault(owner.id, _Count(float("-inf"), owner.cap_queued))
            known.queued += 1
            stale = now - known.at > REMEMBER_S
            if stale:
                known.at = now  # one counts; the others go on with what is known
        if stale:
            (queued,) = db.one(_COUNT, {"owner": owner.id, "cap": owner.cap_queued}) or (0,)
            known.queued = queued + 1
        return None if known.queued <= owner.cap_queued - min(owner.cap_queued // 2, MARGIN) else owner.cap_queued


def make_room(connection: Connection, owner: Owner, more: int) -> None:
    """Raises TooMany unless so many more jobs fit; whatever makes several jobs of one owner counts in turn."""
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
