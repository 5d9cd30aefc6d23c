"""The points of an attempt's curves, from the kind's thread to the database: collected, and written many at a time."""

import threading
import time
from collections.abc import Callable

from shared import curves
from shared.db import Database
from shared.job import Job

MOST_AT_ONCE = 20_000
"""Points of one statement."""


class Points:
    """What was measured and is not written yet. Any thread may add, and any may write."""

    def __init__(self, db: Database, job: Job) -> None:
        self._db, self._job = db, job
        self._new: dict[tuple[str, int], float] = {}
        self._adding, self._writing = threading.Lock(), threading.Lock()
        self._written_at = 0.0
        #: Who else is told of each point.
        self.heard_by: Callable[[str, int, float], None] | None = None

    def add(self, name: str, step: int, value: float) -> None:
        """Note a point; cheap."""
        with self._adding:
            self._new[name, step] = value
        if self.heard_by is not None:
            self.heard_by(name, step, value)

    def write(self, *, at_most_every_s: float = 0) -> None:
        """Write what is new, unless that was done so recently. After it returns everything added before is written.

        Raises:
            Unavailable: the database is away; nothing is lost.
        """
        with self._writing:
            if not self._new or time.monotonic() - self._written_at < at_most_every_s:
                return
            with self._adding:
                taken, self._new = self._new, {}
            try:
                self._write(taken)
            except BaseException:
                with self._adding:
                    self._new = taken | self._new
                raise
            self._written_at = time.monotonic()

    def _write(self, points: dict[tuple[str, int], float]) -> None:
        every = list(points.items())
        for begin in range(0, len(every), MOST_AT_ONCE):
            curves.write(self._db, self._job, dict(every[begin : begin + MOST_AT_ONCE]))
