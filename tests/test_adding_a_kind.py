"""`docs/adding-a-kind.md` is true: its two files are a kind, end to end through a real worker."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from shared import artifacts, listing, owners
from shared.db import Database
from shared.job import JobState
from shared.settings import Settings
from shared.storage import Storage

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "adding-a-kind.md").read_text()

SUBMIT = """
import json
from shared import kinds, jobs, owners
from shared.db import Database
from shared.settings import Settings

settings = Settings()
kinds.extend(settings.kinds_path)
db = Database(settings.database_url)
job = jobs.submit(db, owners.ensure(db, "owner"), "write_acrostic", {"prompt": "sea", "seed": 1}).job
print(json.dumps([job.id, kinds.schema("write_acrostic")["properties"]["words"]["maximum"]]))
"""


def files_of_the_page(folder: Path) -> None:
    """Write each code block of the page to the file that its heading names."""
    blocks = re.findall(r"## \d\. .*?`(shared|worker)/kinds/(\w+\.py)`\n+```python\n(.*?)```", PAGE, re.S)
    assert [block[0] for block in blocks] == ["shared", "worker"]
    for side, name, code in blocks:
        (folder / side).mkdir(parents=True)
        (folder / side / name).write_text(code)


def test_two_files_are_a_kind(tmp_path: Path, db: Database, settings: Settings, environment: dict[str, str]) -> None:
    # Given the two files of the page, and nothing else
    files_of_the_page(tmp_path / "kinds")
    surroundings = os.environ | environment | {"ATELIER_KINDS_PATH": str(tmp_path / "kinds")}

    # When a process that knows them submits a job, and a real worker runs it
    owner = owners.ensure(db, "owner")
    command = [sys.executable, "-c", SUBMIT]
    submitted = subprocess.run(command, env=surroundings, cwd=ROOT, capture_output=True, text=True, check=False)
    assert submitted.returncode == 0, submitted.stderr
    job_id, maximum = json.loads(submitted.stdout)
    assert maximum == 20
    worker = subprocess.Popen(
        [sys.executable, "-m", "worker", "--devices", "cpu"], env=surroundings, cwd=ROOT, start_new_session=True
    )
    try:
        until = time.monotonic() + 60
        while not (job := listing.get(db, owner.id, job_id)).done and time.monotonic() < until:
            time.sleep(0.1)
    finally:
        worker.terminate()
        worker.wait(30)

    # Then it has succeeded, with a poem of three lines
    assert job.state is JobState.SUCCEEDED, job.error_message
    assert job.metrics == {"lines": 3.0}
    (poem,) = artifacts.of_jobs(db, owner.id, [job.id])[job.id]
    text = b"".join(Storage(settings.storage).stream(poem.key)).decode()
    assert [line[0] for line in text.splitlines()] == ["S", "E", "A"]
