"""The kinds by what they make, so that fifteen of them still fit on a phone: a row of groups, and one of the chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared import kinds
from shared.kinds.params import Output, Params
from web.pages.translation import _

FLAT = 5
"""So many kinds stand in one row, without groups."""


@dataclass(frozen=True)
class Choice:
    """One kind."""

    name: str
    title: str
    icon: str


@dataclass(frozen=True)
class Group:
    """Kinds that make the same. `current`: the kind whose page it is is among them."""

    title: str
    icon: str
    kinds: Sequence[Choice]
    current: bool


def groups(kind: str) -> list[Group]:
    """Every kind in its group, the first one of each the one that its group leads to; one group where there are few."""
    everything = {name: kinds.params_class(name) for name in kinds.names()}
    if len(everything) <= FLAT:
        return [Group("", "", [_choice(name, each) for name, each in everything.items()], current=True)]
    found = []
    for title, icon, outputs in _groups():
        fitting = [name for name, each in everything.items() if each.output in outputs]
        # What generates comes before what works on something that is there already, and texts before programs.
        fitting.sort(key=lambda name: (not name.startswith("generate_"), outputs.index(everything[name].output)))
        own = [_choice(name, everything[name]) for name in fitting]
        if own:
            found.append(Group(title, icon, own, current=kind in fitting))
    return found


def _groups() -> list[tuple[str, str, tuple[Output, ...]]]:
    return [
        (_("Text"), "pencil", ("text", "code")),
        (_("Image"), "images", ("image",)),
        (_("Sound"), "audio-lines", ("audio",)),
        (_("Video"), "play", ("video",)),
        (_("Data"), "list-checks", ("data",)),
        (_("Models"), "box", ("model",)),
    ]


def _choice(name: str, declared: type[Params]) -> Choice:
    return Choice(name, declared.title, declared.icon)
