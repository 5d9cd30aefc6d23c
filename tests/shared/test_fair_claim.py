"""Which job is next: fair between owners, then aged priority, then near its model."""

from collections import Counter
from itertools import count

from sqlalchemy import text

from shared import attempts, claims, devices, jobs, listing, owners
from shared.claims import Claimant
from shared.db import Database
from shared.job import Job, Progress
from shared.owners import Owner

_names = count()


def worker(*pools: str) -> Claimant:
    number = next(_names)
    return Claimant(f"wkr_{number}", f"host/cpu:{number}", pools or ("accelerated",))


def submit(db: Database, owner: Owner, **options: object) -> Job:
    return jobs.submit(db, owner, "probe", {"steps": 1}, **options).job  # type: ignore[arg-type]


def serve(db: Database, times: int) -> list[Job]:
    """Claim and finish `times` jobs, one after the other."""
    me, served = worker(), []
    for _ in range(times):
        job = claims.claim(db, me, lease_s=30)
        assert job is not None
        attempts.finish(db, job, [], progress=Progress(), metrics={})
        served.append(job)
    return served


def test_a_flood_by_one_owner_does_not_delay_the_others(db: Database) -> None:
    flooder, *others = (owners.ensure(db, name) for name in ("flood", "a", "b", "c"))
    for _ in range(60):
        submit(db, flooder)
    for other in others:
        for _ in range(3):
            submit(db, other)
    # Costs are charged as estimated; real durations are those of the machine that the test runs on.
    me = worker()
    first = Counter(job.owner_id for _ in range(12) if (job := claims.claim(db, me, lease_s=30)))
    assert all(first[other.id] == 3 for other in others)
    assert first[flooder.id] == 3


def test_an_owner_of_twice_the_weight_gets_twice_the_share(db: Database) -> None:
    heavy, light = owners.ensure(db, "heavy", weight=2), owners.ensure(db, "light")
    for _ in range(30):
        submit(db, heavy)
        submit(db, light)
    # Costs are charged as estimated; with the real, tiny durations nothing would be left to share.
    me = worker()
    taken = Counter(job.owner_id for _ in range(30) if (job := claims.claim(db, me, lease_s=30)))
    assert 18 <= taken[heavy.id] <= 22


def test_idle_time_is_not_saved_up(db: Database) -> None:
    busy, idle = owners.ensure(db, "busy"), owners.ensure(db, "idle")
    me = worker()
    for _ in range(20):
        submit(db, busy)
        claims.claim(db, me, lease_s=30)
    for _ in range(10):
        submit(db, busy)
        submit(db, idle)
    shares = Counter(job.owner_id for _ in range(10) if (job := claims.claim(db, me, lease_s=30)))
    assert 4 <= shares[idle.id] <= 6


def test_within_an_owner_the_more_urgent_goes_first_and_equals_by_age(db: Database, owner: Owner) -> None:
    low, first, second, high = (submit(db, owner, priority=priority) for priority in (1, 5, 5, 9))
    assert [job.id for job in serve(db, 4)] == [high.id, first.id, second.id, low.id]


def test_waiting_makes_a_job_more_urgent(db: Database, owner: Owner) -> None:
    old = submit(db, owner, priority=4)
    with db.begin() as connection:
        connection.execute(text("update jobs set rank = rank - 61"))
    submit(db, owner, priority=5)
    assert serve(db, 1)[0].id == old.id


def test_a_job_whose_model_is_resident_goes_before_another_for_a_while(db: Database, owner: Owner) -> None:
    plain, loaded = submit(db, owner), submit(db, owner)
    with db.begin() as connection:
        connection.execute(text("update jobs set model = 'warm' where id = :id"), {"id": loaded.id})
    near = claims.claim(db, worker(), lease_s=30, resident=["warm"])
    assert near is not None
    assert near.id == loaded.id
    attempts.release(db, near, "test")
    with db.begin() as connection:
        connection.execute(
            text("update jobs set passed_since = passed_since - interval '11 s' where id = :id"), {"id": plain.id}
        )
    late = claims.claim(db, worker(), lease_s=30, resident=["warm"])
    assert late is not None
    assert late.id == plain.id


def test_a_device_claims_only_from_its_pools(db: Database, owner: Owner) -> None:
    submit(db, owner, pool="gpu")
    assert claims.claim(db, worker("cpu", "io", "accelerated"), lease_s=30) is None
    assert claims.claim(db, worker("gpu"), lease_s=30) is not None


def test_a_worker_leaves_kinds_that_it_does_not_know_to_newer_ones(db: Database, owner: Owner) -> None:
    unknown, known = submit(db, owner), submit(db, owner)
    with db.begin() as connection:
        connection.execute(text("update jobs set kind = 'of_tomorrow' where id = :id"), {"id": unknown.id})
    claimed = claims.claim(db, worker(), lease_s=30)
    assert claimed is not None
    assert claimed.id == known.id
    assert claims.claim(db, worker(), lease_s=30) is None


def test_the_wait_counts_the_devices_that_would_take_the_job(db: Database, owner: Owner) -> None:
    submit(db, owner)
    waiting = submit(db, owner)
    assert wait_of(db, waiting) is None
    report(db, "cpu:0", "cpu")
    alone = wait_of(db, waiting)
    # What asks for an accelerator runs on the one good GPU, once there is one, and no longer on the CPU
    report(db, "cuda:0", "gpu")
    report(db, "cuda:1", "gpu", state="quarantined")
    assert wait_of(db, waiting) == alone == 1.0


def wait_of(db: Database, job: Job) -> float | None:
    place = listing.position(db, job)
    assert place is not None
    return place.wait_s


def report(db: Database, name: str, pool: str, state: devices.State = "idle") -> None:
    devices.report(db, devices.Report(
        id=devices.device_id("here", name), host="here", name=name, title=name, pool=pool, worker_id=name, state=state,
        memory_total=1, memory_used=0,
    ))  # fmt: skip


def test_an_owner_at_its_running_cap_waits_and_others_go_on(db: Database) -> None:
    capped, other = owners.ensure(db, "capped", cap_running=1), owners.ensure(db, "other")
    for _ in range(2):
        submit(db, capped)
    submit(db, other)
    first, second = (claims.claim(db, worker(), lease_s=30) for _ in range(2))
    assert first is not None
    assert second is not None
    assert {first.owner_id, second.owner_id} == {capped.id, other.id}
    assert claims.claim(db, worker(), lease_s=30) is None


def test_the_place_in_line_counts_what_is_before(db: Database, owner: Owner) -> None:
    first, second = submit(db, owner), submit(db, owner)
    urgent = submit(db, owner, priority=9)
    places = [listing.position(db, job) for job in (urgent, first, second)]
    assert [place.ahead for place in places if place] == [0, 1, 2]
