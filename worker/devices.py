"""The devices of this machine, found without touching CUDA: the parent process must never open a context."""

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from shared.devices import device_id
from shared.settings import Settings

GIB = 1 << 30


@dataclass(frozen=True)
class Device:
    """What one worker process is pinned to: `cpu:0`, `cuda:1`, or a group such as `cuda:0+cuda:1` or `cpu:0+cpu:1`.

    A training on a group has a process for each member; all other work is done by the first. `memory` in bytes;
    `indices` are the machine's GPU numbers, made visible to the process before torch loads.
    """

    name: str
    title: str
    memory: int
    indices: tuple[int, ...] = ()
    host: str = socket.gethostname()

    @property
    def id(self) -> str:
        """Unique over all machines; also the name of the device's own pool."""
        return device_id(self.host, self.name)

    @property
    def slug(self) -> str:
        """A name fit for files and for Celery's node name."""
        return self.name.replace(":", "-").replace("+", "_")

    @property
    def members(self) -> int:
        """How many devices it is: more than one of a group."""
        return self.name.count("+") + 1

    @property
    def is_gpu(self) -> bool:
        """Whether work runs on CUDA."""
        return bool(self.indices)

    @property
    def torch_name(self) -> str:
        """What torch calls the device inside the worker: only its own GPUs are visible there."""
        return "cuda:0" if self.is_gpu else "cpu"

    @property
    def pools(self) -> tuple[str, ...]:
        """The resource classes it serves, besides its own pool and `accelerated`."""
        return ("gpu",) if self.is_gpu else ("cpu", "io")

    def budget(self, settings: Settings) -> int:
        """Bytes of models that may stay resident: room is left for the computation itself."""
        if settings.memory_budget_gb is not None:
            return int(settings.memory_budget_gb * GIB)
        # Of a group the first one's: that is where the engines put a model.
        return int(self.memory / self.members * (0.8 if self.is_gpu else 0.5))


def find_devices(wanted: tuple[str, ...] = ()) -> list[Device]:
    """The devices to start workers on: those named, or every GPU and one CPU slot.

    Raises:
        ValueError: a name that is malformed or that this machine does not have.
    """
    gpus = _gpus()
    if not wanted:
        return [*(_gpu_device((index,), gpus) for index in sorted(gpus)), _cpu([0])]
    found = [_named(name, gpus) for name in _numbered(wanted)]
    if len({device.name for device in found}) < len(found):
        raise ValueError("A device is named twice. For more CPU slots say cpu:0,cpu:1.")
    taken = [part for device in found for part in device.name.split("+")]
    if len(taken) != len(set(taken)):
        raise ValueError("A GPU or a CPU slot may belong to one worker only; one is named twice.")
    return found


def _numbered(wanted: tuple[str, ...]) -> list[str]:
    """The names with each bare `cpu` given the next free number."""
    groups = [name.split("+") for name in wanted]
    taken = {part for group in groups for part in group}
    numbers = (number for number in count() if f"cpu:{number}" not in taken)
    return ["+".join(f"cpu:{next(numbers)}" if part == "cpu" else part for part in group) for group in groups]


def _named(name: str, gpus: dict[int, tuple[str, int]]) -> Device:
    parts = name.split("+")
    if all(part.startswith("cpu:") and part[4:].isdecimal() for part in parts):
        return _cpu([int(part[4:]) for part in parts])
    if not all(part.startswith("cuda:") and part[5:].isdecimal() for part in parts):
        raise ValueError(
            f"{name!r} is not a device. Devices are cpu, cuda:0, or a group such as cuda:0+cuda:1 or cpu+cpu."
        )
    indices = tuple(int(part[5:]) for part in parts)
    missing = [index for index in indices if index not in gpus]
    if missing:
        raise ValueError(f"This machine has no cuda:{missing[0]}; it has {len(gpus)} GPU(s).")
    return _gpu_device(indices, gpus)


def _gpu_device(indices: tuple[int, ...], gpus: dict[int, tuple[str, int]]) -> Device:
    name = "+".join(f"cuda:{index}" for index in indices)
    return Device(name, _several(gpus[indices[0]][0], len(indices)), sum(gpus[index][1] for index in indices), indices)


def _cpu(numbers: Sequence[int]) -> Device:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    name = "+".join(f"cpu:{number}" for number in numbers)
    return Device(name, _several(_cpu_title(), len(numbers)), memory)


def _several(title: str, members: int) -> str:
    return title + (f" × {members}" if members > 1 else "")


def _cpu_title() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "CPU"
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "CPU")
    return f"{model}, {os.cpu_count()} cores"


def _gpus() -> dict[int, tuple[str, int]]:
    """Number → (name, bytes), as the driver's own tool lists them; empty without one."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return {}
    query = [tool, "--query-gpu=index,name,memory.total", "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = [line.split(", ") for line in listed.splitlines() if line.count(", ") == 2]
    return {int(index): (name, int(mebibytes) << 20) for index, name, mebibytes in rows}
