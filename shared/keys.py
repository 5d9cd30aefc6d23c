"""API keys: 256 random bits, shown once, kept only as a hash; scoped, revocable, bound to an owner.

A key is long and random, so one SHA-256 guards it as well as a slow hash would, and costs the hot path nothing.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from shared import owners
from shared.db import Database
from shared.errors import Forbidden, Invalid, NotFound, Unauthorized
from shared.ids import is_id, new_id
from shared.owners import Owner
from shared.records import keys
from shared.records import owners as owner_rows

Scope = Literal["jobs:read", "jobs:write", "models:write", "keys:write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
DEFAULT_SCOPES: tuple[Scope, ...] = ("jobs:read", "jobs:write")

MIN_SECRET = 16
"""Shortest key that may be fixed from outside, in characters."""


@dataclass(frozen=True)
class Key:
    """What is remembered of a key; the hint is its beginning, so that a person can tell keys apart."""

    id: str
    owner_id: str
    label: str
    hint: str
    scopes: tuple[str, ...]
    rate_per_minute: int | None
    created_at: datetime
    used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class NewKey:
    """A key just made: the only time its secret is known."""

    key: Key
    secret: str


@dataclass(frozen=True)
class Identity:
    """Who asks, and what the key allows."""

    owner: Owner
    key_id: str
    scopes: frozenset[str]
    rate_per_minute: int | None

    def may(self, scope: str) -> bool:
        """Whether the key has this scope; `admin` has all."""
        return scope in self.scopes or "admin" in self.scopes

    def require(self, scope: Scope) -> None:
        """Raises Forbidden unless the key has this scope."""
        if not self.may(scope):
            raise Forbidden(f"This key may not do that: it lacks the scope {scope!r}.", code="missing_scope")


def create(
    db: Database,
    owner_id: str,
    label: str,
    scopes: tuple[str, ...] = DEFAULT_SCOPES,
    *,
    secret: str | None = None,
    expires_at: datetime | None = None,
    rate_per_minute: int | None = None,
) -> NewKey:
    """Make a key for an owner. `secret` fixes it, for automation.

    Raises:
        Invalid: an unknown scope, or a fixed secret that is too short.
    """
    unknown = set(scopes) - set(SCOPES)
    if unknown:
        raise Invalid(f"Unknown scope {', '.join(sorted(unknown))}. Choose from {', '.join(SCOPES)}.", field="scopes")
    if secret is not None and len(secret) < MIN_SECRET:
        raise Invalid(f"A key needs at least {MIN_SECRET} characters.", code="weak_key", field="secret")
    secret = secret or f"atl_{secrets.token_urlsafe(32)}"
    row = {
        "id": new_id("key"),
        "owner_id": owner_id,
        "label": label,
        "hash": _hash(secret),
        "hint": secret[:8],
        "scopes": list(scopes),
        "expires_at": expires_at,
        "rate_per_minute": rate_per_minute,
    }
    with db.begin() as connection:
        made = connection.execute(insert(keys).values(row).returning(*_COLUMNS)).one()
    return NewKey(_key(made), secret)


def authenticate(db: Database, secret: str) -> Identity:
    """The owner and scopes behind a key.

    Raises:
        Unauthorized: unknown, revoked or expired; the answer does not say which.
    """
    return _use(db, keys.c.hash == _hash(secret))


def identify(db: Database, key_id: str) -> Identity:
    """The owner and scopes behind a session that was begun with this key.

    Raises:
        Unauthorized: the key is gone, revoked or expired.
    """
    return _use(db, keys.c.id == key_id)


def _use(db: Database, which: ColumnElement[bool]) -> Identity:
    valid = keys.c.revoked_at.is_(None) & ((keys.c.expires_at.is_(None)) | (keys.c.expires_at > func.now()))
    who = (owner_rows.c.id, owner_rows.c.name, owner_rows.c.weight, owner_rows.c.cap_running, owner_rows.c.cap_queued)
    found = (
        update(keys)
        .where(which, valid, owner_rows.c.id == keys.c.owner_id)
        .values(used_at=func.now())
        .returning(*who, keys.c.id.label("key_id"), keys.c.scopes, keys.c.rate_per_minute)
    )
    with db.begin(durable=False) as connection:
        row = connection.execute(found).one_or_none()
    if row is None:
        raise Unauthorized("This key is not valid. Check it, or make a new one.", code="invalid_key")
    owner = Owner(row.id, row.name, row.weight, row.cap_running, row.cap_queued)
    return Identity(owner, row.key_id, frozenset(row.scopes), row.rate_per_minute)


def revoke(db: Database, owner_id: str | None, key_id: str) -> Key:
    """End a key of this owner, or with None of anybody, for good.

    Raises:
        NotFound: there is no such key.
    """
    if is_id(key_id):
        mine = keys.c.id == key_id
        if owner_id is not None:
            mine &= keys.c.owner_id == owner_id
        ended = update(keys).where(mine).values(revoked_at=func.coalesce(keys.c.revoked_at, func.now()))
        with db.begin() as connection:
            row = connection.execute(ended.returning(*_COLUMNS)).one_or_none()
        if row is not None:
            return _key(row)
    raise NotFound("There is no such key.")


def list_keys(db: Database, owner_id: str) -> list[Key]:
    """The owner's keys, newest first, revoked ones too."""
    with db.begin() as connection:
        rows = connection.execute(select(*_COLUMNS).where(keys.c.owner_id == owner_id).order_by(keys.c.id.desc()))
        return [_key(row) for row in rows]


def ensure_admin(db: Database, secret: str | None, *, cap_queued: int = 100_000) -> NewKey | None:
    """Make sure that the installation's own owner has an admin key.

    With a `secret`, that very key is valid afterwards. Without one a key is made unless there is one already.

    Returns:
        The key if one was made now, else None.
    """
    owner = owners.ensure(db, "admin", cap_queued=cap_queued)
    usable = [key for key in list_keys(db, owner.id) if key.revoked_at is None and "admin" in key.scopes]
    if secret is None:
        return None if usable else create(db, owner.id, "made at first start", ("admin",))
    with db.begin() as connection:
        known = connection.execute(select(keys.c.id).where(keys.c.hash == _hash(secret))).first()
    return None if known else create(db, owner.id, "ATELIER_API_KEY", ("admin",), secret=secret)


_COLUMNS = tuple(keys.c[name] for name in Key.__dataclass_fields__)


def _key(row: Row[Any]) -> Key:
    return Key(**{**row._mapping, "scopes": tuple(row.scopes)})


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
