"""The installation's own secret, which signs sessions: made once, readable by its user only."""

import os
import secrets
from pathlib import Path

NAME = "secret.key"


def session_secret(home: Path) -> bytes:
    """The secret in this home, made at first use; every web process reads the same."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home / NAME
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    with os.fdopen(descriptor, "wb") as file:
        made = secrets.token_bytes(32)
        file.write(made)
    return made


def _read(path: Path) -> bytes:
    found = path.read_bytes()
    if len(found) < 32:
        # Another process is between making the file and writing it, or was cut off there.
        path.unlink(missing_ok=True)
        return session_secret(path.parent)
    return found
