"""The key of whoever runs the installation: made at first start, kept in the home folder, used by this command."""

import os

from cli.home import Home
from shared import keys, owners
from shared.db import Database
from shared.errors import Conflict, Unauthorized
from shared.settings import Settings


def ensure_key(db: Database, settings: Settings, home: Home) -> str:
    """A key that opens the installation: the fixed one, the one kept in the home folder, or one made now.

    Raises:
        Conflict: ATELIER_API_KEY names a key that was revoked or has expired.
        Invalid: ATELIER_API_KEY is too short.
    """
    if settings.api_key:
        keys.ensure_admin(db, settings.api_key, cap_queued=settings.queued_cap)
        if not _opens(db, settings.api_key):
            raise Conflict("The key in ATELIER_API_KEY was revoked or has expired. Choose another one.")
        return settings.api_key
    kept = kept_key(home)
    if kept and _opens(db, kept):
        return kept
    made = keys.ensure_admin(db, None, cap_queued=settings.queued_cap)
    if made is None:  # there are keys, but nobody kept one here
        made = keys.create(db, owners.ensure(db, "admin").id, "made at a start", ("admin",))
    keep_key(home, made.secret)
    return made.secret


def kept_key(home: Home) -> str | None:
    """The key in the home folder, if there is one."""
    try:
        return home.owner_key.read_text().strip() or None
    except FileNotFoundError:
        return None


def keep_key(home: Home, secret: str) -> None:
    """Write the key down for its owner alone."""
    descriptor = os.open(home.owner_key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")


def _opens(db: Database, secret: str) -> bool:
    try:
        return "admin" in keys.authenticate(db, secret).scopes
    except Unauthorized:
        return False
