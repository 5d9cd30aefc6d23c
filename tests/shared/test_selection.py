"""Many chosen jobs cancelled or retried: each by itself, its owner's alone, once."""

import pytest

from shared import attempts, jobs, library, owners, selection
from shared.claims import Claimant, claim
from shared.db import Database
from shared.errors import Conflict, Invalid, NotFound
from shared.job import MAX_TIME_LIMIT_S, Job, JobState, Progress
from shared.listing import get, page
from shared.owners import Owner

ME = Claimant("wkr_test", "host/cpu", ("accelerated",))


@pytest.fixture
def owner(db: Database) -> Owner:
    library.add(db, None, name="emoji", task="text-to-image", source="hub:demo/emoji", revision="0" * 40, title="Emoji")
    return owners.ensure(db, "somebody")


def submit(db: Database, owner: Owner, number: int = 0, **terms: float) -> Job:
    return jobs.submit(db, owner, "generate_image", {"prompt": f"apple {number}"}, **terms).job


def run(db: Database) -> Job:
    job = claim(db, ME, lease_s=60)
    assert job is not None
    return job


def test_cancelling_counts_what_was_not_and_why(db: Database, owner: Owner) -> None:
    stranger = submit(db, owners.ensure(db, "stranger"))
    jobs.cancel(db, stranger.owner_id, stranger.id)
    waiting = submit(db, owner, 1)
    done = run(db)
    attempts.finish(db, done, [], progress=Progress(), metrics={})
    running = submit(db, owner, 2)
    assert run(db).id == running.id
    waiting = submit(db, owner, 3)
    ids = [waiting.id, running.id, done.id, stranger.id, "job_nothing", waiting.id]
    found = selection.cancel(db, owner.id, ids)
    assert [(job.id, job.state) for job in found.done] == [
        (waiting.id, JobState.CANCELLED),
        (running.id, JobState.RUNNING),
    ]
    assert found.refused == {"state": 1, "gone": 2}
    assert get(db, owner.id, running.id).cancel_requested


def test_retrying_makes_new_jobs_once(db: Database, owner: Owner) -> None:
    ended, waiting = submit(db, owner, 1), submit(db, owner, 2)
    jobs.cancel(db, owner.id, ended.id)
    first = selection.retry(db, owner, [ended.id, waiting.id], once="press")
    again = selection.retry(db, owner, [ended.id, waiting.id], once="press")
    assert [job.parent_id for job in first.done] == [ended.id]
    assert first.refused == {"state": 1}
    assert [job.id for job in again.done] == [job.id for job in first.done]
    assert first.pools == {"accelerated"}
    assert len(page(db, owner.id).items) == 3


def test_retrying_says_when_the_queue_is_full_or_the_model_gone(db: Database) -> None:
    library.add(db, None, name="emoji", task="text-to-image", source="hub:demo/emoji", revision="0" * 40, title="Emoji")
    owner = owners.ensure(db, "small", cap_queued=1)
    ended = submit(db, owner, 1)
    jobs.cancel(db, owner.id, ended.id)
    submit(db, owner, 2)
    assert selection.retry(db, owner, [ended.id]).refused == {"full": 1}
    library.remove(db, None, "emoji")
    assert selection.retry(db, owner, [ended.id]).refused == {"invalid": 1}


def test_too_many_at_once_are_refused(db: Database, owner: Owner) -> None:
    with pytest.raises(Invalid):
        selection.cancel(db, owner.id, [f"job_{number}" for number in range(selection.MAX_CHOSEN + 1)])


def test_again_with_a_longer_limit(db: Database, owner: Owner) -> None:
    old = submit(db, owner, time_limit_s=90.0)
    with pytest.raises(Conflict):
        jobs.retry(db, owner, old.id)
    jobs.cancel(db, owner.id, old.id)
    longer = jobs.retry(db, owner, old.id, longer=2).job
    assert (longer.time_limit_s, longer.parent_id, longer.params) == (180.0, old.id, old.params)
    jobs.cancel(db, owner.id, longer.id)
    assert jobs.retry(db, owner, longer.id, longer=1e9).job.time_limit_s == MAX_TIME_LIMIT_S
    with pytest.raises(NotFound):
        jobs.retry(db, owners.ensure(db, "stranger"), old.id)
