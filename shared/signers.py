"""The root certificates under which the workers of this installation sign. Their private keys stay where they are."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from shared.db import Database
from shared.records import signers
from shared.signing import SigningKey


def register(db: Database, key: SigningKey) -> None:
    """Note a root; once is enough."""
    row = insert(signers).values(fingerprint=key.fingerprint, certificate=key.root.decode())
    with db.begin() as connection:
        connection.execute(row.on_conflict_do_nothing())


def roots(db: Database) -> list[bytes]:
    """Every root, oldest first, as PEM."""
    with db.begin() as connection:
        found = connection.execute(select(signers.c.certificate).order_by(signers.c.created_at)).scalars()
        return [certificate.encode() for certificate in found]
