"""A search through real workers on one device: killed it makes no twins, and the next job names its best model."""

import json
from pathlib import Path

import pytest

from shared import jobs, library, trials, uploads, versions
from shared.intake.caps import Caps
from shared.job import Job, JobState
from shared.storage import Storage
from shared.uploads import Arrived
from tests.faults.fleet import RECOVERY_S, Fleet

TRIALS = 4
SMALL = {"name": "scribbler", "dataset": "texts", "steps": 6, "width": 16, "layers": 1, "evaluations": 2}


@pytest.fixture(scope="module")
def texts(fleet_parts: Fleet, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A dataset that a real worker made of an upload."""
    fleet = fleet_parts
    path = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": f"the house in the wood, number {row}."}) + "\n" for row in range(40)))
    sent = uploads.keep(
        fleet.db, Storage(fleet.settings.storage), fleet.owner.id, Arrived(path, name=path.name), Caps()
    ).artifact
    job = submit(fleet, "check_dataset", {"name": "texts", "source": sent.id, "validation": 0.2, "seed": 1})
    assert fleet.ended(job, 60).error_message is None
    return "texts"


def submit(fleet: Fleet, kind: str, params: dict[str, object]) -> Job:
    job = jobs.submit(fleet.db, fleet.owner, kind, params).job
    fleet.ringer.ring(job.pool)
    return job


def searched(fleet: Fleet, **more: object) -> Job:
    asked = {
        "training": "train_rnn_lm", "params": SMALL, "space": ["learning_rate: 1e-4 to 1e-1, log", "cell: lstm, gru"],
        "trials": TRIALS, "seed": 1,
    }  # fmt: skip
    return submit(fleet, "search_hyperparameters", asked | more)


def tried(fleet: Fleet, job: Job) -> list[trials.Trial]:
    return trials.of_search(fleet.db, job.id, "validation_loss")


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("texts")
def test_a_search_that_is_killed_on_its_only_device_ends_like_any(fleet: Fleet, tmp_path: Path) -> None:
    # given a search whose worker is killed when it has begun its second trial
    job = searched(fleet)
    fleet.until(lambda: len(tried(fleet, job)) == 2, 60, "the second trial is there")
    fleet.child().kill()
    ended = fleet.ended(job, 120 + RECOVERY_S)
    # then each trial was done once, one after the other, and the best model is the only one that is left
    assert (ended.state, ended.error_message, ended.crashes) == (JobState.SUCCEEDED, None, 0)
    found = tried(fleet, job)
    assert [(each.number, each.end) for each in found] == [(number, "done") for number in range(1, TRIALS + 1)]
    best = min(found, key=lambda each: each.figure or 0.0)
    (version,) = versions.of_model(fleet.db, fleet.owner.id, "scribbler")
    assert (version.job_id, library.get(fleet.db, fleet.owner.id, "scribbler").version) == (best.job.id, 1)
    # and the next job names it
    used = submit(fleet, "generate_text", {"prompt": "the", "model": "scribbler", "max_new_tokens": 4, "seed": 1})
    assert fleet.ended(used, 60).error_message is None

    # and the same search, undisturbed, tries the same and finds the same
    again = searched(fleet, params=SMALL | {"name": "other"})
    assert fleet.ended(again, 120).state is JobState.SUCCEEDED
    assert [_told(each) for each in tried(fleet, again)] == [_told(each) for each in found]


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("texts")
def test_a_cancelled_search_leaves_nothing_running(fleet: Fleet) -> None:
    job = searched(fleet, params=SMALL | {"name": "long", "steps": 100_000})
    fleet.until(lambda: any(each.job.progress.done for each in tried(fleet, job)), 60, "a trial runs")
    jobs.cancel(fleet.db, fleet.owner.id, job.id)
    (only,) = tried(fleet, job)
    assert fleet.ended(only.job, 10).state is JobState.CANCELLED
    assert fleet.get(job).state is JobState.CANCELLED


def _told(trial: trials.Trial) -> tuple[object, ...]:
    return trial.number, trial.job.params["learning_rate"], trial.job.params["cell"], trial.figure
