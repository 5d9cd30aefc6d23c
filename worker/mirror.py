"""The curves of trainings at Weights & Biases as well, where the installation has a key for it and its package.

What is sent: the kind, the model's name, params that are numbers or switches, and the points of the curves. No texts,
no pictures, no rows. All of it happens on a thread of its own and never waits for the network: an outage costs points
there, nothing here.
"""

import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from shared import kinds
from shared.job import Job
from shared.settings import Settings
from worker.attempt import Attempt

LEAVE_S = 15.0
"""What has not been sent this long after the training's end is not sent."""

#: Points that may wait to be sent; more are left out.
_WAITING = 50_000

log = logging.getLogger(__name__)

_Point = tuple[str, int, float]


@contextmanager
def mirrored(attempt: Attempt, settings: Settings) -> Iterator[None]:
    """Send the points that come up in here to Weights & Biases, if that is wanted and possible."""
    if not settings.wandb_api_key or not kinds.trains(attempt.job.kind):
        yield
        return
    if find_spec("wandb") is None:
        log.warning("WANDB_API_KEY is set, but the package wandb is not installed: curves are shown here alone.")
        yield
        return
    mirror = _Mirror(attempt.job, settings, attempt.workdir)
    attempt.points.heard_by = mirror.add
    try:
        yield
    finally:
        attempt.points.heard_by = None
        mirror.leave()


class _Mirror:
    """One run there. The job's id is the run's, so that an attempt that goes on does so there, too."""

    def __init__(self, job: Job, settings: Settings, folder: Path) -> None:
        self._job, self._settings, self._folder = job, settings, folder
        self._points: queue.Queue[_Point | None] = queue.Queue(_WAITING)
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self._thread.start()

    def add(self, name: str, step: int, value: float) -> None:
        """Take a point along, unless too many wait."""
        if not self._gone.is_set():
            try:
                self._points.put_nowait((name, step, value))
            except queue.Full:
                self._gone.set()
                log.warning("Weights & Biases does not keep up with %s: its curves end there.", self._job.id)

    def leave(self) -> None:
        """Send what is left, but not for long."""
        self._gone.set()
        try:
            self._points.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(LEAVE_S)
        if self._thread.is_alive():
            log.warning("Weights & Biases did not answer in time: the last points of %s are not there.", self._job.id)

    def _run(self) -> None:
        try:
            # A heavy library of no use to whoever has no key.
            self._send(import_module("wandb"))
        except BaseException as error:  # noqa: BLE001 - whatever becomes of it, the training goes on
            self._gone.set()
            log.warning("The curves of %s are not at Weights & Biases: %s", self._job.id, error)

    def _send(self, wandb: Any) -> None:
        run = wandb.init(
            project=self._settings.wandb_project,
            id=self._job.id,
            name=str(self._job.params.get("name") or self._job.id),
            group=self._job.kind,
            resume="allow",
            config=_plain(self._job),
            dir=str(self._folder),
            # Neither what the process prints nor what machine this is; as a thread, it may hear no signals.
            settings=wandb.Settings(
                api_key=self._settings.wandb_api_key, console="off", silent=True, disable_git=True, disable_code=True,
                disable_job_creation=True, x_disable_stats=True, x_disable_meta=True, x_save_requirements=False,
            ),
        )  # fmt: skip
        # A run that goes on repeats steps, which must not be taken for older than what is there.
        run.define_metric("*", step_metric="step")
        while (point := self._points.get()) is not None:
            name, step, value = point
            run.log({name: value, "step": step})
        run.finish()


def _plain(job: Job) -> dict[str, Any]:
    """The kind, and what was asked for in numbers and switches: no text of anybody's."""
    return {"kind": job.kind} | {
        name: value for name, value in job.params.items() if isinstance(value, bool | int | float)
    }
