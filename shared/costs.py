"""What work costs in device seconds, learned from what it took: the fair claim charges it, the site estimates by it."""

from sqlalchemy import Connection, RowMapping, func, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.records import costs, owners

UNKNOWN_S = 1.0
"""The estimate for work that was never seen."""

_MEMORY = 20.0
"""The estimate is a running mean over about this many of the last jobs."""


def estimate(connection: Connection, kind: str, model: str | None) -> float:
    """Device seconds that a job of this kind with this model is likely to take."""
    known = select(costs.c.seconds).where(costs.c.kind == kind, costs.c.model == (model or ""))
    found: float | None = connection.execute(known).scalar_one_or_none()
    return UNKNOWN_S if found is None else found


def settle(connection: Connection, row: RowMapping) -> float:
    """Correct the charge of a claim to what the attempt really took, on its owner's virtual time."""
    taken = func.extract("epoch", func.now() - row["started_at"])
    seconds: float = float(connection.execute(select(taken)).scalar_one()) if row["started_at"] else 0.0
    more = (seconds - row["charged"]) / owners.c.weight
    connection.execute(update(owners).where(owners.c.id == row["owner_id"]).values(vtime=owners.c.vtime + more))
    return seconds


def learn(connection: Connection, row: RowMapping) -> None:
    """Settle a job that succeeded, and let the estimate follow it."""
    seconds = settle(connection, row)
    key = {"kind": row["kind"], "model": row["model"] or ""}
    new = insert(costs).values(**key, seconds=seconds, samples=1)
    share = 1 / func.least(costs.c.samples + 1, _MEMORY)
    moved = costs.c.seconds + (new.excluded.seconds - costs.c.seconds) * share
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["kind", "model"], set_={"seconds": moved, "samples": costs.c.samples + 1}
        )
    )
