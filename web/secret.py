"""The installation's own secret, which signs sessions: made once, readable by its user only."""

import os
import secrets
import tempfile
from pathlib import Path

NAME = "secret.key"


def session_secret(home: Path) -> bytes:
    """The secret in this home, made at first use; every web process reads the same."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home / NAME
    if not path.exists():
        # Written whole under another name and then linked: whoever comes second finds the first one's.
        descriptor, new = tempfile.mkstemp(prefix=f".{NAME}-", dir=home)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
            os.link(new, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(new)
    return path.read_bytes()
