"""Lanes take turns by weight, who is passed over is so for a while only, and who shares a pass is chosen fairly."""

from collections import Counter
from itertools import count, pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from shared import attempts, batches, claims, jobs, library, owners
from shared.claims import MOST_PASSED, Claimant
from shared.db import Database
from shared.job import Job, Progress
from shared.owners import Owner
from shared.sources import Listed

_names = count()


def worker() -> Claimant:
    number = next(_names)
    return Claimant(f"wkr_{number}", f"host/cpu:{number}", ("accelerated",))


def submit(db: Database, owner: Owner, **columns: object) -> Job:
    """A job; some of its columns as if its kind had made them so."""
    job = jobs.submit(db, owner, "probe", {"steps": 1}).job
    for name, value in columns.items():
        with db.begin() as connection:
            connection.execute(text(f"update jobs set {name} = :value where id = :id"), {"value": value, "id": job.id})
    return job


def claimed(db: Database, times: int, *resident: str) -> list[Job]:
    """Jobs that are claimed one after the other and run on: each is charged what it is expected to cost."""
    found = [claims.claim(db, worker(), lease_s=30, resident=resident) for _ in range(times)]
    return [job for job in found if job is not None]


def ids(some: list[Job]) -> list[str]:
    return [job.id for job in some]


@pytest.fixture
def lanes(db: Database, owner: Owner) -> dict[str, str]:
    """A long line in every lane; the lane of each job."""
    found = {submit(db, owner).id: "interactive" for _ in range(40)}
    batch = batches.submit(db, owner, "probe", Listed({}, [{"steps": 1}] * 40)).batch
    with db.begin() as connection:
        made = connection.execute(text("select id from jobs where batch_id = :id"), {"id": batch.id}).scalars().all()
    found |= dict.fromkeys(made, "batch")
    return found | {jobs.submit(db, owner, "study", {"name": f"a{n}"}).job.id: "training" for n in range(40)}


def test_lanes_share_a_device_by_their_weights(db: Database, lanes: dict[str, str]):
    # given work in every lane, when 33 jobs are claimed that each cost as much
    taken = Counter(lanes[job.id] for job in claimed(db, 33))

    # then they are 8 : 2 : 1, and nobody is shut out
    assert abs(taken["interactive"] - 24) <= 1
    assert abs(taken["batch"] - 6) <= 1
    assert taken["training"] >= 2


def test_a_lane_that_is_alone_has_all_and_owes_nothing_for_it(db: Database, owner: Owner):
    # given a long time with batches alone
    batches.submit(db, owner, "probe", Listed({}, [{"steps": 1}] * 30))
    claimed(db, 20)

    # when somebody waits for jobs, then they share from there on and do not make up for what they did not want
    for _ in range(20):
        submit(db, owner)
    now = Counter("batch" if job.batch_id else "interactive" for job in claimed(db, 10))
    assert 1 <= now["batch"] <= 3


def test_a_training_that_was_long_lets_others_go_first_for_as_long(db: Database, owner: Owner):
    # given a training that took an hour
    study = jobs.submit(db, owner, "study", {"name": "a"}).job
    (training,) = claimed(db, 1)
    assert training.id == study.id
    with db.begin() as connection:
        connection.execute(text("update jobs set started_at = now() - interval '1 h' where id = :id"), {"id": study.id})
    attempts.finish(db, training, [], progress=Progress(), metrics={})

    # when another waits beside a batch, then the batch goes first for a long while
    jobs.submit(db, owner, "study", {"name": "b"})
    batches.submit(db, owner, "probe", Listed({}, [{"steps": 1}] * 20))
    assert all(job.batch_id for job in claimed(db, 20))


def test_a_full_owner_leaves_the_turn_to_another_lane(db: Database):
    # given an owner who runs as many as he may and has the only interactive job
    full, other = owners.ensure(db, "full", cap_running=1), owners.ensure(db, "other")
    submit(db, full)
    claimed(db, 1)
    submit(db, full)
    batch = batches.submit(db, other, "probe", Listed({}, [{"steps": 1}])).batch

    assert [job.batch_id for job in claimed(db, 2)] == [batch.id]


def test_nobody_is_passed_over_more_often_than_eight_times(db: Database, owner: Owner):
    # given cold jobs among warm ones, which came later
    cold = [submit(db, owner, model="cold").id for _ in range(3)]
    warm = [submit(db, owner, model="warm").id for _ in range(40)]

    # when a device that holds the warm model claims
    order = ids(claimed(db, 20, "warm"))

    # then it takes eight warm ones, and then those that have waited
    assert order[:MOST_PASSED] == warm[:MOST_PASSED]
    assert order[MOST_PASSED : MOST_PASSED + 3] == cold


