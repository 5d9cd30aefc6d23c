"""Jobs that share their passes on a real worker: each ends by itself, whatever becomes of the others."""

from pathlib import Path

from sqlalchemy import text

from shared import artifacts, jobs
from shared.job import Job, JobState
from tests.faults.fleet import Fleet
from tests.faults.test_faults import assert_ended_once


def singers(fleet: Fleet, *asked: dict[str, object]) -> list[Job]:
    """Jobs that are all in the queue before the first begins: a probe holds the device meanwhile."""
    holds = fleet.submit(steps=10, step_s=0.1)
    fleet.running(holds)
    usual = {"steps": 20, "step_s": 0.05}
    return [jobs.submit(fleet.db, fleet.owner, "chant", usual | each).job for each in asked]


def said(fleet: Fleet, job: Job) -> str:
    (found,) = artifacts.of_jobs(fleet.db, fleet.owner.id, [job.id])[job.id]
    return (fleet.home.path / "artifacts" / found.key).read_text()


def test_jobs_of_one_key_run_together_and_others_by_themselves(fleet: Fleet) -> None:
    # given four of one key and one of another
    *same, other = singers(fleet, {}, {}, {"steps": 12}, {}, {"key": "b"})

    # then the four ran at one time, the one that asked for less was done first, and each has what it asked for
    ended = [fleet.ended(job) for job in same]
    assert {job.state for job in ended} == {JobState.SUCCEEDED}
    assert [said(fleet, job) for job in ended] == [f"{steps} steps, 4 together\n" for steps in (20, 20, 12, 20)]
    assert ended[2].finished_at < min(job.finished_at for job in (ended[0], ended[1], ended[3]))  # type: ignore[type-var, operator]
    assert said(fleet, fleet.ended(other)) == "20 steps, 1 together\n"
    assert_ended_once(fleet, *ended, other)
    # and what they are charged for is a share each
    with fleet.db.begin() as connection:
        cost = connection.execute(text("select seconds from costs where kind = 'chant'")).scalar_one()
    assert cost < 0.7, "twenty steps of 0.05 s, most of them shared by four"


def test_one_that_comes_later_joins_those_that_run(fleet: Fleet) -> None:
    (first,) = singers(fleet, {"steps": 60})
    fleet.running(first)
    later = jobs.submit(fleet.db, fleet.owner, "chant", {"steps": 5, "step_s": 0.05}).job

    assert said(fleet, fleet.ended(later)) == "5 steps, 2 together\n"
    assert fleet.get(first).state is JobState.RUNNING
    assert fleet.ended(first).state is JobState.SUCCEEDED


def test_one_that_fails_or_is_cancelled_leaves_the_others_alone(fleet: Fleet) -> None:
    fails, cancelled, lives = singers(fleet, {"deed": "refuse", "at_step": 3}, {"steps": 400}, {"steps": 40})
    fleet.running(cancelled)
    jobs.cancel(fleet.db, fleet.owner.id, cancelled.id)

    assert (fleet.ended(fails).state, fleet.get(fails).error_code) == (JobState.FAILED, "chant_refused")
    assert fleet.ended(cancelled).state is JobState.CANCELLED
    assert said(fleet, fleet.ended(lives)) == "40 steps, 3 together\n"
    assert_ended_once(fleet, fails, cancelled, lives)


def test_a_pass_that_goes_wrong_is_nobodys_end(fleet: Fleet) -> None:
    # given a pass that fails, and nobody knows by whom, or that runs out of memory
    for deed in ("wreck", "memory"):
        some = singers(fleet, {"deed": deed, "at_step": 4}, {}, {})
        ended = [fleet.ended(job) for job in some]

        # then each was run again by itself, in the same attempt
        assert {(job.state, job.attempt) for job in ended} == {(JobState.SUCCEEDED, 1)}
        assert {said(fleet, job) for job in ended} == {"20 steps, 1 together\n"}
        assert_ended_once(fleet, *ended)


def test_a_worker_that_dies_in_the_middle_puts_all_of_them_back(fleet: Fleet, mark: Path) -> None:
    some = singers(fleet, {"deed": "kill_once", "at_step": 5, "mark": str(mark)}, {}, {})
    ended = [fleet.ended(job) for job in some]

    assert {(job.state, job.attempt, job.crashes) for job in ended} == {(JobState.SUCCEEDED, 2, 1)}
    assert_ended_once(fleet, *ended)


def test_jobs_that_were_swept_away_are_lost_to_the_worker_that_had_them(fleet: Fleet) -> None:
    # given three together, when one of them is taken from their worker
    gone, *others = singers(fleet, {"steps": 60}, {"steps": 60}, {"steps": 60})
    fleet.running(others[1])
    with fleet.db.begin() as connection:
        connection.execute(text("update jobs set worker_id = 'wkr_other' where id = :id"), {"id": gone.id})

    # then that one runs again, and the others go on as they were
    assert fleet.ended(gone).attempt == 2
    assert [fleet.ended(job).attempt for job in others] == [1, 1]
    assert_ended_once(fleet, gone, *others)
