"""A workflow as a drawing: steps in columns by their longest way from the start, and a line for each need.

A line that passes a column gets a place of its own there, so that it crosses no step. All in pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shared.workflow import PlannedStep

WIDTH, HEIGHT = 184, 104
_ACROSS, _DOWN, _LANE, _EDGE = 52, 20, 14, 2
_ROUNDS = 4

Place = tuple[str, int]
"""A step in its column; or the lane of a line in a column that it passes, under the names at its two ends."""


@dataclass(frozen=True)
class Node:
    """The box of a step: its upper left corner."""

    name: str
    x: int
    y: int


@dataclass(frozen=True)
class Edge:
    """A line from a step to one that needs it, as the data of an SVG path."""

    start: str
    end: str
    path: str


@dataclass(frozen=True)
class Graph:
    """The whole drawing."""

    width: int
    height: int
    nodes: list[Node]
    edges: list[Edge]


def graph(steps: Sequence[PlannedStep]) -> Graph:
    """The drawing of these steps, each of which stands behind what it needs."""
    column: dict[str, int] = {}
    for step in steps:
        column[step.name] = max((column[need] + 1 for need in step.needs), default=0)
    ways = {(need, step.name): _way(need, step.name, column) for step in steps for need in step.needs}
    columns = _ordered(column, list(ways.values()))
    height = max(sum(_tall(place, column) + _DOWN for place in each) for each in columns) - _DOWN + 2 * _EDGE
    middle: dict[Place, int] = {}
    for each in columns:
        y = (height - sum(_tall(place, column) + _DOWN for place in each) + _DOWN) // 2
        for place in each:
            middle[place] = y + _tall(place, column) // 2
            y += _tall(place, column) + _DOWN
    nodes = [
        Node(name, _x(number), middle[name, number] - HEIGHT // 2) for name, number in ((n, column[n]) for n in column)
    ]
    edges = [Edge(*ends, _path(way, middle)) for ends, way in ways.items()]
    return Graph(_x(len(columns) - 1) + WIDTH + _EDGE, height, nodes, edges)


def _way(start: str, end: str, column: Mapping[str, int]) -> list[Place]:
    """The places of a line, column by column."""
    between = [(f"{start}\n{end}", number) for number in range(column[start] + 1, column[end])]
    return [(start, column[start]), *between, (end, column[end])]


def _ordered(column: Mapping[str, int], ways: Sequence[Sequence[Place]]) -> list[list[Place]]:
    """The places of each column from top to bottom: each near the middle of its neighbours, to and fro a few times."""
    columns: list[list[Place]] = [[] for _ in range(max(column.values()) + 1)]
    for place in dict.fromkeys([*column.items(), *(place for way in ways for place in way)]):
        columns[place[1]].append(place)
    links = [pair for way in ways for pair in pairwise(way)]
    before: dict[Place, list[Place]] = {}
    behind: dict[Place, list[Place]] = {}
    for one, other in links:
        before.setdefault(other, []).append(one)
        behind.setdefault(one, []).append(other)
    for number in range(_ROUNDS):
        forth = number % 2 == 0
        for each in columns if forth else reversed(columns):
            rank = {place: at for other in columns for at, place in enumerate(other)}
            near = before if forth else behind
            each.sort(key=lambda place: _mean([rank[other] for other in near.get(place, [place])]))
    return columns


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / len(numbers)


def _tall(place: Place, column: Mapping[str, int]) -> int:
    return HEIGHT if place[0] in column else _LANE


def _x(number: int) -> int:
    return _EDGE + number * (WIDTH + _ACROSS)


def _path(way: Sequence[Place], middle: Mapping[Place, int]) -> str:
    """From the right side of a box, through the lanes, to the left side of another."""
    drawn = f"M{_x(way[0][1]) + WIDTH} {middle[way[0]]}"
    for one, other in pairwise(way):
        start, end = _x(one[1]) + WIDTH, _x(other[1])
        half = (start + end) // 2
        drawn += f"C{half} {middle[one]} {half} {middle[other]} {end} {middle[other]}"
        if other is not way[-1]:
            drawn += f"H{end + WIDTH}"
    return drawn
