"""A device's memory as a bar: a stretch for each model that it holds, one for all else in use, the rest free."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.devices import Device
from web.pages.translation import _
from web.pages.wording import size

SHADES = 5
"""Shades of ink that a stretch may have; further models begin anew."""

_LEAST = 0.005
"""Other use below this part of the memory is not told apart from nothing."""


@dataclass(frozen=True)
class Stretch:
    """One stretch of the bar, in thousandths of the memory, and its line in the legend."""

    title: str
    amount: str
    at: int
    width: int
    shade: str
    mine: bool


def stretches(device: Device, names: Mapping[str, str]) -> list[Stretch]:
    """What is in a device's memory. `names` are those of the reader's models by key; no other model is named."""
    if device.memory_total <= 0:
        return []
    found: list[Stretch] = []
    at = held = 0
    for number, each in enumerate(device.resident):
        width = _width(each.bytes, device.memory_total, at)
        title = names.get(each.model) or _("A model that is not in your library")
        shade = f"shade-{number % SHADES}"
        found.append(Stretch(title, size(each.bytes), at, width, shade, mine=each.model in names))
        at, held = at + width, held + each.bytes
    other = device.memory_used - held
    if other > device.memory_total * _LEAST:
        width = _width(other, device.memory_total, at)
        found.append(Stretch(_("Other"), size(other), at, width, "shade-other", mine=False))
    return found


def _width(amount: int, total: int, at: int) -> int:
    """At least a hair, so that what is there is seen; never over the end."""
    return max(0, min(1000 - at, max(4, round(1000 * amount / total))))
