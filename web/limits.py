"""How often a key, or an address without one, may ask: counted in this process, so it holds while Redis is away."""

import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from shared.errors import TooMany

TRIES_PER_MINUTE = 60
"""Wrong keys from one address before it has to wait."""


class Limits:
    """Counts requests by minute."""

    def __init__(self, per_minute: int) -> None:
        self._counter = FixedWindowRateLimiter(MemoryStorage())
        self._per_minute = per_minute
        self._items: dict[int, RateLimitItemPerMinute] = {}

    def spend(self, key_id: str, per_minute: int | None = None) -> None:
        """Count one request of a key.

        Raises:
            TooMany: it has had its share of this minute.
        """
        self._spend("key", key_id, per_minute or self._per_minute)

    def spend_try(self, address: str) -> None:
        """Count one wrong key from an address.

        Raises:
            TooMany: it has tried too often in this minute.
        """
        self._spend("address", address, TRIES_PER_MINUTE)

    def _spend(self, what: str, who: str, per_minute: int) -> None:
        item = self._items.setdefault(per_minute, RateLimitItemPerMinute(per_minute))
        if not self._counter.hit(item, what, who):
            until = self._counter.get_window_stats(item, what, who).reset_time
            raise TooMany(
                f"At most {per_minute} requests a minute are allowed here. Wait a moment.",
                code="rate_limited",
                retry_after=max(1.0, until - time.time()),
            )
