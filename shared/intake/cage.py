"""What holds the child that decodes: bounds that the kernel keeps, set before the first foreign byte is read.

The child sets them on itself: between a fork and its program no Python code may run in a process with threads.
"""

import ctypes
import os
import resource
import signal

from shared.intake.caps import Caps

_OPEN_FILES = 128
_NEW_USER, _NEW_NET, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_NO_NEW_PRIVILEGES = 38
_DIE_WITH_PARENT = 1


def close(caps: Caps) -> bool:
    """Bound this process for good. Returns whether it was cut off from the network too, which not every host allows."""
    bounds = {
        resource.RLIMIT_AS: caps.memory,
        resource.RLIMIT_CPU: caps.cpu_s,
        resource.RLIMIT_FSIZE: caps.written,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for name, most in bounds.items():
        hard = resource.getrlimit(name)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(name, (most, most))
    # Should whoever started it be gone, the clock ends it all the same.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(caps.wall_s + 10)
    os.umask(0o077)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    # In namespaces of its own there is no network; without the right to make them, within a new user's.
    spaces = (_NEW_NET | _NEW_IPC, _NEW_USER | _NEW_NET | _NEW_IPC)
    return any(libc.unshare(each) == 0 for each in spaces)
