"""Opaque ids that sort by the time of their making: a prefix and a ULID (https://github.com/ulid/spec)."""

import re
from datetime import datetime
from typing import Literal

from ulid import ULID

Prefix = Literal["job", "art", "own", "key", "mdl", "wkr", "bat", "sch", "upl"]

_SHAPE = re.compile(r"[a-z]{3}_[0-9a-z]{26}\Z")


def new_id(prefix: Prefix) -> str:
    """A fresh id such as `job_01k3…`: 48 bits of milliseconds, 80 random bits."""
    return f"{prefix}_{ULID()}".lower()


def first_id(prefix: Prefix, moment: datetime) -> str:
    """What sorts before every id made at this moment or later, and after those made earlier."""
    milliseconds = max(0, round(moment.timestamp() * 1000))
    return f"{prefix}_{ULID(milliseconds.to_bytes(6, 'big') + bytes(10))}".lower()


def is_id(text: str) -> bool:
    """Whether `text` has the shape of an id at all; anything else need not be looked up."""
    return _SHAPE.match(text) is not None
