"""A whole installation without its web: own Redis and Postgres, a supervised Celery worker, a beat. All real.

Intervals are a tenth of the real ones, so that what takes 45 s in production takes about 5 s here.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from cli.embedded import Postgres, Redis
from cli.home import Home
from migrations.upgrade import upgrade
from shared import jobs, listing, owners
from shared.db import Database
from shared.errors import Unavailable
from shared.job import Event, Job, JobState
from shared.queue import Ringer
from shared.settings import Settings
from worker.devices import find_devices

ROOT = Path(__file__).parents[2]

RECOVERY_S = 10.0
"""Lease 3 s, sweep 0.5 s, and a process start on a busy machine."""

_INTERVALS = {
    "ATELIER_LEASE_S": "3",
    "ATELIER_SWEEP_S": "0.5",
    "ATELIER_PULSE_S": "0.2",
    "ATELIER_HEARTBEAT_S": "0.5",
    "ATELIER_RETRY_S": "0.2",
    "ATELIER_DRAIN_S": "5",
}


def gone(process: psutil.Process) -> bool:
    """Whether it has ended. A zombie has: its new parent only takes its time to hear of it."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


class Fleet:
    """Starts and breaks the parts of one installation."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.home.make()
        self.redis, self.postgres = Redis(self.home), Postgres(self.home, options={"fsync": "off"})
        self.redis.start()
        self.postgres.start()
        upgrade(self.postgres.url)
        self.settings = Settings(
            home=self.home.path,
            database_url=self.postgres.url,
            redis_url=self.redis.url,
            kinds_path=ROOT / "tests" / "probe",
        )
        self.db = Database(self.postgres.url)
        self.ringer = Ringer(self.settings)
        self.owner = owners.ensure(self.db, "tester")
        self.folder = folder
        self._marks = 0
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    # ---- parts ----

    def start_worker(self, name: str = "worker", devices: str = "cpu") -> None:
        """Start a supervisor with its workers, and wait until they have reported."""
        self._start(name, [sys.executable, "-m", "worker", "--devices", devices])
        slug = find_devices(tuple(devices.split(",")))[0].slug
        self.until(lambda: self._reported(name, slug), 40, f"{name} reports")

    def start_beat(self, name: str = "beat") -> None:
        self._start(name, [sys.executable, "-m", "worker.beat"])

    def parent(self, name: str = "worker") -> psutil.Process:
        """The Celery parent below a supervisor."""
        return psutil.Process(self._processes[name].pid).children()[0]

    def child(self, name: str = "worker") -> psutil.Process:
        """The process that runs the jobs."""
        return next(each for each in self.parent(name).children() if "spawn_main" in " ".join(each.cmdline()))

    def signal(self, name: str, signum: int) -> None:
        self._processes[name].send_signal(signum)

    def stop(self, name: str, patience_s: float = 20) -> int:
        """Ask a part to stop and wait for its exit status."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(patience_s)

    def close(self) -> None:
        for name, process in list(self._processes.items()):
            try:
                self.stop(name)
            except subprocess.TimeoutExpired:
                process.kill()
        self.db.dispose()
        self.postgres.stop()
        self.redis.stop()

    # ---- jobs ----

    def submit(self, *, ring: bool = True, **params: object) -> Job:
        """Submit a probe, and ring as the web does."""
        job = jobs.submit(self.db, self.owner, "probe", params).job
        if ring:
            self.ringer.ring(job.pool)
        return job

    def mark(self) -> str:
        """A fresh file for a probe to leave its marks in."""
        self._marks += 1
        return str(self.folder / f"mark-{self._marks}")

    def get(self, job: Job) -> Job:
        return listing.get(self.db, self.owner.id, job.id)

    def events(self, job: Job) -> list[Event]:
        return listing.events_of(self.db, self.owner.id, job.id)

    def running(self, job: Job) -> None:
        """Wait until the job has shown progress."""
        self.until(lambda: self.get(job).state is JobState.RUNNING and self.get(job).progress.done > 0, 20, "it runs")

    def ended(self, job: Job, patience_s: float = 30) -> Job:
        """Wait for the job's end."""
        self.until(lambda: self.get(job).done, patience_s, f"{job.id} ends: {job.params}")
        return self.get(job)

    def until(self, true: Callable[[], bool], patience_s: float, what: str) -> float:
        """Wait until something is true; returns the seconds it took."""
        began = time.monotonic()
        while time.monotonic() - began < patience_s:
            try:
                if true():
                    return time.monotonic() - began
            except (Unavailable, psutil.Error, StopIteration, IndexError):
                pass  # a part that was just killed; asked again
            time.sleep(0.05)
        raise AssertionError(f"not within {patience_s} s: {what}\n{self._logs()}")

    def _start(self, name: str, command: list[str]) -> None:
        environment = os.environ | _INTERVALS | {
            "ATELIER_HOME": str(self.home.path),
            "DATABASE_URL": self.settings.database_url,
            "REDIS_URL": self.settings.redis_url,
            "ATELIER_KINDS_PATH": str(self.settings.kinds_path),
        }  # fmt: skip
        with self.home.log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, env=environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _reported(self, name: str, slug: str) -> bool:
        pulse = self.home.path / "run" / f"{slug}.pulse"
        return not gone(self.child(name)) and pulse.exists() and time.time() - pulse.stat().st_mtime < 1

    def _logs(self) -> str:
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in self.home.logs.glob("*.log")
        )
