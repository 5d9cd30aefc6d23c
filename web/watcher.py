"""Wakes requests that wait for a job to change: one query for all of a process's waiters, a few times a second."""

import logging
import threading
import time
from collections import Counter

from shared import listing
from shared.db import Database
from shared.errors import AtelierError

EVERY_S = 0.2
"""How soon a change is noticed."""

log = logging.getLogger(__name__)


class Watcher:
    """Looks at the revisions of the jobs that somebody waits for. `seats` bounds the waiters of this process."""

    def __init__(self, db: Database, seats: int) -> None:
        self._db = db
        self._waiting: Counter[str] = Counter()
        self._latest: dict[str, int] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._seats = threading.Semaphore(seats)

    def sit(self) -> bool:
        """Take a seat for a long wait; False where all are taken, and the client should poll."""
        return self._seats.acquire(blocking=False)

    def stand(self) -> None:
        """Give the seat back."""
        self._seats.release()

    def wait(self, job_id: str, revision: int, timeout: float) -> bool:
        """Wait until the job's revision is newer than this one; False after `timeout` seconds."""
        until = time.monotonic() + timeout
        with self._changed:
            self._waiting[job_id] += 1
            self._ensure_thread()
            try:
                # Another waiter may have left an older revision here: only a newer one is a change.
                while self._latest.get(job_id, revision) <= revision:
                    left = until - time.monotonic()
                    if left <= 0:
                        return False
                    self._changed.wait(left)
                return True
            finally:
                self._waiting[job_id] -= 1
                if self._waiting[job_id] <= 0:
                    del self._waiting[job_id]
                    self._latest.pop(job_id, None)

    def _ensure_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                watched = list(self._waiting)
                if not watched:
                    self._thread = None
                    return
            try:
                seen = listing.revisions(self._db, watched)
            except AtelierError as error:
                log.warning("waiting requests are not woken: %s", error)
                seen = {}
            with self._changed:
                self._latest.update((job_id, now) for job_id, now in seen.items() if job_id in self._waiting)
                self._changed.notify_all()
            time.sleep(EVERY_S)
