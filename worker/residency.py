"""Models kept in a device's memory between jobs, under a budget; the least recently used goes first.

Knows no model: it holds what a loader returned.
"""

import gc
import logging
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from shared.devices import Resident

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass
class _Held:
    value: Any
    bytes: int


class Residency:
    """A cache by memory. Only the thread that runs jobs loads; the heartbeat thread may look."""

    def __init__(self, budget: int, in_use: Callable[[], int]) -> None:
        """`budget` in bytes; `in_use` measures what the device's memory holds now, in bytes."""
        self.budget = budget
        self._in_use = in_use
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, load: Callable[[], T], size: int | None = None) -> T:
        """What `load` returned for this key, now or on an earlier call.

        With `size` (bytes) room is made before loading. Out of memory evicts everything and tries once more.
        """
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                held: T = self._held[key].value
                return held
        self._make_room(size or 0)
        before = self._in_use()
        try:
            value = load()
        except Exception as error:
            if not is_out_of_memory(error) or not self._held:
                raise
            log.warning("no memory for %s: everything else goes, and once more", key)
            self.clear()
            value = load()
        taken = max(size or 0, self._in_use() - before)
        with self._lock:
            self._held[key] = _Held(value, taken)
        self._make_room(0, keep=key)
        return value

    def resident(self) -> tuple[Resident, ...]:
        """What is held, longest unused first."""
        with self._lock:
            return tuple(Resident(model=key, bytes=held.bytes) for key, held in self._held.items())

    def models(self) -> list[str]:
        """The library names of what is held: a key is `name@version`, with a part after `#` for one of several."""
        return [each.model.split("@")[0] for each in self.resident()]

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._held.clear()
        _return_memory()

    def _make_room(self, size: int, keep: str | None = None) -> None:
        while True:
            with self._lock:
                total = sum(held.bytes for held in self._held.values())
                oldest = next((key for key in self._held if key != keep), None)
                if total + size <= self.budget or oldest is None:
                    return
                del self._held[oldest]
            log.info("%s leaves memory", oldest)
            _return_memory()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the machine had too little memory. By name, since torch may not be loaded."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def process_memory() -> int:
    """Resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def cuda_memory() -> int:
    """Bytes that this process holds on its GPU."""
    torch = sys.modules.get("torch")
    return int(torch.cuda.memory_allocated()) if torch is not None else 0


def _return_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
