"""The curves of jobs that train: points by name and step, written in bulk, thinned only when they are read.

Knows nothing of what the figures mean.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, text

from shared.db import Database
from shared.job import Job, JobState

#: The points of one curve: step and value, by step.
Curve = list[tuple[int, float]]

MOST_POINTS = 1000
"""So many points a curve has at most when it is read; a screen is hardly wider."""


def write(db: Database, job: Job, points: Mapping[tuple[str, int], float]) -> None:
    """Write points of a running attempt, by name and step; of one that no longer owns its job nothing is written."""
    if not points:
        return
    given = {
        "job": job.id,
        "attempt": job.attempt,
        "worker": job.worker_id,
        "names": [name for name, _ in points],
        "steps": [step for _, step in points],
        "values": list(points.values()),
    }
    with db.begin(durable=False) as connection:
        connection.execute(_WRITE, given)


def read(
    db: Database,
    job_ids: Sequence[str],
    *,
    names: Sequence[str] = (),
    since: int | None = None,
    most: int = MOST_POINTS,
) -> dict[str, dict[str, Curve]]:
    """The curves of some jobs by job and name, each of at most `most` points.

    A longer curve is cut into stretches of which the lowest and the highest point are kept, so that no spike is lost;
    its first and last point stay. `names` limits it to some curves, `since` to steps after that one. The caller has
    made sure that the jobs are the reader's.
    """
    given = {
        "jobs": list(job_ids),
        "names": list(names),
        "since": since,
        "most": most,
        # Two of each stretch, and the two ends.
        "stretches": max(1, (most - 2) // 2),
    }
    found: dict[str, dict[str, Curve]] = {job_id: {} for job_id in job_ids}
    if not job_ids:
        return found
    with db.begin() as connection:
        for job_id, name, step, value in connection.execute(_READ, given):
            found[job_id].setdefault(name, []).append((step, value))
    return found


_WRITE = text(
    """
    insert into points (job_id, name, step, value)
    select :job, name, step, value
    from unnest(cast(:names as text[]), cast(:steps as bigint[]), cast(:values as double precision[]))
         as new (name, step, value)
    where exists (select from jobs where id = :job and state = :running and attempt = :attempt and worker_id = :worker)
    on conflict (job_id, name, step) do update set value = excluded.value, at = excluded.at
    """
).bindparams(bindparam("running", JobState.RUNNING.value))

_READ = text(
    """
    with mine as materialized (
        select job_id, name, step, value from points
        where job_id = any(:jobs) and (cardinality(cast(:names as text[])) = 0 or name = any(:names))
          and (cast(:since as bigint) is null or step > :since)
    ), long as (
        select job_id, name, count(*) as count, min(step) as first, max(step) as last from mine group by job_id, name
    ), stretched as (
        select job_id, name, min(array[value, step]) as low, max(array[value, step]) as high
        from mine join long using (job_id, name) where count > :most
        group by job_id, name, width_bucket(step::double precision, first::double precision, last + 1.0, :stretches)
    )
    select job_id, name, step, value from mine join long using (job_id, name)
    where count <= :most or step in (first, last)
    union
    select job_id, name, cast(low[2] as bigint), low[1] from stretched
    union
    select job_id, name, cast(high[2] as bigint), high[1] from stretched
    order by job_id, name, step
    """
)
"""The least of arrays of value and step is the lowest point: no sorting, however many there are."""