def test_a_resident_model_is_preferred_between_owners_too_and_nobody_loses_by_it(db: Database):
    # given two owners who each use a model of their own
    one, other = owners.ensure(db, "one"), owners.ensure(db, "other")
    for _ in range(30):
        submit(db, one, model="a")
        submit(db, other, model="b")

    # when a device works that holds the model of whatever it ran last
    models: list[str] = []
    for _ in range(36):
        (job,) = claimed(db, 1, *models[-1:])
        models.append(job.model or "")

    # then it changes models far less often than it would in turn, and both owners had about as much
    changes = sum(a != b for a, b in pairwise(models))
    assert changes <= 6
    assert abs(models.count("a") - 18) <= MOST_PASSED


def test_mates_are_jobs_of_the_same_key_and_begin_at_once(db: Database, owner: Owner):
    # given a job that runs, others of its key, and one of another
    first = submit(db, owner, batch_key="k")
    same = [submit(db, owner, batch_key="k").id for _ in range(3)]
    other = submit(db, owner, batch_key="l")
    me = worker()
    running = claims.claim(db, me, lease_s=30)
    assert running is not None
    assert (running.id, running.batch_key) == (first.id, "k")

    # when mates are asked for, then those of its key run, as many as asked for, on the same device
    two = claims.mates(db, me, running, most=2, lease_s=30)
    assert ids(two) == same[:2]
    assert {(job.device, job.worker_id, job.attempt) for job in two} == {(me.device, me.worker_id, 1)}
    assert ids(claims.mates(db, me, running, most=9, lease_s=30)) == same[2:]
    assert claims.mates(db, me, running, most=9, lease_s=30) == []
    assert ids(claimed(db, 1)) == [other.id]


def test_a_line_of_mates_does_not_keep_another_waiting_for_ever(db: Database, owner: Owner):
    # given a job of another key that stands before many of one
    me = worker()
    submit(db, owner, batch_key="k")
    running = claims.claim(db, me, lease_s=30)
    assert running is not None
    waiting = submit(db, owner)
    for _ in range(40):
        submit(db, owner, batch_key="k")

    # when they join again and again, then that ends once it has been passed over eight times
    joined = [len(claims.mates(db, me, running, most=1, lease_s=30)) for _ in range(12)]
    assert joined == [1] * MOST_PASSED + [0] * 4
    # and the next that is claimed is it, whoever is resident
    assert ids(claimed(db, 1)) == [waiting.id]


def test_mates_come_fairly_from_all_owners(db: Database):
    # given a flood of one owner and a few jobs of others, of models that are everybody's
    flooder, *others = (owners.ensure(db, name) for name in ("flood", "a", "b"))
    for _ in range(30):
        submit(db, flooder, batch_key="k")
    for each in others:
        for _ in range(3):
            submit(db, each, batch_key="k")
    me = worker()
    running = claims.claim(db, me, lease_s=30)
    assert running is not None

    # when eight join, then nobody's come before the others'
    taken = Counter(job.owner_id for job in claims.mates(db, me, running, most=8, lease_s=30))
    assert all(taken[each.id] == 3 for each in others)


def test_a_model_of_ones_own_is_shared_with_nobody(db: Database, owner: Owner, stranger: Owner, tmp_path: Path):
    # given that somebody has a model of his own by that name
    library.add(
        db, owner.id, name="tiny", title="T", task="text-generation", source=f"folder:{tmp_path}", revision=None
    )
    asked = {"prompt": "hello", "model": "tiny"}
    mine = [jobs.submit(db, owner, "generate_text", asked).job.id for _ in range(2)]
    with db.begin() as connection:
        connection.execute(text("update jobs set batch_key = 'k'"))
    library.ensure_starters(db)
    theirs = jobs.submit(db, stranger, "generate_text", {"prompt": "hello"}).job
    with db.begin() as connection:
        connection.execute(text("update jobs set batch_key = 'k', model = 'tiny' where id = :id"), {"id": theirs.id})
    me = worker()
    running = claims.claim(db, me, lease_s=30)
    assert running is not None

    # then only his own jobs join
    joined = ids(claims.mates(db, me, running, most=9, lease_s=30))
    assert set(joined) | {running.id} in ({*mine}, {theirs.id})


def test_mates_respect_how_many_an_owner_may_run(db: Database):
    few = owners.ensure(db, "few", cap_running=3)
    for _ in range(9):
        submit(db, few, batch_key="k")
    me = worker()
    running = claims.claim(db, me, lease_s=30)
    assert running is not None
    assert len(claims.mates(db, me, running, most=9, lease_s=30)) == 2


def test_a_job_that_shared_its_pass_is_charged_for_its_share(db: Database, owner: Owner):
    # given an hour in which a job had a thousandth of the device
    submit(db, owner)
    (job,) = claimed(db, 1)
    with db.begin() as connection:
        connection.execute(text("update jobs set started_at = now() - interval '1 h'"))
    attempts.finish(db, job, [], progress=Progress(), metrics={}, device_s=3.6)

    with db.begin() as connection:
        paid, learned = connection.execute(text("select o.vtime, c.seconds from owners o, costs c")).one()
    assert paid == pytest.approx(3.6)
    assert learned == pytest.approx(3.6)
