"""Who asks, by key, remembered for a second: the hot path asks the database once a second and not once a request.

A revoked key therefore stops working within a second.
"""

import threading
import time
from collections.abc import Callable

from shared import keys
from shared.db import Database
from shared.keys import Identity

REMEMBER_S = 1.0
_MOST = 10_000


class Identities:
    """A short memory of valid keys, per process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[str, tuple[float, Identity]] = {}
        self._lock = threading.Lock()

    def by_secret(self, secret: str) -> Identity:
        """Who holds this key.

        Raises:
            Unauthorized: nobody does.
        """
        return self._remembered(f"secret {secret}", lambda: keys.authenticate(self._db, secret))

    def by_key_id(self, key_id: str) -> Identity:
        """Whose session it is that was begun with this key.

        Raises:
            Unauthorized: the key is not valid any more.
        """
        return self._remembered(f"id {key_id}", lambda: keys.identify(self._db, key_id))

    def _remembered(self, name: str, look_up: Callable[[], Identity]) -> Identity:
        now = time.monotonic()
        known = self._known.get(name)
        if known is not None and now - known[0] < REMEMBER_S:
            return known[1]
        identity = look_up()
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[name] = (now, identity)
        return identity
