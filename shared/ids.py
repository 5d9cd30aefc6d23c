"""Opaque ids that sort by the time of their making: a prefix and a ULID (https://github.com/ulid/spec)."""

import re
import secrets
from datetime import datetime
from typing import Literal

from ulid import ULID

Prefix = Literal["job", "art", "own", "key", "mdl", "wkr", "bat", "sch", "wfl", "upl", "dst"]

_SHAPE = re.compile(r"[a-z]{3}_[0-9a-z]{26}\Z")


def new_id(prefix: Prefix) -> str:
    """A fresh id such as `job_01k3…`: 48 bits of milliseconds, 80 random bits."""
    return f"{prefix}_{ULID()}".lower()


def new_ids(prefix: Prefix, count: int, behind: str = "") -> list[str]:
    """So many fresh ids in ascending order, all of which sort behind `behind`: another machine's clock may be ahead."""
    made = sorted(new_id(prefix) for _ in range(count))
    if not made or made[0] > behind:
        return made
    later = ULID.from_str(behind.partition("_")[2].upper()).bytes[:6]
    moment = (int.from_bytes(later) + 1).to_bytes(6)
    return sorted(f"{prefix}_{ULID(moment + secrets.token_bytes(10))}".lower() for _ in range(count))


def first_id(prefix: Prefix, moment: datetime) -> str:
    """What sorts before every id made at this moment or later, and after those made earlier."""
    milliseconds = max(0, round(moment.timestamp() * 1000))
    return f"{prefix}_{ULID(milliseconds.to_bytes(6, 'big') + bytes(10))}".lower()


def is_id(text: str) -> bool:
    """Whether `text` has the shape of an id at all; anything else need not be looked up."""
    return _SHAPE.match(text) is not None
