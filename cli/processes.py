"""Starting and stopping one process: its log, its signals, and its end when we end.

Children get a session of their own, so that Ctrl-C reaches only us and we choose the order; where the kernel can,
they are told to stop when we die in any way. That promise is tied to the thread that starts them: use the main one.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.process import die_with_parent

_CLONE_NEWUSER = 0x10000000
_NOBODY = 65534
_KEEP_LOG = 10 * 2**20
"""A log larger than this, in bytes, is set aside at the next start."""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Command:
    """What to run and how. `quit_signal` asks it to stop, and is what it gets when we die."""

    name: str
    arguments: Sequence[str | Path]
    environment: Mapping[str, str] | None = None
    quit_signal: signal.Signals = signal.SIGTERM
    folder: Path | None = None
    namespace: bool = False
    """Let it believe that it is `nobody` (for a server that refuses to be root)."""
    user: str | None = None
    """Run it as this user; only root can."""
    keep: tuple[int, ...] = ()
    """File descriptors that it inherits."""


class Process:
    """A running command whose output goes to a log file."""

    def __init__(self, command: Command, log: Path) -> None:
        self.command = command
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _KEEP_LOG:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            self._began = output.tell()
            self._popen = subprocess.Popen(
                [str(each) for each in command.arguments],
                env=dict(command.environment) if command.environment is not None else None,
                cwd=command.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=command.keep,
                user=command.user,
                extra_groups=[] if command.user else None,
                preexec_fn=_prepare(command),  # noqa: PLW1509 - set before we have threads, and it takes no lock
            )

    @property
    def name(self) -> str:
        return self.command.name

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._popen.poll()

    def stop(self, patience_s: float) -> None:
        """Ask it to stop, wait, and kill what is left of it; returns when it is gone."""
        if self.returncode is None:
            self._popen.send_signal(self.command.quit_signal)
            try:
                self._popen.wait(patience_s)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def kill(self) -> None:
        """End it and everything that it started in its session, at once."""
        try:
            os.killpg(self._popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it went by itself in the meantime
        self._popen.wait()

    def last_words(self, lines: int = 15) -> str:
        """The end of what it has logged since it started."""
        with self.log.open("rb") as log:
            log.seek(max(self._began, log.seek(0, os.SEEK_END) - 20_000))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])


def can_enter_namespace() -> bool:
    """Whether this system lets us start a process in a user namespace."""
    if sys.platform != "linux":
        return False
    try:
        probe = subprocess.run(["true"], preexec_fn=_enter_namespace, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return probe.returncode == 0


def _prepare(command: Command) -> Callable[[], None]:
    parent = os.getpid()

    def in_child() -> None:
        if command.namespace:
            _enter_namespace()  # first: entering clears the death signal
        die_with_parent(command.quit_signal, parent)

    return in_child


def _enter_namespace() -> None:
    """Become `nobody` inside a namespace of one user; outside, files stay ours."""
    uid, gid = os.getuid(), os.getgid()
    if _libc.unshare(_CLONE_NEWUSER):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{_NOBODY} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{_NOBODY} {gid} 1")
