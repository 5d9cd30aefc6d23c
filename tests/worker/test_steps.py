"""A whole workflow in a real worker: what one step makes is what the next one gets."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared import jobs, kinds, listing, owners, workflow_listing, workflows
from shared.db import Database
from shared.errors import Conflict
from shared.job import JobState
from shared.owners import Owner
from shared.settings import Settings
from shared.steps import Asked
from shared.storage import Storage
from shared.workflow import Workflow

ROOT = Path(__file__).parents[2]

WORK = """
from pathlib import Path
from shared.settings import Settings
from worker import tasks
from worker.devices import find_devices
from worker.kinds import extend

extend(Path("tests/probe"))
tasks._warm_up = lambda: None
tasks.begin(Settings(), find_devices(("cpu",))[0])
print(tasks.work())
"""


@pytest.fixture(autouse=True)
def _probe() -> None:
    kinds.extend(ROOT / "tests" / "probe")


@pytest.fixture
def owner(db: Database) -> Owner:
    return owners.ensure(db, "owner")


def work(environment: dict[str, str]) -> int:
    done = subprocess.run(
        [sys.executable, "-c", WORK], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def submit(db: Database, owner: Owner, **steps: dict[str, Any]) -> Workflow:
    asked = {"steps": [{"name": name, "kind": "relay", "params": params} for name, params in steps.items()]}
    return workflows.submit(db, owner, Asked.model_validate(asked)).workflow


def test_a_step_gets_what_the_one_before_it_made_and_a_retry_uses_it_again(
    db: Database, owner: Owner, environment: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    # Given four steps: a text that is too long for the next one, a file handed on, and one that is broken
    mark = tmp_path / "mended"
    workflow = submit(
        db,
        owner,
        first={"words": "one two three four five"},
        second={"words": {"from": "first"}, "file": {"from": "first"}},
        third={"words": "x", "file": {"from": "second", "index": 1}, "broken_once": str(mark)},
        fourth={"words": {"from": "third", "index": 1}},
    )

    # When a worker runs what it can
    assert work(environment) == 3

    # Then the third has failed, and the fourth never ran
    found = workflow_listing.standing(db, workflow)
    assert [found.jobs[step.name].state.value for step in workflow.steps] == [
        "succeeded", "succeeded", "failed", "cancelled",
    ]  # fmt: skip
    first, second = found.jobs["first"], found.jobs["second"]
    assert second.params["words"] == "one two three four five"
    assert second.params["file"] == found.files["first"][0].id
    assert second.title == "one two three four five"
    assert found.jobs["fourth"].params["words"] == {"from": "third", "index": 1}
    with pytest.raises(Conflict, match="Retry its workflow"):
        jobs.retry(db, owner, found.jobs["fourth"].id)

    # And when it is mended and retried, only the last two run, on what the first two made
    mark.touch()
    workflows.retry(db, owner, workflow.id)
    assert work(environment) == 2
    again = workflow_listing.standing(db, workflow)
    assert again.state is JobState.SUCCEEDED
    assert (again.jobs["first"].id, again.jobs["second"].id) == (first.id, second.id)
    assert again.jobs["third"].params["file"] == found.files["second"][1].id
    made = again.files["fourth"][0]
    assert b"".join(Storage(settings.storage).stream(made.key)) == b"one two three four five\n"


def test_what_a_step_cannot_take_fails_it_with_a_sentence(
    db: Database, owner: Owner, environment: dict[str, str]
) -> None:
    workflow = submit(
        db,
        owner,
        first={"words": "one two three four"},
        missing={"words": {"from": "first", "index": 4}},
        long={"words": "twenty-four characters !"},
    )
    speak = {"name": "sound", "kind": "probe", "params": {"megabytes": 1, "steps": 0}}
    read = {"name": "read", "kind": "relay", "params": {"words": {"from": "sound"}}}
    unfit = workflows.submit(db, owner, Asked.model_validate({"steps": [speak, read]})).workflow
    assert work(environment) == 5
    missing = workflow_listing.standing(db, workflow).jobs["missing"]
    assert missing.error_message == "The step “first” made 1 of “output”: counted from 0, there is no number 4."
    read_job = workflow_listing.standing(db, unfit).jobs["read"]
    assert read_job.error_code == "step_artifact_unfit"
    assert "large.bin (application/octet-stream), which “words” cannot take" in (read_job.error_message or "")
    assert listing.get(db, owner.id, read_job.id).attempt == 1
