"""`python -m worker.beat`: every few seconds, put right what crashes and lost bells left behind.

Any number of beats at a time is safe. It works on the database alone, so it does its duty while Redis is away.
"""

import logging
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared import artifacts, attempts, devices, kinds, listing, ticks
from shared.db import Database
from shared.errors import AtelierError
from shared.logging import begin as begin_logging
from shared.queue import Ringer
from shared.settings import Settings
from shared.staging import Staging
from shared.storage import Storage

CHECKPOINTS_KEPT_S = 7 * 86_400.0
"""The checkpoints of a training that failed are kept this long."""

GARBAGE_GRACE_S = 3600.0
"""A stored file that no artifact names is deleted after this long: far longer than any upload."""

_TIDY_EVERY_S = 60.0

log = logging.getLogger(__name__)


def sign_of_life(settings: Settings) -> Path:
    """The file that a beat touches at each sweep that it could do: stale when it cannot do its duty."""
    return settings.home / "run" / "beat.pulse"


class Beat:
    """The sweep and its bookkeeping."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        if settings.kinds_path is not None:
            kinds.extend(settings.kinds_path)  # a due schedule is checked against its kind
        self._db = Database(settings.database_url, pool_size=2)
        self._storage = Storage(settings.storage)
        self._ringer = Ringer(settings)
        self._connected_since: float | None = None
        self._sign = sign_of_life(settings)
        self._sign.parent.mkdir(parents=True, exist_ok=True)
        self._tidied_at = 0.0
        self._tidying = threading.Thread(name="tidy")

    def run(self, stop: threading.Event) -> None:
        """Sweep until told to stop."""
        while not stop.is_set():
            wait_s = self._settings.sweep_s
            try:
                self.tick()
                # A due tick does not wait for the sweep.
                wait_s = min(wait_s, ticks.next_due_in(self._db) or wait_s)
            except AtelierError as error:
                self._connected_since = None
                log.warning("no sweep: %s", error)
            except Exception:
                log.exception("the sweep failed")
            stop.wait(wait_s)

    def tick(self) -> None:
        """One sweep: expired leases, due schedules, unheard bells, and now and then the garbage."""
        self._db.ping()
        now = time.monotonic()
        self._connected_since = self._connected_since or now
        # After an outage of the database every lease looks expired; the workers first get the time to renew theirs.
        if now - self._connected_since >= self._settings.lease_s:
            swept = attempts.sweep(self._db)
            if swept.requeued or swept.ended:
                log.warning("%d job(s) of lost workers put back, %d ended", swept.requeued, swept.ended)
        self._submit_due()
        self._ringer.ring(*listing.pools_with_work(self._db))
        self._sign.touch()
        if now - self._tidied_at >= _TIDY_EVERY_S and not self._tidying.is_alive():
            self._tidied_at = now
            self._tidying = threading.Thread(target=self.tidy, name="tidy", daemon=True)
            self._tidying.start()

    def _submit_due(self) -> None:
        """In its own try: what is wrong with a schedule must not stop the sweep."""
        try:
            self._ringer.ring(*ticks.tick(self._db))
        except AtelierError as error:
            log.warning("due runs wait for the next sweep: %s", error)
        except Exception:
            log.exception("the schedules failed")

    def tidy(self) -> None:
        """Delete garbage, beside the sweep: a store that answers slowly must not keep jobs waiting."""
        try:
            devices.forget(self._db)
            ticks.forget(self._db)
            Staging(self._settings.home).forget()
            artifacts.forget_checkpoints(self._db, datetime.now(UTC) - timedelta(seconds=CHECKPOINTS_KEPT_S))
            stale = datetime.now(UTC) - timedelta(seconds=GARBAGE_GRACE_S)
            while artifacts.discard_orphans(self._db, stale, self._storage.delete):
                pass
        except AtelierError as error:
            log.warning("garbage stays for now: %s", error)
        except Exception:
            log.exception("tidying failed")


def main() -> int:
    """Entry point; returns the exit status."""
    settings = Settings()
    begin_logging(settings)
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    Beat(settings).run(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
