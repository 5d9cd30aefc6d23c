"""Keys: shown once, kept as a hash, scoped, revocable."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from shared import keys
from shared.db import Database
from shared.errors import Forbidden, Invalid, NotFound, Unauthorized
from shared.owners import Owner


def test_a_key_opens_what_its_scopes_say(db: Database, owner: Owner) -> None:
    made = keys.create(db, owner.id, "phone", ("jobs:read",))
    identity = keys.authenticate(db, made.secret)
    assert identity.owner.id == owner.id
    identity.require("jobs:read")
    with pytest.raises(Forbidden):
        identity.require("jobs:write")


def test_the_database_never_holds_a_key(db: Database, owner: Owner) -> None:
    secret = keys.create(db, owner.id, "laptop").secret
    with db.begin() as connection:
        rows = connection.execute(text("select keys::text from keys")).scalars().all()
    assert rows
    assert not any(secret in row for row in rows)


@pytest.mark.parametrize("wrong", ["", "atl_nope", "x" * 10_000, "\ud800", "atl_\x00"])
def test_an_unknown_key_opens_nothing(db: Database, owner: Owner, wrong: str) -> None:
    with pytest.raises(Unauthorized):
        keys.authenticate(db, wrong)


def test_a_revoked_or_expired_key_opens_nothing(db: Database, owner: Owner) -> None:
    revoked = keys.create(db, owner.id, "old")
    keys.revoke(db, owner.id, revoked.key.id)
    expired = keys.create(db, owner.id, "short", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    for each in (revoked, expired):
        with pytest.raises(Unauthorized):
            keys.authenticate(db, each.secret)


def test_only_its_owner_can_revoke_a_key(db: Database, owner: Owner, stranger: Owner) -> None:
    made = keys.create(db, owner.id, "mine")
    with pytest.raises(NotFound):
        keys.revoke(db, stranger.id, made.key.id)
    assert keys.authenticate(db, made.secret).owner.id == owner.id


def test_the_first_start_makes_one_admin_key_and_a_fixed_key_is_kept(db: Database) -> None:
    first = keys.ensure_admin(db, None)
    assert first is not None
    assert keys.ensure_admin(db, None) is None
    fixed = keys.ensure_admin(db, "a-fixed-key-for-automation")
    assert fixed is not None
    assert keys.ensure_admin(db, "a-fixed-key-for-automation") is None
    assert keys.authenticate(db, "a-fixed-key-for-automation").owner == keys.authenticate(db, first.secret).owner


def test_bad_scopes_and_weak_secrets_are_refused(db: Database, owner: Owner) -> None:
    with pytest.raises(Invalid, match="Unknown scope"):
        keys.create(db, owner.id, "x", ("root",))
    with pytest.raises(Invalid, match="at least"):
        keys.create(db, owner.id, "x", secret="short")
