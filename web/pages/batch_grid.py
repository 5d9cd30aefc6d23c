"""The grid of a batch that varies its settings as a product: its axes, and which numbers stand on which page.

Knows no job: a number is all that a cell is here.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared import kinds
from shared.batch import Batch
from shared.errors import NotFound
from web.pages.translation import _

MOST = 200
"""Cells of one page."""

WIDE = 10
"""Columns of one page."""


@dataclass(frozen=True)
class Axis:
    """A field that is varied: its title, its values in words, and how far apart in number two neighbours are."""

    title: str
    values: list[str]
    stride: int


@dataclass(frozen=True)
class Line:
    """A row of cells with the value that they have in common."""

    label: str
    numbers: list[int]


@dataclass(frozen=True)
class Section:
    """A rectangle of cells; its title says the values of the fields that are on neither axis."""

    title: str
    columns: list[str]
    lines: list[Line]

    @property
    def numbers(self) -> list[int]:
        """Of all cells."""
        return [number for line in self.lines for number in line.numbers]


@dataclass(frozen=True)
class Grid:
    """Rows and columns, a section for each combination of the other fields. One field alone has no rows."""

    rows: Axis | None
    columns: Axis
    rest: list[Axis]

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return math.ceil(self._sections * len(self._blocks) / self._on_page)

    def page(self, number: int) -> list[Section]:
        """The sections, or the piece of one, of a page; from 1."""
        blocks = self._blocks
        first = (number - 1) * self._on_page
        last = min(first + self._on_page, self._sections * len(blocks))
        return [self._section(each // len(blocks), *blocks[each % len(blocks)]) for each in range(first, last)]

    @property
    def _height(self) -> int:
        return len(self.rows.values) if self.rows else 1

    @property
    def _sections(self) -> int:
        return math.prod(len(axis.values) for axis in self.rest)

    @property
    def _on_page(self) -> int:
        """Sections of one page, where a section fits on it."""
        return max(1, MOST // (self._height * len(self.columns.values))) if len(self._blocks) == 1 else 1

    @property
    def _blocks(self) -> list[tuple[range, range]]:
        """A section in pieces that fit on a page: rows and columns."""
        columns = _pieces(len(self.columns.values), WIDE if self.rows else MOST)
        rows = _pieces(self._height, MOST // len(columns[0]))
        return [(each, across) for each in rows for across in columns]

    def _section(self, which: int, rows: range, columns: range) -> Section:
        base = 1
        said: list[str] = []
        for axis in reversed(self.rest):
            which, at = divmod(which, len(axis.values))
            base += at * axis.stride
            said.insert(0, _("%(name)s: %(value)s", name=axis.title, value=axis.values[at]))
        lines = [
            Line(
                self.rows.values[row] if self.rows else "",
                [base + row * (self.rows.stride if self.rows else 0) + at * self.columns.stride for at in columns],
            )
            for row in rows
        ]
        return Section(" · ".join(said), [self.columns.values[at] for at in columns], lines)


def grid_of(batch: Batch) -> Grid | None:
    """The grid of a batch; None for one that is a list, a file or a zip, or whose values were too long to keep."""
    asked = batch.asked
    vary, order = asked.get("vary"), asked.get("order")
    if asked.get("mode") != "product" or not vary or not order:
        return None
    axes = _axes(batch.kind, vary, order)
    if len(axes) == 1:
        return Grid(None, axes[0], [])
    rows, columns = axes[0], axes[1]
    # What is long goes down the page and not across it.
    if len(columns.values) > WIDE and len(rows.values) < len(columns.values):
        rows, columns = columns, rows
    return Grid(rows, columns, axes[2:])


def titles(kind: str) -> dict[str, str]:
    """What the fields of a kind are called; nothing, of one that this installation knows no more."""
    try:
        properties = kinds.schema(kind)["properties"]
    except NotFound:
        return {}
    return {name: str(prop.get("title", name)) for name, prop in properties.items()}


def shown(value: Any) -> str:
    """A value of a field as a reader sees it."""
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)


def _axes(kind: str, vary: Mapping[str, Sequence[Any]], order: Sequence[str]) -> list[Axis]:
    names, stride = titles(kind), 1
    found: list[Axis] = []
    for name in reversed(order):
        found.insert(0, Axis(_(names.get(name, name)), [shown(value) for value in vary[name]], stride))
        stride *= len(vary[name])
    return found


def _pieces(length: int, most: int) -> list[range]:
    """So many, in as few pieces of about equal length as can be."""
    size = math.ceil(length / math.ceil(length / most))
    return [range(start, min(start + size, length)) for start in range(0, length, size)]
