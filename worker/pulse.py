"""The side thread of a worker process: it renews the lease, carries progress to the row, and watches the clock.

A model that loads for a minute stays alive through it. A job that hangs does not: progress that stands still
for too long, or a job that does not stop when told to, ends with this process killed; the next one puts the
job back. The thread also reports the device.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from shared import attempts, kinds
from shared.db import Database
from shared.errors import AtelierError, Cancelled, Superseded, TimeLimit
from shared.job import Job
from shared.settings import Settings
from worker.attempt import Attempt

STOP_GRACE_S = 30.0
"""A job that was told to stop and has not after this long is killed with its process."""

POINTS_EVERY_S = 1.0
"""The points of curves are written this often at most."""

#: Why a training is to make room: the worker leaves, or somebody waits for another job.
Room = Literal["leave", "yield"]

log = logging.getLogger(__name__)


def drain_file(settings: Settings, slug: str, parent: int) -> Path:
    """The file whose existence asks the worker of this Celery parent to shut down, and since when.

    Of one parent, not of the device: what asks an old worker to leave must neither stop nor be lifted by its successor.
    """
    return settings.home / "run" / f"{slug}.{parent}.drain"


def forget_drains(settings: Settings, slug: str) -> None:
    """Remove the files of Celery parents that are no more."""
    for file in (settings.home / "run").glob(f"{slug}.*.drain"):
        if not Path(f"/proc/{file.name.split('.')[-2]}").exists():
            file.unlink(missing_ok=True)


def sign_of_life(settings: Settings, slug: str) -> Path:
    """The file that a worker's pulse touches: stale when no thread of the process gets to run any more."""
    return settings.home / "run" / f"{slug}.pulse"


class Drained(BaseException):
    """The worker shuts down; the job goes back to the queue at no cost."""


class Pulse:
    """Beats every `settings.pulse_s` for the attempts that run: one, or those that share their passes."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        report: Callable[[], None],
        slug: str,
        makes_room: Callable[[Job], Room | None],
    ) -> None:
        self._settings, self._db, self._report, self._makes_room = settings, db, report, makes_room
        self._drain_file = drain_file(settings, slug, os.getppid())
        self._sign = sign_of_life(settings, slug)
        self._watched: dict[Attempt, float | None] = {}
        self._reported_at = 0.0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to beat, until the process ends."""
        threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def watch(self, attempt: Attempt) -> None:
        """Begin to keep this attempt alive; when it was told to stop is kept beside it."""
        with self._lock:
            self._watched[attempt] = None
        self._report_soon()

    def release(self, attempt: Attempt) -> None:
        """The attempt has ended; after this returns nothing more is written for it."""
        with self._lock:
            self._watched.pop(attempt, None)
        self._report_soon()

    @property
    def draining(self) -> bool:
        """Whether this worker was asked to shut down."""
        return self._drain_file.exists()

    def _report_soon(self) -> None:
        """Let the site see the change at the next beat; not at once, for jobs may follow each other quickly."""
        self._reported_at = 0.0

    def _run(self) -> None:
        while True:
            try:
                self._sign.touch()
                for attempt in [*self._watched]:
                    with self._lock:
                        if attempt in self._watched:
                            self._beat(attempt)
                if time.monotonic() - self._reported_at >= self._settings.heartbeat_s:
                    self._reported_at = time.monotonic()
                    self._report()
            except AtelierError as error:
                log.warning("the pulse missed a beat: %s", error)
            except Exception:
                log.exception("the pulse missed a beat")
            time.sleep(self._settings.pulse_s)

    def _beat(self, attempt: Attempt) -> None:
        self._watch_clock(attempt)
        news = attempt.news()
        progress, metrics = news or (None, None)
        reply = attempts.pulse(self._db, attempt.job, self._settings.lease_s, progress, metrics)
        if reply.lost:
            self._tell(attempt, Superseded)
        elif reply.cancel:
            self._tell(attempt, Cancelled)
        elif kinds.trains(attempt.job.kind):
            attempt.wished = reply.wish or self._makes_room(attempt.job)
        # After the lease, so that no number of points can cost it.
        attempt.points.write(at_most_every_s=POINTS_EVERY_S)

    def _watch_clock(self, attempt: Attempt) -> None:
        now = time.monotonic()
        if now - attempt.began > attempt.job.time_limit_s:
            self._tell(attempt, TimeLimit)
        if self.draining and time.time() - self._drain_file.stat().st_mtime > self._settings.drain_s:
            self._tell(attempt, Drained)
        stall_s = kinds.params_class(attempt.job.kind).stall_s
        if now - attempt.moved > stall_s:
            log.error("%s made no progress for %.0f s: this process ends", attempt.job_id, stall_s)
            _die()
        told_at = self._watched[attempt]
        if told_at is not None and now - told_at > min(STOP_GRACE_S, self._settings.lease_s):
            self._force(attempt)

    def _tell(self, attempt: Attempt, reason: type[BaseException]) -> None:
        attempt.stop(reason)
        if self._watched[attempt] is None:
            self._watched[attempt] = time.monotonic()

    def _force(self, attempt: Attempt) -> None:
        """The job did not stop by itself: write its end, then end the process that still computes it."""
        log.error("%s did not stop when told to: this process ends", attempt.job_id)
        reason = attempt.reason
        if reason is TimeLimit:
            attempts.fail(self._db, attempt.job, "time_limit", time_limit_sentence(attempt.job.time_limit_s))
        elif reason is Drained:
            attempts.release(self._db, attempt.job, "the worker shut down")
        elif reason is Cancelled:
            attempts.stop(self._db, attempt.job)
        _die()


def time_limit_sentence(seconds: float) -> str:
    """What the owner reads when a job ran too long."""
    return f"The job was stopped at its time limit of {seconds:g} s. Ask for less, or for a longer limit."


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
