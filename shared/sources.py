"""Where the params of a batch come from: one after the other, and again from the start as often as asked.

Here what all sources have in common, and the simplest: a list. See also `shared.variations` and `shared.batch_files`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shared.errors import FieldError, Invalid

MAX_ITEMS = 50_000
"""Jobs of one batch."""


@dataclass(frozen=True)
class Item:
    """The params of one job, at its line or number in the source; or what is wrong where they should be."""

    number: int
    params: Mapping[str, Any]
    wrong: FieldError | None = None


class Source(Protocol):
    """Something that gives the params of each job of a batch, however many, holding one at a time."""

    @property
    def strict(self) -> bool:
        """Whether values have their types already, and are not text that stands for them."""

    @property
    def asked(self) -> dict[str, Any]:
        """What was asked for, in short: it is kept with the batch."""

    def __iter__(self) -> Iterator[Item]:
        """From the start.

        Raises:
            Invalid: it cannot be read as a whole.
        """

    def complain(self, item: Item, error: FieldError) -> FieldError:
        """A wrong field of an item, named as whoever wrote the source would look for it."""

    def fingerprint(self) -> str:
        """The same for the same request only."""


@dataclass(frozen=True)
class Listed:
    """A list of params, each laid over what they have in common."""

    params: Mapping[str, Any]
    items: Sequence[Mapping[str, Any]]
    strict: bool = True

    @property
    def asked(self) -> dict[str, Any]:
        """The common params, and how many."""
        return {"mode": "list", "params": dict(self.params), "items": len(self.items)}

    def __iter__(self) -> Iterator[Item]:
        """Each in turn."""
        for number, params in enumerate(self.items, 1):
            yield Item(number, {**self.params, **params})

    def complain(self, item: Item, error: FieldError) -> FieldError:
        """By its place in the request's body, as every wrong field of a body is named."""
        return {**error, "field": f"items.{item.number - 1}.{error['field']}".rstrip(".")}

    def fingerprint(self) -> str:
        """Over all of it."""
        return digest(["list", self.params, self.items])


def too_many(field: str) -> Invalid:
    """What is said of a batch that is too large."""
    return Invalid(f"A batch may have {MAX_ITEMS:,} jobs at most. Split it.", code="too_many_items", field=field)


def digest(request: Any) -> str:
    """A hash of what was read from JSON."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
