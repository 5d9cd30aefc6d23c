"""What the one Celery task does in a worker process."""

import subprocess
import sys
from pathlib import Path

from shared import jobs, kinds, owners
from shared.db import Database

ROOT = Path(__file__).parents[2]

BEGIN_AND_WORK = """
from pathlib import Path
from shared import kinds
from shared.settings import Settings
from worker import tasks
from worker.devices import find_devices
from worker.kinds import extend

settings = Settings()
extend(Path("tests/probe"))
tasks.begin(settings, find_devices(("cpu",))[0])
print(tasks.work())
"""


def test_the_first_bell_finds_a_job_for_the_best_device(db: Database, environment: dict[str, str]) -> None:
    # Given a job for the best device there is, and no beat that would ring a second time
    kinds.extend(ROOT / "tests" / "probe")
    jobs.submit(db, owners.ensure(db, "owner"), "probe", {"steps": 1}, pool="accelerated")

    # When the worker of a CPU begins where no GPU is, and its first bell is heard
    begun = subprocess.run(
        [sys.executable, "-c", BEGIN_AND_WORK], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )

    # Then it runs the job at once
    assert begun.stdout.strip() == "1", begun.stderr
