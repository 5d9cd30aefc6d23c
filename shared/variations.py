"""One template, some of its fields varied: every combination of the values (product), or the first values of all
fields, then the second, and so on (zip)."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_core import to_json

from shared.errors import FieldError, Invalid
from shared.sources import MAX_ITEMS, Item, digest, too_many

Mode = Literal["product", "zip"]

MAX_KEPT = 64 << 10
"""Bytes of values that are kept with the batch, to label its grid. More are in the jobs' params alone."""


@dataclass(frozen=True)
class Varied:
    """Params with lists of values for some fields. In a product the last field changes fastest.

    Raises:
        Invalid: nothing is varied, a field has no values, a zip has unequal lists, or there are too many combinations.
    """

    params: Mapping[str, Any]
    vary: Mapping[str, Sequence[Any]]
    mode: Mode = "product"
    strict: bool = True

    def __post_init__(self) -> None:
        if not self.vary:
            raise Invalid("Name at least one field to vary, with its values.", code="empty_batch", field="vary")
        for name, values in self.vary.items():
            if not values:
                raise Invalid("Needs at least one value.", code="empty_batch", field=f"vary.{name}")
        lengths = [len(values) for values in self.vary.values()]
        if self.mode == "zip" and len(set(lengths)) > 1:
            told = ", ".join(f"{name} has {len(values)}" for name, values in self.vary.items())
            raise Invalid(f"With zip every field needs as many values: {told}.", code="unequal_lengths", field="vary")
        if (math.prod(lengths) if self.mode == "product" else lengths[0]) > MAX_ITEMS:
            raise too_many("vary")

    @property
    def asked(self) -> dict[str, Any]:
        """The template and the values, or only how many where they are very long.

        The order of the fields is told apart: JSONB keeps none.
        """
        asked: dict[str, Any] = {"mode": self.mode, "params": dict(self.params), "order": list(self.vary)}
        asked["fields"] = {name: len(values) for name, values in self.vary.items()}
        vary = {name: list(values) for name, values in self.vary.items()}
        return asked | ({"vary": vary} if len(to_json(vary)) <= MAX_KEPT else {})

    def __iter__(self) -> Iterator[Item]:
        """Each combination in turn."""
        lists = self.vary.values()
        combined = zip(*lists, strict=True) if self.mode == "zip" else itertools.product(*lists)
        for number, values in enumerate(combined, 1):
            yield Item(number, {**self.params, **dict(zip(self.vary, values, strict=True))})

    def complain(self, item: Item, error: FieldError) -> FieldError:
        """By the field and the value, which is the same for every combination that has it."""
        name = error["field"].split(".")[0]
        if name in self.vary:
            return {"field": f"vary.{error['field']}", "message": f"{_shown(item.params[name])}: {error['message']}"}
        if name:
            return error
        values = ", ".join(f"{name}={_shown(item.params[name])}" for name in self.vary)
        return {"field": "", "message": f"{values}: {error['message']}"}

    def fingerprint(self) -> str:
        """Over all of it."""
        return digest([self.mode, self.params, list(self.vary.items())])


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else to_json(value, inf_nan_mode="constants").decode()
    return text if len(text) <= 60 else text[:59] + "…"
