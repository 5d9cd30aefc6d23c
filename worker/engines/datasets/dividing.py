"""Rows divided into train, validation and test: by their own word, or by lot with a seed.

What is near the same (the same question, the same picture) is never drawn into two splits: that would let a model be
tested on what it learned.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from shared.dataset import SPLITS, Split

_NAMES: dict[str, Split] = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "eval": "validation", "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Shares:
    """How much of the rows is held out, as fractions of all."""

    validation: float = 0.1
    test: float = 0.0


def named_split(name: object) -> Split | None:
    """The split that somebody's word stands for."""
    return _NAMES.get(name.strip().lower()) if isinstance(name, str) else None


def divide(groups: Sequence[bytes], labels: Sequence[str], shares: Shares, seed: int) -> list[Split]:
    """A split for every row, each label held out by the same shares.

    Args:
        groups: one key a row; rows with the same key get the same split.
        labels: one a row, or the same for all.
        shares: at least one row stays to learn from; a share that is not 0 holds out one row at least of three or more.
    """
    members: dict[bytes, list[int]] = defaultdict(list)
    for index, key in enumerate(groups):
        members[key].append(index)
    strata: dict[str, list[bytes]] = defaultdict(list)
    for key, rows in members.items():
        strata[labels[rows[0]]].append(key)
    splits: list[Split] = ["train"] * len(groups)
    wanted = {"test": shares.test, "validation": shares.validation}
    owed = dict.fromkeys(wanted, 0.0)
    for label in sorted(strata):
        keys = sorted(strata[label], key=lambda key: _lot(key, seed))
        left = len(keys)
        for split in SPLITS[:0:-1]:
            # What rounding left undone for one label is made up for with the next.
            owed[split] += wanted[split] * len(keys)
            count = min(int(owed[split] + 1e-9), left - 1)
            owed[split] -= count
            for key in keys[len(keys) - left : len(keys) - left + count]:
                for index in members[key]:
                    splits[index] = split
            left -= count
    _at_least_one(splits, members, wanted, seed)
    return splits


def _at_least_one(splits: list[Split], members: dict[bytes, list[int]], wanted: dict[str, float], seed: int) -> None:
    """A small set, or one of many small labels, may have rounded to nothing."""
    for split in SPLITS[1:]:
        if wanted[split] and split not in splits and len(members) >= 3:
            free = [key for key, rows in members.items() if splits[rows[0]] == "train"]
            if len(free) > 1:
                for index in members[min(free, key=lambda key: _lot(key, seed))]:
                    splits[index] = split


def _lot(key: bytes, seed: int) -> bytes:
    return hashlib.blake2b(key, digest_size=12, key=seed.to_bytes(8, "little")).digest()
