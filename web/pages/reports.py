"""What came of a training, for people: how it ended, and figures and texts of before and after.

Read from the report that the training saved; one that cannot be read is left out, and the file is still there.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import NotFound, Unavailable
from shared.job import Artifact
from web.pages.translation import _, plural
from web.site import site

NAME = "report.json"
_LONGEST = 1 << 20
#: Pairs of texts, and labels, that a page shows; the file has all.
_PAIRS, _LABELS = 6, 30


@dataclass(frozen=True)
class Figure:
    """One figure of the evaluation; models are compared by the one that `counts`. `better` is None if it is neither.

    `rival` is that of the version that stood for the name when the training ended.
    """

    name: str
    before: float | None
    after: float | None
    rival: float | None
    counts: bool
    better: bool | None


@dataclass(frozen=True)
class Pair:
    """What was asked of the model, and what it wrote before and after; `expected` is what the data says."""

    prompt: str
    before: str
    after: str
    expected: str


@dataclass(frozen=True)
class Label:
    """How well one label is told."""

    name: str
    precision: float
    recall: float
    f1: float
    rows: int


@dataclass(frozen=True)
class Report:
    """What came of it."""

    sentence: str
    #: Whether it was judged on rows that it did not learn from.
    held_out: bool
    figures: list[Figure]
    #: The number of the version beside which the new one was judged, if there was one.
    rival: int | None
    #: The regression set, if there was one.
    regression: str | None
    pairs: list[Pair]
    labels: list[Label]


def report(files: Sequence[Artifact], *, steps_asked: bool = False) -> Report | None:
    """The report among a training's files; `steps_asked` says that its steps were, and not its epochs."""
    found = [each for each in files if each.role == "output" and each.name == NAME and each.size <= _LONGEST]
    if not found:
        return None
    try:
        told = json.loads(b"".join(site().storage.stream(found[-1].key)))
        held_out = told.get("judged_on") != "train"
        rival = int(told["rival"]["number"]) if told.get("rival") else None
        return Report(
            _sentence(told, steps_asked), held_out, _figures(told), rival, told.get("regression"), _pairs(told),
            _labels(told),
        )  # fmt: skip
    except (NotFound, Unavailable, ValueError, KeyError, TypeError, AttributeError):
        return None


def _sentence(told: dict[str, Any], steps_asked: bool) -> str:
    """How it ended."""
    number, epochs = told["steps"], round(float(told["epochs"]), 2)
    steps = plural("%(num)s step", "%(num)s steps", number)
    ends = {
        "finished": _("It learned for %(steps)s, %(epochs)s epochs.", steps=steps, epochs=epochs),
        "early": _("It stopped early after %(steps)s, since nothing got better any more.", steps=steps),
        "kept": _("It was stopped after %(steps)s, and what it had learned was kept.", steps=steps),
        "budget": _("Its time was over after %(steps)s, %(epochs)s epochs.", steps=steps, epochs=epochs),
        "broken": _("It broke after %(steps)s; its last good weights are kept.", steps=steps),
    }
    if steps_asked:
        ends["finished"] = _(
            "It learned for the %(steps)s that were asked for: %(epochs)s epochs.", steps=steps, epochs=epochs
        )
    best = told.get("best_step")
    if best is None or best == number:
        return str(ends[told["ending"]])
    return f"{ends[told['ending']]} {_('The best model was that of step %(step)s, and is the result.', step=best)}"


def _figures(told: dict[str, Any]) -> list[Figure]:
    before, after, rival = told["before"], told["after"], (told.get("rival") or {}).get("figures", {})
    counting = [told.get("judged_by"), told.get("watched")]
    names = sorted(dict.fromkeys([*before, *after]), key=lambda name: name not in counting)
    less = bool(told.get("less_is_better", True))
    return [
        _figure(name, before.get(name), after.get(name), rival.get(name), counts=name in counting, less=less)
        for name in names
    ]


def _figure(
    name: str, before: float | None, after: float | None, rival: float | None, *, counts: bool, less: bool
) -> Figure:
    if not counts or before is None or after is None or before == after:
        return Figure(name, before, after, rival, counts, None)
    return Figure(name, before, after, rival, counts, (after < before) == less)


def _pairs(told: dict[str, Any]) -> list[Pair]:
    return [
        Pair(str(each["prompt"]), str(each["before"]), str(each["after"]), str(each.get("expected") or ""))
        for each in told.get("samples", [])[:_PAIRS]
    ]


def _labels(told: dict[str, Any]) -> list[Label]:
    return [Label(name, **each) for name, each in list(told.get("per_label", {}).items())[:_LABELS]]
