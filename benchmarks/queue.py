"""The queue: no-op jobs per second end to end, the time from submit to running, and the claim in a long table."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import psycopg
import redis
from celery import Celery
from sqlalchemy import text

from benchmarks.installation import Installation
from shared import attempts, claims, jobs, listing
from shared.claims import Claimant
from shared.job import Job, Progress
from shared.queue import Ringer, broker_url

Figure = dict[str, object]

JOBS = 600
NOTHING = {"steps": 0}


def end_to_end(place: Installation) -> Iterator[Figure]:
    """No-op jobs through bell, claim, runner and finish, against bare Celery tasks and bare claim + finish."""
    celery_s = _bare_celery(place)
    floor_s = _bare_claim_and_finish(place)
    with place.worker():
        for _ in range(JOBS):
            jobs.submit(place.db, place.owner, "probe", NOTHING)
        began = time.perf_counter()
        Ringer(place.settings).ring("accelerated")
        _until_done(place)
        ours_s = time.perf_counter() - began
        yield {
            "figure": "noop_jobs_per_s",
            "value": round(JOBS / ours_s, 1),
            "of_bare_celery": round(celery_s / ours_s, 3),
            "of_claim_and_finish": round(floor_s / ours_s, 3),
        }
        waits = sorted(_submit_to_running(place) for _ in range(100))
        yield {
            "figure": "submit_to_running_ms",
            "p50": round(statistics.median(waits) * 1e3, 2),
            "p95": round(waits[94] * 1e3, 2),
            "of_bare_redis_round_trip": round(statistics.median(waits) / _redis_round_trip(place), 2),
        }


def claim_in_a_long_table(place: Installation) -> Iterator[Figure]:
    """How long a claim takes with a thousand, and with a hundred thousand, finished rows beside it."""
    me = Claimant("wkr_bench", "bench/cpu:0", ("accelerated",))
    took: dict[int, float] = {}
    for rows in (1_000, 100_000):
        _fill(place, rows)
        took[rows] = _claim_latency(place, me)
    yield {
        "figure": "claim_ms",
        "with_1e3_rows": round(took[1_000] * 1e3, 3),
        "with_1e5_rows": round(took[100_000] * 1e3, 3),
        "ratio": round(took[100_000] / took[1_000], 3),
        "target": "<= 1.2",
    }


_CELERY = """
import sys
from celery import Celery, shared_task
import redis
app = Celery("bare", broker=sys.argv[1])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1, worker_pool="prefork",
                worker_hijack_root_logger=False, task_default_queue="bare")
client = redis.Redis.from_url(sys.argv[2])
@app.task(name="bare.noop")
def noop():
    client.incr("bare:done")
if __name__ == "__main__":
    app.worker_main(["worker", "-c", "1", "--without-gossip", "--without-mingle", "--loglevel", "ERROR"])
"""


def _bare_celery(place: Installation) -> float:
    """Seconds that a Celery worker of one child takes for as many tasks that count up in Redis."""
    client = redis.Redis.from_url(place.redis.url)
    script = place.home.path / "bare.py"
    script.write_text(_CELERY)
    app = Celery("bare", broker=broker_url(place.redis.url))
    for _ in range(JOBS):
        app.send_task("bare.noop", queue="bare", ignore_result=True)
    worker = subprocess.Popen(
        [sys.executable, str(script), broker_url(place.redis.url), place.redis.url], stdout=subprocess.DEVNULL
    )
    try:
        _await_count(client, 20)
        began = time.perf_counter()
        _await_count(client, JOBS)
        return (time.perf_counter() - began) * JOBS / (JOBS - 20)
    finally:
        worker.terminate()
        worker.wait(30)


def _await_count(client: redis.Redis, count: int) -> None:
    until = time.monotonic() + 60
    while int(client.get("bare:done") or 0) < count:
        if time.monotonic() > until:
            raise TimeoutError("the bare Celery worker does not work")
        time.sleep(0.005)


def _bare_claim_and_finish(place: Installation) -> float:
    """Seconds for as many claims and finishes of rows by one psycopg connection, no Python around them."""
    with psycopg.connect(place.postgres.url, autocommit=True) as connection:
        connection.execute("create table bare (id serial primary key, state text, attempt int)")
        connection.execute("insert into bare (state, attempt) select 'queued', 0 from generate_series(1, %s)", (JOBS,))
        connection.execute("create index on bare (id) where state = 'queued'")
        began = time.perf_counter()
        while (row := connection.execute(_BARE_CLAIM).fetchone()) is not None:
            connection.execute("update bare set state = 'done' where id = %s and attempt = %s", row)
        return time.perf_counter() - began


_BARE_CLAIM = """update bare set state = 'running', attempt = attempt + 1 where id =
    (select id from bare where state = 'queued' order by id limit 1 for update skip locked) returning id, attempt"""


def _until_done(place: Installation) -> None:
    while listing.pools_with_work(place.db) or any(depth.count for depth in listing.depths(place.db)):
        time.sleep(0.01)


def _submit_to_running(place: Installation) -> float:
    ringer = _ringer(place)
    began = time.perf_counter()
    job = jobs.submit(place.db, place.owner, "probe", {"steps": 1}).job
    ringer.ring(job.pool)
    while True:
        now: Job = listing.get(place.db, place.owner.id, job.id)
        if now.started_at is not None:
            waited = (now.started_at - now.created_at).total_seconds()
            if now.done:
                return waited
        if time.perf_counter() - began > 30:
            raise TimeoutError(job.id)
        time.sleep(0.002)


_ringers: dict[int, Ringer] = {}


def _ringer(place: Installation) -> Ringer:
    return _ringers.setdefault(id(place), Ringer(place.settings))


def _redis_round_trip(place: Installation) -> float:
    """Median seconds of one LPUSH + BRPOP over a connection of ours."""
    client = redis.Redis.from_url(place.redis.url)
    times = []
    for _ in range(200):
        began = time.perf_counter()
        client.lpush("bare:trip", "x")
        client.brpop(["bare:trip"], timeout=1)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _fill(place: Installation, rows: int) -> None:
    with place.db.begin() as connection:
        connection.execute(text("delete from jobs"))
        connection.execute(
            text(
                """insert into jobs (id, owner_id, kind, params, state, rank, pool, seed, time_limit_s, finished_at)
                select 'job_' || lpad(n::text, 26, '0'), :owner, 'probe', '{}', 'succeeded', n,
                       'accelerated', 1, 60, now()
                from generate_series(1, :rows) n"""
            ),
            {"owner": place.owner.id, "rows": rows},
        )
    with place.db.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("vacuum analyze"))


def _claim_latency(place: Installation, me: Claimant) -> float:
    for _ in range(220):
        jobs.submit(place.db, place.owner, "probe", NOTHING)
    times = []
    for turn in range(220):
        began = time.perf_counter()
        job = claims.claim(place.db, me, lease_s=30)
        if turn >= 20:
            times.append(time.perf_counter() - began)
        assert job is not None
        attempts.finish(place.db, job, [], progress=Progress(), metrics={})
    return statistics.median(times)
