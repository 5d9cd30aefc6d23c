"""A search through real workers on one device: killed it makes no twins, and a cancel leaves nothing running."""

import pytest

from shared import jobs, library, trials, versions
from shared.job import Job, JobState
from tests.faults.fleet import Fleet

TRIALS = 6


def searched(fleet: Fleet, name: str, **params: object) -> Job:
    asked = {
        "training": "study", "params": {"name": name, **params}, "space": ["learning_rate: 1e-4 to 1, log"],
        "trials": TRIALS, "seed": 1, "prune": False,
    }  # fmt: skip
    job = jobs.submit(fleet.db, fleet.owner, "search_hyperparameters", asked).job
    fleet.ringer.ring(job.pool)
    return job


def tried(fleet: Fleet, job: Job) -> list[trials.Trial]:
    return trials.of_search(fleet.db, job.id, "validation_loss")


@pytest.mark.timeout(180)
def test_a_search_that_is_killed_on_its_only_device_ends_like_any(fleet: Fleet) -> None:
    # given a search whose worker is killed while its third trial is there, whoever runs just then
    job = searched(fleet, "student", step_s=0.05)
    fleet.until(lambda: len(tried(fleet, job)) == 3, 60, "the third trial is there")
    fleet.child().kill()
    ended = fleet.ended(job, 90)
    # then each trial was done once, one after the other, and the best model is the only one that is left
    assert (ended.state, ended.error_message, ended.crashes) == (JobState.SUCCEEDED, None, 0)
    found = tried(fleet, job)
    assert [(each.number, each.end) for each in found] == [(number, "done") for number in range(1, TRIALS + 1)]
    best = min(found, key=lambda each: each.figure or 0.0)
    (version,) = versions.of_model(fleet.db, fleet.owner.id, "student")
    assert (version.job_id, library.get(fleet.db, fleet.owner.id, "student").version) == (best.job.id, 1)
    # and the same search, undisturbed, tries the same and finds the same
    again = searched(fleet, "other")
    assert fleet.ended(again, 60).state is JobState.SUCCEEDED
    assert [_told(each) for each in tried(fleet, again)] == [_told(each) for each in found]


def test_a_cancelled_search_leaves_nothing_running(fleet: Fleet) -> None:
    job = searched(fleet, "endless", steps=100_000, step_s=0.05)
    fleet.until(lambda: any(each.job.progress.done for each in tried(fleet, job)), 40, "a trial runs")
    jobs.cancel(fleet.db, fleet.owner.id, job.id)
    (only,) = tried(fleet, job)
    assert fleet.ended(only.job, 10).state is JobState.CANCELLED
    assert fleet.get(job).state is JobState.CANCELLED


def _told(trial: trials.Trial) -> tuple[object, ...]:
    return trial.number, trial.job.params["learning_rate"], trial.figure
