"""The folder that holds an installation's state: its parts, its lock, and a short place for sockets."""

import fcntl
import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Conflict, Unavailable

SOCKET_LIMIT = 107
"""Longest path of a unix socket, in bytes: the kernel's limit."""

_LONGEST_NAME = "/.s.PGSQL.5432.lock"


@dataclass(frozen=True)
class Home:
    """ATELIER_HOME and what lies where in it."""

    path: Path

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def owner_key(self) -> Path:
        """The file with the key that was made at first start."""
        return self.path / "owner.key"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Make the folder, private to its user.

        Raises:
            Unavailable: it cannot be made or written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.logs.mkdir(exist_ok=True)
            self.sockets().mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unavailable(
                f"ATELIER_HOME is {self.path}, where nothing can be written: {error.strerror}. Choose another folder."
            ) from error
        if self.sockets().stat().st_uid != os.geteuid():
            raise Unavailable(f"{self.sockets()} belongs to someone else. Remove it, or choose another ATELIER_HOME.")

    def sockets(self) -> Path:
        """The folder for sockets; where `path` is too long for the kernel, a short one that belongs to it."""
        inside = self.path / "run"
        if len(os.fsencode(inside)) + len(_LONGEST_NAME) <= SOCKET_LIMIT:
            return inside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        short = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"atelier-{digest}"
        return short if len(os.fsencode(short)) + len(_LONGEST_NAME) <= SOCKET_LIMIT else Path("/tmp") / short.name  # noqa: S108 - private by mode, checked by owner

    def lock(self, patience_s: float = 30) -> int:
        """Take the folder for this process and the servers it starts; returns the descriptor that holds it.

        The servers inherit the descriptor: after a crash the lock is free only when the last of them is gone.

        Raises:
            Conflict: another process has it.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        until = time.monotonic() + patience_s
        while not _locked(descriptor):
            holder = os.pread(descriptor, 20, 0).decode().strip()
            if _alive(holder) or time.monotonic() > until:
                os.close(descriptor)
                raise Conflict(
                    f"Atelier is running in {self.path} already (process {holder}). "
                    "Stop that one first, or set ATELIER_HOME to another folder."
                )
            time.sleep(0.1)  # the servers of a run that was killed are still closing
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
