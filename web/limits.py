"""How often a key, or an address without one, may ask. Counted in this process, so it holds while Redis is away.

A token bucket: a minute's worth may come at once, and fills up again evenly. With several web processes each counts
for itself.
"""

import threading
import time

from shared.errors import TooMany

TRIES_PER_MINUTE = 60
"""Wrong keys from one address before it has to wait."""

_MOST = 100_000


class Limits:
    """Counts requests by who makes them."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def spend(self, key_id: str, per_minute: int | None = None) -> tuple[int, int]:
        """Count one request of a key.

        Returns:
            What it may ask in a minute, and how much of that is left.

        Raises:
            TooMany: it has had its share of this minute.
        """
        allowed = per_minute or self._per_minute
        return allowed, self._spend(key_id, allowed)

    def spend_try(self, address: str) -> None:
        """Count one wrong key from an address.

        Raises:
            TooMany: it has tried too often.
        """
        self._spend(f"address {address}", TRIES_PER_MINUTE)

    def _spend(self, who: str, per_minute: int) -> int:
        now = time.monotonic()
        with self._lock:
            tokens, then = self._buckets.get(who, (float(per_minute), now))
            tokens = min(per_minute, tokens + (now - then) * per_minute / 60)
            if tokens >= 1:
                if len(self._buckets) >= _MOST:
                    self._buckets.clear()
                self._buckets[who] = (tokens - 1, now)
                return int(tokens - 1)
        raise TooMany(
            f"At most {per_minute} requests a minute are allowed here. Wait a moment.",
            code="rate_limited",
            retry_after=(1 - tokens) * 60 / per_minute,
        )
