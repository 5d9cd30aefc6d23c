"""Starts one Celery worker per device and keeps it running. Never touches CUDA and imports no torch."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from shared.process import die_with_parent
from shared.settings import Settings
from worker.devices import Device
from worker.pulse import forget_drains, sign_of_life

CRASH_WINDOW_S = 60.0
MAX_DELAY_S = 30.0
KILL_AFTER_S = 15.0
"""After the drain time is over, a worker that is still there is killed this much later."""

START_S = 20.0
"""A worker that has just started may need this long for its first sign of life."""

log = logging.getLogger(__name__)


@dataclass
class _Station:
    """A device and the worker process that serves it now."""

    device: Device
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_after: float = 0.0
    crashes: list[float] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Runs until told to stop, then lets every worker finish or put back its job."""

    def __init__(self, settings: Settings, devices: list[Device]) -> None:
        self._settings = settings
        self._stations = [_Station(device) for device in devices]
        self._stopping = False
        slots = sum(device.members for device in devices if not device.is_gpu)
        self._threads = max(1, (os.cpu_count() or 1) // max(1, slots))

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; returns the exit status."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._stop)
        (self._settings.home / "run").mkdir(parents=True, exist_ok=True)
        for station in self._stations:
            forget_drains(self._settings, station.device.slug)
        while not self._stopping:
            for station in self._stations:
                self._tend(station)
            time.sleep(0.2)
        return self._shut_down()

    def _stop(self, _signum: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _tend(self, station: _Station) -> None:
        """Start the worker where there is none, later and later if it keeps dying."""
        now = time.monotonic()
        if station.process is None:
            if now >= station.start_after:
                station.process, station.started_at = self._start(station.device), now
                log.info("%s: worker started, pid %d", station.device.id, station.process.pid)
        elif (status := station.process.poll()) is not None:
            station.crashes = [moment for moment in station.crashes if now - moment < CRASH_WINDOW_S] + [now]
            delay = min(MAX_DELAY_S, 2.0 ** (len(station.crashes) - 1) - 1)
            log.error("%s: worker ended with %d; a new one in %.0f s", station.device.id, status, delay)
            station.process, station.start_after = None, now + delay
        elif self._frozen(station):
            log.error("%s: worker shows no sign of life and is killed", station.device.id)
            self._signal(station, signal.SIGKILL)

    def _frozen(self, station: _Station) -> bool:
        """Whether the worker's side thread has not run for so long that its lease is certainly gone."""
        try:
            touched = sign_of_life(self._settings, station.device.slug).stat().st_mtime
        except FileNotFoundError:
            return False
        silent_s = min(time.time() - touched, time.monotonic() - station.started_at)
        return silent_s > max(2 * self._settings.lease_s, START_S)

    def _start(self, device: Device) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "--quiet", "-A", "worker.celery:app", "worker", "--concurrency", "1"]
        command += ["--hostname", f"{device.slug}@%h"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
        return subprocess.Popen(
            command,
            env=os.environ | device_environment(device, self._threads),
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            # Ctrl-C in a terminal reaches the whole group; the order of the shutdown is ours to decide.
            start_new_session=True,
            preexec_fn=_follow,  # noqa: PLW1509 - there are no threads here
        )

    def _shut_down(self) -> int:
        running = [station for station in self._stations if station.process is not None]
        for station in running:
            self._signal(station, signal.SIGTERM)
        until = time.monotonic() + self._settings.drain_s + KILL_AFTER_S
        while time.monotonic() < until and any(
            station.process and station.process.poll() is None for station in running
        ):
            time.sleep(0.05)
        for station in running:
            if station.process and station.process.poll() is None:
                log.error("%s: worker did not stop and is killed", station.device.id)
                self._signal(station, signal.SIGKILL)
                station.process.wait()
        return 0

    @staticmethod
    def _signal(station: _Station, signum: int) -> None:
        if station.process and station.process.poll() is None:
            os.kill(station.process.pid, signum)


def device_environment(device: Device, threads: int) -> dict[str, str]:
    """What pins a worker process to its device: set before torch is imported. CPU slots share the cores."""
    return {
        "ATELIER_DEVICE": device.name,
        # As nvidia-smi numbers them, which is not how CUDA does where the cards differ.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": ",".join(str(index) for index in device.indices),
        "OMP_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
    }


def _follow() -> None:
    die_with_parent(signal.SIGTERM)
