"""What a bell sets off: the one Celery task, in the child process of a device's worker."""

import importlib
import logging
import threading

from celery import shared_task

from shared import kinds
from shared.queue import TASK
from shared.settings import Settings
from worker.devices import Device
from worker.runner import Runner

_runner: Runner | None = None
"""The runner of this process; a Celery task has no other place to find it."""

log = logging.getLogger(__name__)


def begin(settings: Settings, device: Device) -> None:
    """Make this process the worker of a device, and load what its first job will need meanwhile."""
    global _runner  # noqa: PLW0603 - set once, at the start of the process
    _runner = Runner(settings, device)
    _runner.begin()
    threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()


@shared_task(name=TASK, ignore_result=True)
def work() -> int:
    """Run jobs until there are none for this device; returns how many."""
    if _runner is None:
        raise RuntimeError("This worker process was not begun.")
    return _runner.work_off()


def _warm_up() -> None:
    for kind in kinds.names():
        try:
            importlib.import_module(f"worker.kinds.{kind}")
        except Exception:
            log.exception("the kind %s cannot be loaded; its jobs will fail", kind)
