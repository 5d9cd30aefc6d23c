"""VADER's ground truth: sentences with the mean of twenty people's ratings, from -4 to 4.

The sentences are other people's reviews, articles and tweets: read for training and testing, never stored here.
"""

import hashlib
import html
import tarfile
from dataclasses import dataclass
from pathlib import Path

LABELS = ["negative", "neutral", "positive"]

#: A mean rating nearer to 0 than this is neutral.
NEUTRAL = 0.5

_SOURCES = {
    "movies": "movieReviewSnippets", "products": "amazonReviewSnippets", "news": "nytEditorialSnippets",
    "tweets": "tweets",
}  # fmt: skip


@dataclass(frozen=True)
class Rated:
    """A sentence, where it is from, the number of its label, and whether it is held out."""

    text: str
    source: str
    label: int
    held_out: bool


def rated(sdist: Path) -> list[Rated]:
    """Every sentence of `vaderSentiment-3.3.2.tar.gz`. A fifth of the documents is held out, all their sentences."""
    with tarfile.open(sdist) as outer:
        name = next(each for each in outer.getnames() if each.endswith("hutto_ICWSM_2014.tar.gz"))
        with tarfile.open(fileobj=outer.extractfile(name)) as inner:
            found = []
            for source, file in _SOURCES.items():
                content = inner.extractfile(f"hutto_ICWSM_2014/{file}_GroundTruth.txt")
                assert content is not None
                found += [_rated(line, source) for line in content.read().decode("utf-8", "replace").splitlines()]
    return [each for each in found if each.text]


def _rated(line: str, source: str) -> Rated:
    number, mean, text = line.split("\t", 2)
    document = hashlib.sha256(f"{source} {number.split('_')[0]}".encode()).digest()
    label = 1 + (float(mean) >= NEUTRAL) - (float(mean) <= -NEUTRAL)
    return Rated(html.unescape(text.strip()), source, label, held_out=document[0] < 51)
