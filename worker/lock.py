"""One process at a time may work on a device, whoever started it."""

import fcntl
import os
from pathlib import Path


class DeviceLock:
    """A lock on a file, held from `take` until this process ends, in whatever way it does."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None

    def take(self, *, wait: bool) -> bool:
        """Take the device; without `wait`, False where another process still has it."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True
