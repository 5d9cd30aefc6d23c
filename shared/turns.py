"""The statements of a claim: whose turn it is, the first jobs in line, who can join them, and what each pays."""

from sqlalchemy import text

from shared import costs, devices

OWNERS = 4
"""So many owners, those whose turn comes first, are looked at for a job whose model is resident."""

FIRST = 20
"""And so many of the first jobs of each."""

PATIENCE_S = 2.0
"""A job that somebody waits for has waited this long before a training makes room: another device may take it."""

SLICE_S = 30.0
"""A training that has its turn because others had more than their share keeps the device this long: less would go into
saving and loading."""

_ELIGIBLE = (
    "state = 'queued' and not waits and not held and run_at <= now() and pool = any(:pools) and kind = any(:kinds)"
)
"""Of kinds that this process knows: while workers are replaced by newer ones, old ones leave the new kinds to them."""

TAKE_TURN = text(
    f"""
    select vtime, lane_vtime, set_config('synchronous_commit', 'off', true) from fairness
    where exists (select from jobs where {_ELIGIBLE})
    for update
    """  # noqa: S608 - both parts are constants
)
"""Claims take this row's lock in turn, so the order is exact. Where there is nothing to claim nobody waits.

The claim need not wait for the disk: if Postgres loses it in a power cut the job is queued again, and the fence names
the worker as well as the attempt.
"""

_ABOUT = """jobs.id, jobs.kind, jobs.model, jobs.batch_key, jobs.rank, jobs.lane, jobs.passed,
    coalesce(extract(epoch from now() - jobs.passed_since), 0) as passed_for"""
_MAY_RUN_MORE = (
    "(select count(*) from jobs as others where others.owner_id = owners.id and others.state = 'running') < cap_running"
)

HEADS = text(
    f"""
    with next_lane as (
        select name, greatest(vtime, :lane_now) as begins from lanes
        where exists (select from jobs where lane = lanes.name and {_ELIGIBLE})
        order by begins, weight desc offset :skipped limit 1
    ), turns as (
        select owners.id as owner_id, owners.weight, greatest(owners.vtime, :now_served) as begins, served_at,
               next_lane.name, next_lane.begins as lane_begins
        from owners cross join next_lane
        where exists (select from jobs where owner_id = owners.id and lane = next_lane.name and {_ELIGIBLE})
          and {_MAY_RUN_MORE}
        order by begins, served_at limit :owners
    )
    select head.*, turns.*, coalesce(costs.seconds, :unknown) as cost
    from turns cross join lateral (
        select {_ABOUT}, row_number() over (order by jobs.rank, jobs.id) as nth from jobs
        where owner_id = turns.owner_id and lane = turns.name and {_ELIGIBLE}
        order by jobs.rank, jobs.id limit :heads
    ) as head
    left join costs on costs.kind = head.kind and costs.model = coalesce(head.model, '')
    order by begins + (nth - 1) * coalesce(costs.seconds, :unknown) / weight, served_at, rank, head.id
    """  # noqa: S608 - all parts are constants
).bindparams(owners=OWNERS, heads=FIRST, unknown=costs.UNKNOWN_S)
"""In the order in which they would be served, with what each is likely to cost in device seconds."""

ANY_MATE = text(
    f"select exists (select from jobs where batch_key = :key and {_ELIGIBLE})"  # noqa: S608 - both parts are constants
)
MATES = text(
    f"""
    select mate.*, owners.id as owner_id, owners.weight, greatest(owners.vtime, :now_served) as begins,
           coalesce(costs.seconds, :unknown) as cost
    from owners cross join lateral (
        select {_ABOUT}, row_number() over (order by jobs.rank, jobs.id) as nth from jobs
        where batch_key = :key and owner_id = owners.id and {_ELIGIBLE}
        order by jobs.rank, jobs.id limit :most
    ) as mate
    left join costs on costs.kind = mate.kind and costs.model = coalesce(mate.model, '')
    where (owners.id = :owner or :shared)
      and (select count(*) from jobs where owner_id = owners.id and state = 'running') + nth <= cap_running
    order by greatest(owners.vtime, :now_served) + nth * coalesce(costs.seconds, :unknown) / owners.weight, mate.rank
    limit :most
    """  # noqa: S608 - all parts are constants
).bindparams(unknown=costs.UNKNOWN_S)

_INTERACTIVE = f"{_ELIGIBLE} and lane = 'interactive'"
"""Somebody waits for it."""

AWAITED = text(
    f"""
    with waiting as (
        select jobs.pool from jobs join owners on owners.id = jobs.owner_id
        where {_INTERACTIVE} and run_at < now() - make_interval(secs => :patience)
          and (select count(*) from jobs as others
               where others.owner_id = owners.id and others.state = 'running' and others.id <> :job) < cap_running
    ), first as (
        select others.id from jobs as others join devices on devices.id = others.device, jobs as this
        where this.id = :job and others.state = 'running' and others.kind = any(:training)
          and not others.cancel_requested and (others.rank, others.id) > (this.rank, this.id)
          and devices.state in ('idle', 'busy') and heartbeat_at > now() - make_interval(secs => :alive)
          and exists (
              select from waiting where waiting.pool in (devices.id, devices.pool)
              or waiting.pool = 'io' and devices.pool = 'cpu'
              or waiting.pool = 'accelerated' and devices.pool = case when exists (
                  select from devices as gpus
                  where gpus.pool = 'gpu' and gpus.heartbeat_at > now() - make_interval(secs => :gpu_memory)
              ) then 'gpu' else 'cpu' end)
    )
    select (select count(*) from waiting) > (select count(*) from first) and (
        select awaited.vtime <= own.vtime - (this.charged - greatest(
            0, extract(epoch from now() - this.started_at) - :slice)) / own.weight
        from jobs as this, lanes as awaited, lanes as own
        where this.id = :job and own.name = 'training' and awaited.name = 'interactive')
    """  # noqa: S608 - both parts are constants
).bindparams(patience=PATIENCE_S, slice=SLICE_S, alive=devices.ALIVE_S, gpu_memory=devices.GPU_MEMORY_S)
"""More wait than there are trainings behind this one that will make room, each on a device that takes such a job; and
what somebody waits for has not had more than its share since this one began, or this one has had its slice."""

PASS = text("update jobs set passed = passed + 1, passed_since = coalesce(passed_since, now()) where id = any(:passed)")
CHARGE = text(
    """
    with lane as (update lanes set vtime = greatest(vtime, :lane_now) + :price / weight where name = :lane),
    served as (
        update fairness set vtime = greatest(vtime, :begins), lane_vtime = greatest(lane_vtime, :lane_begins)
    )
    update owners set vtime = greatest(vtime, :now_served) + :price / weight, served_at = now() where id = :owner
    """
)
"""The lane after the owner, as where a price is corrected, so that no two of them wait for each other: what is written
before the last statement is done after it."""
