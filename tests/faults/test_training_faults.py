"""Training through real workers: it survives kills and drains, waits when it is asked to, and makes room by itself."""

import json
from pathlib import Path

import pytest

from shared import artifacts, curves, devices, jobs, pauses
from shared.job import Job, JobState
from shared.storage import Storage
from tests.faults.fleet import RECOVERY_S, Fleet

STEPS = 80


@pytest.fixture
def training(fleet: Fleet, mark: Path) -> Job:
    """A training of about three seconds that has stored its first checkpoint."""
    job = start(fleet, mark)
    fleet.until(lambda: fleet.get(job).progress.done > 11, 20, "it has learned a little")
    return job


def start(fleet: Fleet, mark: Path, steps: int = STEPS) -> Job:
    params = {"steps": steps, "step_s": 0.04, "every": 10, "mark": str(mark)}
    job = jobs.submit(fleet.db, fleet.owner, "learn", params).job
    fleet.ringer.ring(job.pool)
    return job


def learned(fleet: Fleet, job: Job) -> dict[str, float]:
    """What the training handed over, the only file that is left of it."""
    (output,) = artifacts.of_jobs(fleet.db, fleet.owner.id, [job.id])[job.id]
    found: dict[str, float] = json.loads(b"".join(Storage(fleet.settings.storage).stream(output.key)))
    return found


def assert_whole(fleet: Fleet, job: Job, ended: Job, steps: int = STEPS) -> None:
    """It succeeded, as if nothing had been: every point is there, and the end is that of a run in one go."""
    assert (ended.state, ended.failures, ended.wish, ended.held) == (JobState.SUCCEEDED, 0, None, False)
    points = curves.read(fleet.db, [job.id])[job.id]
    assert [step for step, _ in points["loss"]] == list(range(1, steps + 1))
    assert [step for step, _ in points["validation_loss"]] == list(range(10, steps + 1, 10))
    whole = fleet.ended(jobs.submit(fleet.db, fleet.owner, "learn", {"steps": steps}).job)
    assert learned(fleet, job) == learned(fleet, whole)


def reasons(fleet: Fleet, job: Job) -> list[str]:
    return [event.data["reason"] for event in fleet.events(job) if event.type == "released"]


def begun_at(mark: Path) -> list[int]:
    """The steps from which the attempts began."""
    return [int(line.split()[1]) for line in mark.read_text().splitlines() if line.startswith("from ")]


def test_a_training_is_killed_twice_goes_on_from_its_checkpoint_and_is_no_poison(
    fleet: Fleet, training: Job, mark: Path
) -> None:
    for attempt in (1, 2):
        fleet.until(lambda come=attempt: _has_come_on(fleet, training, come), 20, "it gets on")  # type: ignore[misc]
        fleet.child().kill()
        fleet.until(lambda done=attempt: fleet.get(training).attempt == done + 1, RECOVERY_S, "again")  # type: ignore[misc]
    assert_whole(fleet, training, fleet.ended(training))
    first, second, third = begun_at(mark)
    assert 0 == first < second < third


def _has_come_on(fleet: Fleet, job: Job, attempt: int) -> bool:
    now = fleet.get(job)
    return now.attempt == attempt and now.crashes == 0 and now.progress.done > 20 * attempt


def test_a_paused_training_waits_until_it_is_resumed(fleet: Fleet, training: Job, mark: Path) -> None:
    pauses.ask(fleet.db, fleet.owner.id, training.id, "pause")
    fleet.until(lambda: fleet.get(training).held, 5, "it is held")
    fleet.ringer.ring(training.pool)
    fleet.ended(fleet.submit(steps=1))
    assert (fleet.get(training).state, fleet.get(training).attempt) == (JobState.QUEUED, 1)
    pauses.ask(fleet.db, fleet.owner.id, training.id, "resume")
    fleet.ringer.ring(training.pool)
    assert_whole(fleet, training, fleet.ended(training))
    assert reasons(fleet, training) == ["it was paused"]
    paused = next(line for line in mark.read_text().splitlines() if line.startswith("pause at"))
    assert begun_at(mark) == [0, int(paused.split()[-1])], "not a step was done twice"


def test_a_training_makes_room_for_a_job_that_somebody_waits_for_and_comes_back(fleet: Fleet, mark: Path) -> None:
    job = start(fleet, mark, steps=150)
    fleet.running(job)
    interactive = fleet.submit(steps=1)
    assert fleet.ended(interactive, 8).state is JobState.SUCCEEDED
    assert fleet.get(job).state is not JobState.SUCCEEDED
    assert_whole(fleet, job, fleet.ended(job), steps=150)
    assert reasons(fleet, job) == ["it made room for a job that somebody waits for"]
    yielded = next(line for line in mark.read_text().splitlines() if line.startswith("yield at"))
    assert begun_at(mark) == [0, int(yielded.split()[-1])]


