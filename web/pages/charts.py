"""Curves as pictures that need no script: lines in an SVG, a chart for each figure, validation beside training."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.curves import Curve
from web.pages.wording import english_label, word

WIDTH, HEIGHT = 600, 200
DRAWN = 240
"""Points of a line that is drawn by the server: every few pixels."""

_VALIDATION = "validation_"


@dataclass(frozen=True)
class Line:
    """One curve: what it is called, where it goes, and the figures that a table tells of it."""

    label: str
    #: Which colour it has; the same on every chart of a page.
    colour: int
    points: str
    step: int
    last: float
    low: float
    high: float


@dataclass(frozen=True)
class Chart:
    """Lines over the same steps, and the bounds of both axes."""

    title: str
    lines: list[Line]
    low: float
    high: float
    last_step: int


def charts(curves: Mapping[str, Curve]) -> list[Chart]:
    """The charts of one training: a figure together with the same one of the validation, the loss first."""
    groups: dict[str, dict[str, Curve]] = {}
    for name in sorted(curves, key=_order):
        groups.setdefault(name.removeprefix(_VALIDATION), {})[name] = curves[name]
    return [
        _chart(name, {english_label(each): (each.startswith(_VALIDATION), curve) for each, curve in group.items()})
        for name, group in groups.items()
    ]


def compared(runs: Mapping[str, Mapping[str, Curve]]) -> list[Chart]:
    """The charts of several trainings, by their labels: one a figure, in which each training is a line."""
    names = sorted({name for curves in runs.values() for name in curves}, key=_order)
    return [
        _chart(name, {label: (place, run[name]) for place, (label, run) in enumerate(runs.items()) if name in run})
        for name in names
    ]


def _order(name: str) -> tuple[bool, bool, str]:
    figure = name.removeprefix(_VALIDATION)
    return figure != "loss", name.startswith(_VALIDATION), name


def _chart(name: str, lines: Mapping[str, tuple[int, Curve]]) -> Chart:
    every = [value for _, curve in lines.values() for _, value in curve]
    steps = [step for _, curve in lines.values() for step, _ in curve]
    low, high, first, last = min(every), max(every), min(steps), max(steps)
    return Chart(
        title=word(english_label(name)),
        lines=[
            Line(
                label=word(label),
                colour=int(colour),
                points=" ".join(_placed(step, value, (first, last), (low, high)) for step, value in curve),
                step=curve[-1][0],
                last=curve[-1][1],
                low=min(value for _, value in curve),
                high=max(value for _, value in curve),
            )
            for label, (colour, curve) in lines.items()
        ],
        low=low,
        high=high,
        last_step=last,
    )


def _placed(step: int, value: float, steps: tuple[int, int], values: Sequence[float]) -> str:
    across = (step - steps[0]) / ((steps[1] - steps[0]) or 1)
    # Halved, so that the span of the widest floats is a float as well.
    span = values[1] / 2 - values[0] / 2
    up = (value / 2 - values[0] / 2) / span if span and math.isfinite(span) else 0.5
    return f"{across * WIDTH:.1f},{(1 - up) * (HEIGHT - 8) + 4:.1f}"
