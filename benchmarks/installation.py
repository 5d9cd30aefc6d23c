"""A private installation to measure: embedded Redis and Postgres, and the parts a benchmark asks for."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.embedded import Postgres, Redis
from cli.home import Home
from migrations.upgrade import upgrade
from shared import kinds, library, owners
from shared.db import Database
from shared.owners import Owner
from shared.settings import Settings

ROOT = Path(__file__).parents[1]
PROBE = ROOT / "tests" / "probe"
KEY = "benchmark-key-0123456789"
PORT = 8765


class Installation:
    """Servers and processes in a temporary home."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.home.make()
        self.redis, self.postgres = Redis(self.home), Postgres(self.home)
        self.redis.start()
        self.postgres.start()
        upgrade(self.postgres.url)
        kinds.extend(PROBE)
        self.settings = Settings(
            home=folder, database_url=self.postgres.url, redis_url=self.redis.url, kinds_path=PROBE, port=PORT
        )
        self.db = Database(self.postgres.url, pool_size=20)
        self.owner: Owner = owners.ensure(self.db, "admin", cap_queued=10_000_000)
        library.ensure_starters(self.db)
        self.environment = os.environ | {
            "ATELIER_HOME": str(folder),
            "ATELIER_PORT": str(PORT),
            "ATELIER_KINDS_PATH": str(PROBE),
            "ATELIER_API_KEY": KEY,
            "ATELIER_RATE_PER_MINUTE": "100000000",
            "ATELIER_LOG_LEVEL": "WARNING",
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "PYTHONPATH": str(ROOT),
        }

    def run(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a part of the installation, its output in the home's logs."""
        with self.home.log(name).open("ab") as log:
            return subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)

    @contextmanager
    def worker(self, devices: str = "cpu") -> Iterator[None]:
        """A supervised worker, ready to work."""
        process = self.run("worker", [sys.executable, "-m", "worker", "--devices", devices])
        sign = self.home.path / "run" / "cpu-0.pulse"
        try:
            while not sign.exists():
                time.sleep(0.1)
            # The libraries of the kinds load beside the first jobs; let that pass.
            time.sleep(15)
            yield
        finally:
            process.terminate()
            process.wait(90)
            sign.unlink(missing_ok=True)

    def close(self) -> None:
        self.db.dispose()
        self.postgres.stop()
        self.redis.stop()


@contextmanager
def installation() -> Iterator[Installation]:
    """An installation that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        made = Installation(Path(folder))
        try:
            yield made
        finally:
            made.close()
