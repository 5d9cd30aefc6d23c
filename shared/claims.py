"""Which queued job a free device runs next: fair between owners, then by aged priority, near its model.

Start-time fair queueing (Goyal, Vin, Cheng 1996): each owner carries a virtual time, the owner with the
smallest is served, and pays the estimated device seconds divided by its weight at once. An owner that was
idle starts from the system's virtual time, so idleness is not saved up. Claims take one row lock in turn.
Decides only; `shared.attempts` writes the state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text

from shared import attempts, costs, devices, kinds
from shared.db import Database
from shared.job import Job

AFFINITY_HEADS = 20
"""How many of an owner's first jobs are looked at for one whose model is resident."""

AFFINITY_S = 10.0
"""A job that has waited longer than this is not passed over for a resident model."""

AFFINITY_RANK_S = 3600.0
"""Nor is a job passed over for one that ranks this much behind it: a batch never goes before a single job."""


PATIENCE_S = 2.0
"""A job that somebody waits for has waited this long before a training makes room: another device may take it."""


@dataclass(frozen=True)
class Claimant:
    """The process that claims: one at a time per device. `pools` are those it serves."""

    worker_id: str
    device: str
    pools: tuple[str, ...]


def claim(db: Database, claimant: Claimant, *, lease_s: float, resident: Sequence[str] = ()) -> Job | None:
    """Take the best eligible job and start its attempt, or None where there is nothing for this device.

    `resident` names the models that the device holds in memory.
    """
    given = {"pools": list(claimant.pools), "kinds": list(kinds.names())}
    with db.begin() as connection:
        turn = connection.execute(_TAKE_TURN, given).one_or_none()
        if turn is None:
            return None
        heads = connection.execute(_HEADS, given | {"now_served": turn.vtime}).all()
        if not heads:
            return None
        head = _best(heads, resident)
        if kinds.trains(head.kind):
            # Whoever made room for a job that somebody waits for is not taken before that.
            urgent = given | {"now_served": turn.vtime, "training": list(kinds.training())}
            head = next(iter(connection.execute(_URGENT, urgent)), head)
        job = attempts.start(
            connection,
            head.id,
            worker_id=claimant.worker_id,
            device=claimant.device,
            lease_s=lease_s,
            charged=head.cost,
        )
        if job is not None:
            price = head.cost / head.weight
            connection.execute(_CHARGE, {"owner": head.owner_id, "begins": head.begins, "price": price})
        return job


def somebody_waits(db: Database, job: Job, pools: Sequence[str]) -> bool:
    """Whether a job that somebody waits for could run if this one, which trains, made room on its device.

    Where several trainings could make room, as many are to do so as there are such jobs: those last in line.
    """
    given = {"pools": list(pools), "kinds": list(kinds.names()), "training": list(kinds.training()), "job": job.id}
    with db.begin() as connection:
        return bool(connection.execute(_AWAITED, given).scalar_one())


def _best(heads: Sequence[Row[Any]], resident: Sequence[str]) -> Row[Any]:
    """The first job, or one near it whose model is in memory, as long as the first has not waited long."""
    if heads[0].waited > AFFINITY_S:
        return heads[0]
    near = (head for head in heads if head.rank - heads[0].rank < AFFINITY_RANK_S)
    return next((head for head in near if head.model in resident), heads[0])


_ELIGIBLE = (
    "state = 'queued' and not waits and not held and run_at <= now() and pool = any(:pools) and kind = any(:kinds)"
)
"""Of kinds that this process knows: while workers are replaced by newer ones, old ones leave the new kinds to them."""

_TAKE_TURN = text(
    f"""
    select vtime, set_config('synchronous_commit', 'off', true) from fairness
    where exists (select from jobs where {_ELIGIBLE})
    for update
    """  # noqa: S608 - both parts are constants
)
"""Claims take this row's lock in turn, so the order is exact. Where there is nothing to claim nobody waits.

The claim need not wait for the disk: if Postgres loses it in a power cut the job is queued again, and the fence names
the worker as well as the attempt.
"""

_HEADS_SQL = """
    with next_owner as (
        select id as owner_id, weight, greatest(vtime, :now_served) as begins from owners
        where exists (select from jobs where owner_id = owners.id and {eligible})
          and (select count(*) from jobs where owner_id = owners.id and state = 'running') < cap_running
        order by begins, served_at limit 1
    ), heads as (
        select jobs.id, kind, model, rank, extract(epoch from now() - run_at) as waited, next_owner.*
        from next_owner join jobs using (owner_id)
        where {eligible}
        order by rank, jobs.id limit :heads
    )
    select heads.*, coalesce(costs.seconds, :unknown) as cost
    from heads left join costs on costs.kind = heads.kind and costs.model = coalesce(heads.model, '')
    order by rank, heads.id
"""
_HEADS = text(_HEADS_SQL.format(eligible=_ELIGIBLE)).bindparams(heads=AFFINITY_HEADS, unknown=costs.UNKNOWN_S)
"""The first jobs of the owner whose turn it is, with what each is likely to cost in device seconds."""

_INTERACTIVE = f"{_ELIGIBLE} and batch_id is null and kind <> all(:training)"
"""Somebody waits for it: it is of no batch, and does not train."""

_URGENT = text(_HEADS_SQL.format(eligible=_INTERACTIVE)).bindparams(heads=1, unknown=costs.UNKNOWN_S)
_AWAITED = text(
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
    select (select count(*) from waiting) > (select count(*) from first)
    """  # noqa: S608 - both parts are constants
).bindparams(patience=PATIENCE_S, alive=devices.ALIVE_S, gpu_memory=devices.GPU_MEMORY_S)
"""More wait than there are trainings behind this one that will make room, each on a device that takes such a job."""

_CHARGE = text(
    """
    with served as (update fairness set vtime = greatest(vtime, :begins))
    update owners set vtime = :begins + :price, served_at = now() where id = :owner
    """
)
