"""From emoji to (caption, weight) pairs, and the recoloured pictures with their captions."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from starters.emoji.data import Emoji
from starters.emoji.heldout import COLOURED, STRUCK
from starters.emoji.wording import COLOURS, MORE, PLAIN, SENTENCES, with_article

RECOLOURED_GROUPS = frozenset({"Animals & Nature", "Food & Drink", "Travel & Places", "Objects", "Activities"})
NOT_RECOLOURED = frozenset({"time", "place-map", "hotel", "event", "money", "sound", "office", "av-symbol"})
MOST_SHARED = 4
"""A tag on more emoji than this says too little to be a caption of its own."""


@dataclass(frozen=True)
class Recolouring:
    """One emoji (by index) in another colour, and what to call the result."""

    emoji: int
    colour: str
    captions: tuple[str, ...]


def allowed(caption: str) -> bool:
    """Whether a caption has none of the words kept for the evaluation."""
    return not STRUCK.intersection(re.findall(r"[a-z]+", caption.lower()))


def plain_name(emoji: Emoji) -> str:
    """What people call the emoji: its label without the jargon of the chart."""
    name = PLAIN.get(emoji.label, emoji.label).replace("’", "'")
    if emoji.group == "Flags" and ": " in name:
        return "flag of " + name.split(": ", 1)[1]
    if emoji.group == "Flags":
        return name if "flag" in name.lower() else f"flag of {name}"
    return name.replace(": ", " ").replace(",", " and")


def sentences(name: str) -> list[str]:
    """The name alone and in every sentence."""
    return [s.format(a=with_article(name), x=name) for s in SENTENCES]


def captions_of(emoji: Emoji, shared: Counter[str], names: frozenset[str]) -> list[tuple[str, float]]:
    """All training captions of one emoji with their odds: name, further names, telling tags, pairs of tags."""
    name = plain_name(emoji)
    found = [(name, 3.0)] + [(s, 0.35) for s in sentences(name)]
    if emoji.label != name:
        found += [(emoji.label, 1.0), (with_article(emoji.label), 0.5)]
    for more in MORE.get(emoji.label, ()):
        found += [(more, 1.2), (with_article(more), 0.6), (SENTENCES[3].format(a=with_article(more)), 0.2)]
    for tag in emoji.tags:
        if tag not in names and len(tag) > 2 and shared[tag] <= MOST_SHARED:
            odds = 1.0 / shared[tag]
            found += [(tag, odds), (with_article(tag), odds / 2), (f"{tag} emoji", odds / 4)]
        if tag not in name.split():
            found.append((f"{tag} {name}", 0.25))
    found += [(f"{one} {other}", 0.12) for one in emoji.tags for other in emoji.tags if one != other][:24]
    return [(caption, odds) for caption, odds in found if allowed(caption)]


def all_captions(emoji: list[Emoji]) -> list[list[tuple[str, float]]]:
    """The captions of every emoji; a bare tag that is the name of another emoji is left to that one."""
    shared = Counter(tag for e in emoji for tag in set(e.tags))
    names = frozenset(plain_name(e).lower() for e in emoji) | frozenset(e.label.lower() for e in emoji)
    names |= frozenset(more for several in MORE.values() for more in several)
    found = [captions_of(e, shared, names) for e in emoji]
    return [several or [(plain_name(e), 1.0)] for e, several in zip(emoji, found, strict=True)]


def _thing(emoji: Emoji) -> str:
    words = plain_name(emoji).lower().split()
    if words[0] in COLOURS:
        words = words[1:]
    if words[-1:] == ["face"]:
        words = words[:-1]
    return " ".join(words)


def recolourings(emoji: list[Emoji]) -> list[Recolouring]:
    """Every short-named thing in every colour, without the pairs kept for the evaluation."""
    kept = set(COLOURED.values())
    found: list[Recolouring] = []
    for index, one in enumerate(emoji):
        thing = _thing(one)
        wanted = one.group in RECOLOURED_GROUPS and one.subgroup not in NOT_RECOLOURED
        if not wanted or len(thing.split()) > 2 or not thing:
            continue
        for colour in COLOURS:
            if any((colour, word) in kept for word in thing.split()):
                continue
            texts = (f"{colour} {thing}", with_article(f"{colour} {thing}"), f"a {thing} that is {colour}")
            texts = tuple(t for t in texts if allowed(t))
            if texts:
                found.append(Recolouring(index, colour, texts))
    return found


def recolour(picture: NDArray[np.uint8], colour: str) -> NDArray[np.uint8]:
    """Wash a picture [H, W, 3] in a colour: same light and dark, white paper stays white."""
    hue, saturation, light = COLOURS[colour]
    rgb = picture.astype(np.float32) / 255
    value = rgb.max(-1)
    chroma = value - rgb.min(-1)
    ink = np.clip(np.maximum(chroma * 6, (0.97 - value) * 12), 0, 1)[..., None]
    luma = 0.5 * value + 0.5 * (rgb @ np.array([0.35, 0.5, 0.15], np.float32))
    bright = np.clip(0.08 + 0.95 * luma * light, 0, 0.93 if colour == "white" else 1)[..., None]
    wheel = np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    pure = np.clip(wheel, 0, 1)
    strength = saturation * (1 - np.clip(luma[..., None] * 1.6 - 0.9, 0, 0.75))
    washed = bright * (1 - strength + strength * pure)
    return np.asarray((washed * ink + rgb * (1 - ink)) * 255, np.uint8)
