"""Processes that end with the process that started them, so that nothing is left on a device or a port."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


def die_with_parent(signum: int = signal.SIGKILL, parent: int | None = None) -> None:
    """Have the kernel send us this signal when our parent ends, however it ends (Linux; elsewhere nothing happens).

    The kernel's promise is tied to the *thread* that started us. `parent` is the pid of the process that did, where it
    is known from that side: one that has ended already, while we were still starting, ends us at once.
    """
    if sys.platform != "linux":
        return
    expected = parent or os.getppid()
    _libc.prctl(_PR_SET_PDEATHSIG, int(signum))
    if os.getppid() != expected:
        os._exit(1)
