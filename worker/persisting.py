"""Writes that must not be lost while the database is away."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from shared.errors import Unavailable

T = TypeVar("T")

log = logging.getLogger(__name__)


def persist(write: Callable[[], T], *, patience_s: float = 600) -> T:
    """Do a write that must not be lost, again and again while the database is away.

    Raises:
        Unavailable: it was away for longer than `patience_s`; the lease has long gone to another worker.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            return write()
        except Unavailable as error:
            if time.monotonic() > until:
                raise
            log.warning("%s Trying again.", error)
            time.sleep(1)
