"""Whose jobs: an owner has keys, jobs, a weight in the fair claim, and caps."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from shared.db import Database
from shared.errors import NotFound
from shared.ids import new_id
from shared.records import owners


@dataclass(frozen=True)
class Owner:
    """Somebody who submits jobs. Caps bound the jobs that run and that wait at one time."""

    id: str
    name: str
    weight: float
    cap_running: int
    cap_queued: int


_COLUMNS = (owners.c.id, owners.c.name, owners.c.weight, owners.c.cap_running, owners.c.cap_queued)


def ensure(db: Database, name: str, *, weight: float = 1, cap_running: int = 1000, cap_queued: int = 100_000) -> Owner:
    """The owner of this name, made if new; an existing owner's caps stay as they are."""
    row = {"id": new_id("own"), "name": name, "weight": weight, "cap_running": cap_running, "cap_queued": cap_queued}
    with db.begin() as connection:
        connection.execute(insert(owners).values(row).on_conflict_do_nothing(index_elements=["name"]))
        found = connection.execute(select(*_COLUMNS).where(owners.c.name == name)).one()
    return Owner(**found._mapping)


def named(db: Database, name: str) -> Owner:
    """The owner of this name.

    Raises:
        NotFound: there is none.
    """
    with db.begin() as connection:
        row = connection.execute(select(*_COLUMNS).where(owners.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(f"There is no owner {name!r}.")
    return Owner(**row._mapping)


def get(db: Database, owner_id: str) -> Owner:
    """The owner with this id.

    Raises:
        NotFound: there is none.
    """
    with db.begin() as connection:
        row = connection.execute(select(*_COLUMNS).where(owners.c.id == owner_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such owner.")
    return Owner(**row._mapping)
