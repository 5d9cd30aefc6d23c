"""The devices that work is done on, as their workers report them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Exists, FromClause, RowMapping, case, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.db import Database
from shared.errors import NotFound
from shared.records import devices

State = Literal["starting", "idle", "busy", "draining", "quarantined", "stopped"]

ALIVE_S = 30.0
"""A device that has not reported for this long is not counted on."""

GPU_MEMORY_S = 600.0
"""For this long after a GPU was last seen, the CPU does not take over its work: it may only be restarting."""


@dataclass(frozen=True)
class Resident:
    """A model that a device holds in memory; bytes are an estimate."""

    model: str
    bytes: int


@dataclass(frozen=True)
class Report:
    """What a worker says about its device."""

    id: str
    host: str
    name: str
    title: str
    pool: str
    worker_id: str
    state: State
    memory_total: int
    memory_used: int
    resident: tuple[Resident, ...] = ()
    job_id: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Device:
    """A device as the site shows it. `alive`: it reported within the last half minute."""

    id: str
    host: str
    name: str
    title: str
    pool: str
    worker_id: str
    state: str
    note: str
    drain_requested: bool
    memory_total: int
    memory_used: int
    resident: tuple[Resident, ...]
    job_id: str | None
    started_at: datetime
    heartbeat_at: datetime
    alive: bool


def device_id(host: str, name: str) -> str:
    """The id of a device, and the name of its own pool: `host/cuda:0`."""
    return f"{host}/{name}"


def report(db: Database, now: Report) -> bool:
    """Write a device's row and heartbeat; True where it was asked to drain."""
    values: dict[str, Any] = asdict(now)
    row = insert(devices).values(values)
    changed = {name: row.excluded[name] for name in values if name != "id"} | {"heartbeat_at": func.now()}
    upsert = row.on_conflict_do_update(index_elements=["id"], set_=changed).returning(devices.c.drain_requested)
    with db.begin(durable=False) as connection:
        return bool(connection.execute(upsert).scalar_one())


def list_devices(db: Database) -> list[Device]:
    """Every device that ever reported and was not removed, by name."""
    alive = _heard(ALIVE_S) & (devices.c.state != "stopped")
    with db.begin() as connection:
        rows = connection.execute(select(*devices.c, alive.label("alive")).order_by(devices.c.id)).mappings()
        return [_device(row) for row in rows]


def get(db: Database, id_: str) -> Device:
    """The device with this id.

    Raises:
        NotFound: there is none.
    """
    found = [device for device in list_devices(db) if device.id == id_]
    if not found:
        raise NotFound("There is no such device.")
    return found[0]


def drain(db: Database, id_: str, *, wanted: bool = True) -> None:
    """Ask a device to take no new jobs, or to take them again.

    Raises:
        NotFound: there is no such device.
    """
    with db.begin() as connection:
        asked = update(devices).where(devices.c.id == id_).values(drain_requested=wanted)
        if connection.execute(asked).rowcount == 0:
            raise NotFound("There is no such device.")


def serving(pool: str) -> ColumnElement[bool]:
    """Condition: a device that is up, takes jobs, and takes those of this pool."""
    alive = _heard(ALIVE_S) & devices.c.state.in_(["idle", "busy"])
    if "/" in pool:
        return alive & (devices.c.id == pool)
    if pool != "accelerated":
        return alive & (devices.c.pool == ("cpu" if pool == "io" else pool))
    return alive & (devices.c.pool == case((_gpu_heard(), "gpu"), else_="cpu"))


def has_gpu(db: Database) -> bool:
    """Whether a GPU works for this installation, or did until a few minutes ago."""
    with db.begin() as connection:
        return bool(connection.execute(select(_gpu_heard())).scalar_one())


def forget(db: Database, *, silent_days: float = 7) -> int:
    """Remove devices that have been silent for days; returns how many."""
    old = devices.c.heartbeat_at < func.now() - _seconds(silent_days * 86400)
    with db.begin() as connection:
        return connection.execute(delete(devices).where(old)).rowcount


def _device(row: RowMapping) -> Device:
    resident: Sequence[dict[str, Any]] = row["resident"]
    return Device(**{**row, "resident": tuple(Resident(**each) for each in resident)})


def _heard(seconds: float, table: FromClause = devices) -> ColumnElement[bool]:
    return table.c.heartbeat_at > func.now() - _seconds(seconds)


def _gpu_heard() -> Exists:
    gpus = devices.alias("gpus")
    return exists().where(gpus.c.pool == "gpu", _heard(GPU_MEMORY_S, gpus))


def _seconds(seconds: float) -> ColumnElement[timedelta]:
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds)
