"""Choosing among several results of one request: duplicates go, the best by a score stay. Knows no model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image

T = TypeVar("T")

#: Of 255: pictures whose small copies differ by less than this on average are the same to a person.
_SAME_SHADE = 3.0
_SMALL = (32, 32)

#: Texts that share more of their word triples than this say the same.
_SAME_WORDS = 0.8


def choose(results: Sequence[T], scores: Sequence[float], keep: int, alike: Callable[[T, T], bool]) -> list[int]:
    """The places of the `keep` best results, in the order in which they were made; of those alike only the best.

    Where too few differ from each other, fewer are kept.
    """
    best_first = sorted(range(len(results)), key=lambda place: -scores[place])
    kept: list[int] = []
    for place in best_first:
        if len(kept) < keep and not any(alike(results[place], results[other]) for other in kept):
            kept.append(place)
    return sorted(kept)


def alike_pictures(one: Image.Image, other: Image.Image) -> bool:
    """Whether two pictures look the same."""
    first, second = (
        np.asarray(each.convert("RGB").resize(_SMALL, Image.Resampling.BOX), float) for each in (one, other)
    )
    return float(np.abs(first - second).mean()) < _SAME_SHADE


def alike_texts(one: str, other: str) -> bool:
    """Whether two texts say nearly the same in the same words."""
    first, second = _triples(one), _triples(other)
    return len(first & second) > _SAME_WORDS * len(first | second) if first | second else True


def sharpness(picture: Image.Image) -> float:
    """How much detail a picture shows: the mean square of the Laplacian of its brightness, as focus is measured."""
    grey = np.asarray(picture.convert("L"), np.float32)
    middle = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle
    return float(np.square(laplacian).mean())


def _triples(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[at : at + 3]) for at in range(max(1, len(words) - 2))} if words else set()