def test_what_a_training_has_learned_is_kept(fleet: Fleet, training: Job) -> None:
    pauses.ask(fleet.db, fleet.owner.id, training.id, "keep")
    ended = fleet.ended(training, 5)
    assert ended.state is JobState.SUCCEEDED
    assert 11 < learned(fleet, training)["steps"] < STEPS


def test_a_paused_training_can_still_be_kept(fleet: Fleet, training: Job) -> None:
    pauses.ask(fleet.db, fleet.owner.id, training.id, "pause")
    fleet.until(lambda: fleet.get(training).held, 5, "it is held")
    pauses.ask(fleet.db, fleet.owner.id, training.id, "keep")
    fleet.ringer.ring(training.pool)
    assert fleet.ended(training, 5).state is JobState.SUCCEEDED
    assert learned(fleet, training)["steps"] < STEPS


def test_a_paused_training_is_cancelled_and_leaves_nothing(fleet: Fleet, training: Job) -> None:
    pauses.ask(fleet.db, fleet.owner.id, training.id, "pause")
    fleet.until(lambda: fleet.get(training).held, 5, "it is held")
    assert jobs.cancel(fleet.db, fleet.owner.id, training.id).state is JobState.CANCELLED
    assert artifacts.of_jobs(fleet.db, fleet.owner.id, [training.id])[training.id] == []


def test_a_training_leaves_a_worker_that_is_stopped_and_goes_on_with_another(fleet: Fleet, mark: Path) -> None:
    # given two workers, and a training that one of them runs
    fleet.start_worker("second", devices="cpu:1")
    left, slot = "second", "cpu:1"
    try:
        job = start(fleet, mark, steps=200)
        fleet.until(lambda: fleet.get(job).progress.done > 11, 20, "it has learned a little")
        one = str(fleet.get(job).device)
        left, slot = ("worker", "cpu:0") if one.endswith("cpu:0") else ("second", "cpu:1")
        # when that one is told to shut down
        assert fleet.stop(left) == 0
        # then the training went on with the other from where it was, and that was no crash
        moved = fleet.ended(job)
        assert moved.device not in {None, one}
        assert (moved.attempt, moved.crashes) == (2, 0)
        yielded = next(line for line in mark.read_text().splitlines() if line.startswith("yield at"))
        assert begun_at(mark) == [0, int(yielded.split()[-1])]
        assert_whole(fleet, job, moved, steps=200)
        assert reasons(fleet, job) == ["the worker shut down"]
    finally:
        fleet.start_worker(left, devices=slot)
        fleet.stop("second")


def test_of_two_trainings_one_makes_room_for_one_job(fleet: Fleet, mark: Path) -> None:
    fleet.start_worker("second", devices="cpu:1")
    try:
        marks = mark, Path(fleet.mark())
        both = [start(fleet, each, steps=300) for each in marks]
        for job in both:
            fleet.running(job)
        assert fleet.ended(fleet.submit(steps=1), 10).state is JobState.SUCCEEDED
        ended = [fleet.ended(job, 40) for job in both]
    finally:
        fleet.stop("second")
    aside = [reasons(fleet, job) for job in both]
    assert sorted(aside) == [[], ["it made room for a job that somebody waits for"]]
    for job, each in zip(both, ended, strict=True):
        assert_whole(fleet, job, each, steps=300)


def test_a_training_leaves_a_device_that_is_to_rest_and_goes_on_when_there_is_one(
    fleet: Fleet, training: Job, mark: Path
) -> None:
    device = fleet.get(training).device
    assert device is not None
    devices.drain(fleet.db, device)
    fleet.until(lambda: fleet.get(training).state is JobState.QUEUED, 5, "it is put back")
    waiting = fleet.get(training)
    assert (waiting.crashes, waiting.held) == (0, False)
    devices.drain(fleet.db, device, wanted=False)
    fleet.ringer.ring(training.pool)
    assert_whole(fleet, training, fleet.ended(training))
    assert reasons(fleet, training) == ["the worker shut down"]
    yielded = next(line for line in mark.read_text().splitlines() if line.startswith("yield at"))
    assert begun_at(mark) == [0, int(yielded.split()[-1])]
