"""How the rows of new jobs are written, and where they stand in line. Nobody else inserts any, but a batch by COPY."""

from sqlalchemy import text

PRIORITY_STEP_S = 60.0
"""A job of priority p overtakes one of p - 1 that was submitted up to this much earlier, and no more."""

BATCH_BEHIND_S = 86_400.0
"""A batch's jobs stand behind every job that their owner submits singly until this much later: whoever waits for one
answer does not wait for ten thousand others first. Between owners it changes nothing, since whose turn it is comes
before rank."""

BATCH_STEP_S = 1e-6
"""Within a batch the jobs go by their number: each is this much behind the one before it."""

SUBMIT = """
with made as (
    insert into jobs (id, owner_id, kind, params, title, state, priority, pool, device_pin, lane, batch_key,
                      model, seed, time_limit_s, parent_id, batch_id, batch_index, workflow_id, step, waits, needed,
                      searched_by, trial, idempotency_key, fingerprint, run_at, rank)
    select %(id)s, %(owner_id)s, %(kind)s, cast(%(params)s as jsonb), %(title)s, 'queued', %(priority)s, %(pool)s,
           %(device_pin)s, %(lane)s, %(batch_key)s, %(model)s, %(seed)s, %(time_limit_s)s, %(parent_id)s,
           %(batch_id)s, %(batch_index)s, %(workflow_id)s, %(step)s, %(waits)s, %(needed)s, %(searched_by)s,
           %(trial)s, %(idempotency_key)s,
           %(fingerprint)s, due.at,
           extract(epoch from greatest(now(), due.at)) - %(priority)s * %(priority_step)s
    from (select coalesce(cast(%(run_at)s as timestamptz), now()) as at) as due
    where cast(%(cap)s as bigint) is null or not exists
        (select from jobs where owner_id = %(owner_id)s and state = 'queued'
         offset greatest(cast(%(cap)s as bigint), 1) - 1)
    on conflict (owner_id, idempotency_key) where idempotency_key is not null do nothing
    returning id, attempt, created_at, run_at
), logged as (
    insert into events (job_id, attempt, type) select id, attempt, 'submitted' from made
)
select created_at, run_at from made
"""
"""One statement, and one round trip, for the way that every job takes: the row and its event, if there is room.

In the driver's own form: on this hottest of paths SQLAlchemy's share would be the larger.
"""

RETRY_MANY = text(
    """
    with made as (
        insert into jobs (id, owner_id, kind, params, title, state, priority, pool, device_pin, lane, batch_key,
                          model, seed, time_limit_s, parent_id, batch_id, batch_index, rank)
        select again.id, owner_id, kind, params, title, 'queued', priority, pool, device_pin, lane, batch_key, model,
               coalesce(cast(params ->> 'seed' as bigint), cast(floor(random() * 9007199254740992) as bigint)),
               time_limit_s, jobs.id, batch_id, batch_index,
               extract(epoch from now()) - priority * :step + :behind + batch_index * :order
        from unnest(cast(:ended as text[]), cast(:fresh as text[])) as again (ended, id) join jobs on jobs.id = ended
        returning id, attempt
    )
    insert into events (job_id, attempt, type) select id, attempt, 'submitted' from made
    """
).bindparams(step=PRIORITY_STEP_S, behind=BATCH_BEHIND_S, order=BATCH_STEP_S)
"""The same requests again, under fresh ids, each with the job that ended as its parent, at the same number."""
