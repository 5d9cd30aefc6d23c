"""Whether an owner may queue one more job, without counting its whole queue at every submit.

Far below the cap a count of up to a second ago is enough; near it the submit itself counts, exactly.
"""

import threading
import time
from dataclasses import dataclass

from shared.db import Database
from shared.owners import Owner

REMEMBER_S = 1.0

_COUNT = """
select count(*) from (select from jobs where owner_id = %(owner)s and state = 'queued' limit %(cap)s) as waiting
"""


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
            known = self._counts.get(owner.id)
        if known is None or now - known.at > REMEMBER_S:
            (queued,) = db.one(_COUNT, {"owner": owner.id, "cap": owner.cap_queued}) or (0,)
            with self._lock:
                known = self._counts[owner.id] = _Count(now, queued)
        with self._lock:
            known.queued += 1
        # Other processes submit too, but not half a cap within a second.
        return None if known.queued <= owner.cap_queued // 2 else owner.cap_queued
