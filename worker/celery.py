"""The Celery application of one device's worker: wiring only.

The supervisor starts one such worker per device, with ATELIER_DEVICE naming it. The parent imports no torch and
opens no store; its one child, started by spawn, does the work and is replaced when it dies.
"""

import logging
import os

from billiard.process import current_process
from celery.signals import setup_logging, worker_process_init, worker_shutting_down

from shared.logging import begin as begin_logging
from shared.process import die_with_parent
from shared.queue import celery_app
from shared.settings import Settings
from worker import tasks
from worker.devices import find_devices
from worker.kinds import extend
from worker.pulse import drain_file

settings = Settings()
device = find_devices((os.environ["ATELIER_DEVICE"],))[0]

app = celery_app(settings, queues=(*device.pools, device.id, "accelerated"))
# The spawned child imports this module by name, to hear the signals below.
app.conf.update(
    worker_pool="prefork", worker_pool_start_method="spawn", worker_proc_alive_timeout=120, imports=("worker.celery",)
)


@setup_logging.connect
def _log(**_: object) -> None:
    begin_logging(settings)
    logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)
    logging.getLogger("celery.app.trace").setLevel(logging.WARNING)


@worker_process_init.connect
def _begin(**_: object) -> None:
    """In the child: from here on jobs can be run."""
    die_with_parent(parent=current_process()._parent_pid)
    if settings.kinds_path is not None:
        extend(settings.kinds_path)
    tasks.begin(settings, device)


@worker_shutting_down.connect
def _drain(**_: object) -> None:
    """In the parent: let the child finish its job and take no other."""
    drain_file(settings, device.slug, os.getpid()).touch()
