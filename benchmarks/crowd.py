"""A full house: 100,000 jobs, 20,000 artifacts, a hundred batches, fifty schedules, straight into the tables."""

from sqlalchemy import text

from benchmarks.installation import Installation

JOBS, ARTIFACTS, BATCHES, SCHEDULES = 100_000, 20_000, 100, 50
WAITING, RUNNING = 200, 8


def fill(place: Installation) -> dict[str, str]:
    """Fill the tables; returns the addresses of one thing of each sort, which have as much to show as any."""
    given = {"owner": place.owner.id, "jobs": JOBS, "artifacts": ARTIFACTS, "batches": BATCHES}
    given |= {"schedules": SCHEDULES, "waiting": WAITING, "running": RUNNING}
    with place.db.begin() as connection:
        connection.execute(text("set local statement_timeout = 0"))
        for statement in (_BATCHES, _JOBS, _EVENTS, _BLOBS, _ARTIFACTS, _SCHEDULES, _RUNS):
            connection.execute(text(statement), given)
    with place.db.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("vacuum analyze"))
    return {
        "a finished job": f"/jobs/{_id('job', JOBS // 2 + 1)}",
        "a waiting job": f"/jobs/{_id('job', JOBS)}",
        "a batch of 900": f"/batches/{_id('bat', 3)}",
        "a schedule": f"/schedules/{_id('sch', 2)}",
    }


def waiting_and_running() -> tuple[list[str], list[str]]:
    """Ids of the jobs that wait, and of those that run."""
    running = [_id("job", JOBS - WAITING - number) for number in range(RUNNING)]
    return [_id("job", JOBS - number) for number in range(WAITING)], running


def _id(prefix: str, number: int) -> str:
    return f"{prefix}_{number:026d}"


_BATCHES = """
insert into batches (id, owner_id, kind, title, asked, total, pool, created_at)
select 'bat_' || lpad(n::text, 26, '0'), :owner, 'generate_image', 'A thing in a colour, number ' || n,
       '{"vary": {"prompt": ["a red apple", "a blue car", "a green tree"]}, "mode": "product"}', 900,
       'accelerated', now() - interval '1 day' + n * interval '1 min'
from generate_series(1, :batches) n"""

# Of every ten: seven pictures, two texts, a voice; one in twenty failed, one in fifty was cancelled.
_JOBS = """
insert into jobs (id, owner_id, kind, params, title, state, rank, pool, model, seed, time_limit_s, attempt, created_at,
                  started_at, finished_at, lease_until, worker_id, device, error_code, error_message, progress, metrics,
                  batch_id, batch_index, revision)
select 'job_' || lpad(n::text, 26, '0'), :owner,
       case when n % 10 < 7 then 'generate_image' when n % 10 < 9 then 'generate_text' else 'generate_speech' end,
       case when n % 10 < 9 then jsonb_build_object('prompt', 'a red apple on a table, number ' || n)
            else jsonb_build_object('text', 'Good morning, number ' || n) end,
       'a red apple on a table, number ' || n, state, n, 'accelerated', null, n, 600,
       (state <> 'queued')::int, born, case when state <> 'queued' then born + interval '1 s' end,
       case when state in ('succeeded', 'failed', 'cancelled') then born + interval '9 s' end,
       case when state = 'running' then now() + interval '1 day' end,
       case when state <> 'queued' then 'wkr_bench' end, case when state <> 'queued' then 'bench/cpu:0' end,
       case when state = 'failed' then 'out_of_memory' end,
       case when state = 'failed' then 'The device has too little memory for this.' end,
       '{"done": 8, "total": 8, "note": "Saving"}', '{"images_per_second": 0.4}',
       case when n <= 900 * :batches then 'bat_' || lpad(((n - 1) / 900 + 1)::text, 26, '0') end,
       case when n <= 900 * :batches then (n - 1) % 900 + 1 end, 3
from (select n, now() - interval '10 days' + n * interval '8 s' as born,
             case when n > :jobs - :waiting then 'queued' when n > :jobs - :waiting - :running then 'running'
                  when n % 20 = 0 then 'failed' when n % 50 = 1 then 'cancelled' else 'succeeded' end as state
      from generate_series(1, :jobs) n) as each"""

_EVENTS = """
insert into events (job_id, at, attempt, type, data)
select id, created_at + number * interval '1 s', 1, (array['submitted', 'started', 'succeeded'])[number], '{}'
from jobs, generate_series(1, 3) number where state = 'succeeded'"""

_BLOBS = """
insert into blobs (key, size)
select 'bench/' || part || '/' || n, 100000
from generate_series(1, :artifacts) n, (values ('whole'), ('thumb')) parts(part)"""

_ARTIFACTS = """
insert into artifacts (id, job_id, owner_id, attempt, position, role, name, media_type, size, sha256, key, thumb_key,
                       width, height, starred_at, created_at)
select 'art_' || lpad(n::text, 26, '0'), id, owner_id, 1, 0, 'output', 'image.png', 'image/png', 100000, md5(id),
       'bench/whole/' || n, 'bench/thumb/' || n, 512, 384 + (n % 5) * 64,
       case when n % 40 = 0 then now() end, finished_at
from (select *, row_number() over (order by id) as n
      from (select * from jobs where kind = 'generate_image' and state = 'succeeded' order by id desc limit :artifacts)
           as newest) as each"""

_SCHEDULES = """
insert into schedules (id, owner_id, name, cron, zone, template, overlap, missed, next_due, last_due, run_count)
select 'sch_' || lpad(n::text, 26, '0'), :owner, 'Every morning ' || n, '0 7 * * *', 'Europe/Berlin',
       '{"job": {"kind": "generate_image", "params": {"prompt": "a sunrise on {date}"}}}', 'skip', 'once',
       now() + interval '1 day', now(), 90
from generate_series(1, :schedules) n"""

_RUNS = """
insert into runs (schedule_id, due_at, number, state, job_id, created_at)
select schedules.id, now() - number * interval '1 day', 91 - number, 'submitted',
       'job_' || lpad((number * 700 + 5)::text, 26, '0'), now() - number * interval '1 day'
from schedules, generate_series(1, 90) number"""
