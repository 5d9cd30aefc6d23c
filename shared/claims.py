"""Which queued job a free device runs next: fair between owners, then by aged priority, near its model.

Start-time fair queueing (Goyal, Vin, Cheng 1996): each owner carries a virtual time, the owner with the
smallest is served, and pays the estimated device seconds divided by its weight at once. An owner that was
idle starts from the system's virtual time, so idleness is not saved up. Claims take one row lock in turn.
Decides only; `shared.jobs` writes the state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, func, literal, select, update

from shared import costs, jobs
from shared.db import Database
from shared.job import Job, JobState
from shared.records import fairness, owners
from shared.records import jobs as rows

AFFINITY_HEADS = 20
"""How many of an owner's first jobs are looked at for one whose model is resident."""

AFFINITY_S = 10.0
"""A job that has waited longer than this is not passed over for a resident model."""


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
    with db.begin(durable=False) as connection:
        if connection.execute(select(literal(1)).where(_eligible(claimant)).limit(1)).first() is None:
            return None
        now_served: float = connection.execute(select(fairness.c.vtime).with_for_update()).scalar_one()
        owner = _next_owner(connection, claimant, now_served)
        if owner is None:
            return None
        head = _best(connection, claimant, owner.id, resident)
        if head is None:
            return None
        cost = costs.estimate(connection, head.kind, head.model)
        job = jobs.start(
            connection,
            head.id,
            worker_id=claimant.worker_id,
            device=claimant.device,
            lease_s=lease_s,
            charged=cost,
        )
        if job is not None:
            _charge(connection, owner.id, max(now_served, owner.vtime), cost / owner.weight)
        return job


def _eligible(claimant: Claimant) -> ColumnElement[bool]:
    waiting = (rows.c.state == JobState.QUEUED) & (rows.c.run_at <= func.now())
    return waiting & (rows.c.pool == func.any(list(claimant.pools)))


def _next_owner(connection: Connection, claimant: Claimant, now_served: float) -> Row[Any, Any, Any] | None:
    running = (
        select(func.count())
        .where(rows.c.owner_id == owners.c.id, rows.c.state == JobState.RUNNING)
        .correlate(owners)
        .scalar_subquery()
    )
    has_work = exists().where(rows.c.owner_id == owners.c.id, _eligible(claimant))
    return connection.execute(
        select(owners.c.id, owners.c.vtime, owners.c.weight)
        .where(has_work, running < owners.c.cap_running)
        .order_by(func.greatest(owners.c.vtime, now_served), owners.c.served_at)
        .limit(1)
    ).one_or_none()


def _best(connection: Connection, claimant: Claimant, owner_id: str, resident: Sequence[str]) -> Row[Any] | None:
    waited = func.extract("epoch", func.now() - rows.c.run_at)
    heads = connection.execute(
        select(rows.c.id, rows.c.kind, rows.c.model, waited.label("waited"))
        .where(rows.c.owner_id == owner_id, _eligible(claimant))
        .order_by(rows.c.rank, rows.c.id)
        .limit(AFFINITY_HEADS)
    ).all()
    if not heads or heads[0].waited > AFFINITY_S:
        return heads[0] if heads else None
    return next((head for head in heads if head.model in resident), heads[0])


def _charge(connection: Connection, owner_id: str, begins: float, price: float) -> None:
    connection.execute(update(fairness).values(vtime=func.greatest(fairness.c.vtime, begins)))
    connection.execute(update(owners).where(owners.c.id == owner_id).values(vtime=begins + price, served_at=func.now()))
