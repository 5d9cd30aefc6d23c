"""The good rows of a file parted into splits and written down, and what is wrong with them as a whole."""

from __future__ import annotations

import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from shared.dataset import SPLITS, Split
from worker.engines.datasets import augmenting, texts
from worker.engines.datasets.columns import Row
from worker.engines.datasets.dividing import Shares, divide
from worker.engines.datasets.problems import Problem, Problems

#: Of two labels, how many times as many rows of one make a warning.
_IMBALANCE = 10


@dataclass(frozen=True)
class Wanted:
    """How a file is to be examined."""

    format: str
    seed: int
    shares: Shares = field(default_factory=Shares)
    max_length: int = 512
    mending: texts.Mending = field(default_factory=texts.Mending)
    drop_duplicates: bool = True
    drop_leaks: bool = True
    copies: int = 0
    preview: int = 10


@dataclass
class Kept:
    """The good rows: in a file, one a line, and of each what the dividing must know."""

    path: Path
    places: list[int | str] = field(default_factory=list)
    near: list[bytes] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    named: list[Split | None] = field(default_factory=list)
    tokens: array[int] = field(default_factory=lambda: array("I"))
    read: int = 0


def place_in_words(place: int | str) -> str:
    """Where a row stands."""
    return f"line {place:,}" if isinstance(place, int) else place


def divided(kept: Kept, wanted: Wanted, problems: Problems) -> list[Split | None]:
    """The split of each row, None of those that are left out."""
    if not any(kept.named):
        return list(divide(kept.near, kept.labels, wanted.shares, wanted.seed))
    splits: list[Split | None] = [named or "train" for named in kept.named]
    held: dict[bytes, tuple[Split, int | str]] = {}
    # What is tested stays; what is learned gives way.
    for split in reversed(SPLITS):
        for index, key in enumerate(kept.near):
            if splits[index] != split:
                continue
            other = held.setdefault(key, (split, kept.places[index]))
            if other[0] == split:
                continue
            told = f"The same stands in {other[0]}, at {place_in_words(other[1])}."
            problems.add(Problem(kept.places[index], "leakage" if wanted.drop_leaks else "leaked", told))
            if wanted.drop_leaks:
                splits[index] = None
    return splits


def judge_labels(kept: Kept, splits: list[Split | None], problems: Problems) -> None:
    """Warn of labels of one row, of labels with few rows beside many, and of one text with two labels."""
    counts = Counter(label for label, split in zip(kept.labels, splits, strict=True) if split is not None and label)
    if not counts:
        return
    first: dict[bytes, str] = {}
    for place, key, label in zip(kept.places, kept.near, kept.labels, strict=True):
        if counts[label] == 1:
            problems.add(Problem(place, "rare_label", "No other row has this label.", "label", label))
        if first.setdefault(key, label) != label:
            told = f"The same has the label “{first[key][:40]}” elsewhere."
            problems.add(Problem(place, "label_conflict", told, "label", label))
    (most, many), (least, few) = counts.most_common(1)[0], counts.most_common()[-1]
    if many > _IMBALANCE * few:
        told = f"“{most[:40]}” has {many:,} rows and “{least[:40]}” {few:,}."
        problems.add(Problem("", "imbalanced_labels", told, "label"))


def balance(kept: Kept, splits: list[Split | None]) -> list[dict[str, Any]]:
    """How many rows each label has in each split, the most frequent first."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for label, split in zip(kept.labels, splits, strict=True):
        if label and split is not None:
            found[label][split] += 1
    ordered = sorted(found.items(), key=lambda item: (-item[1].total(), item[0]))
    return [{"label": label, "rows": each.total(), **{name: each[name] for name in SPLITS}} for label, each in ordered]


def written(
    kept: Kept, splits: list[Split | None], wanted: Wanted, folder: Path
) -> tuple[dict[Split, Path], dict[str, int], dict[str, list[Row]]]:
    """The rows of each split, those of train followed by what is made of them."""
    files = {split: folder / f"{split}.jsonl" for split in SPLITS}
    counts: dict[str, int] = dict.fromkeys(SPLITS, 0)
    previews: dict[str, list[Row]] = {split: [] for split in SPLITS}
    opened = {split: path.open("wb") for split, path in files.items()}
    try:
        with kept.path.open("rb") as rows:
            for line, split in zip(rows, splits, strict=True):
                if split is None:
                    continue
                opened[split].write(line)
                counts[split] += 1
                if len(previews[split]) < wanted.preview:
                    previews[split].append(json.loads(line))
                if split == "train" and wanted.copies:
                    for copy in _copies(json.loads(line), wanted, folder):
                        opened[split].write(to_json(copy | {"made": True}) + b"\n")
                        counts[split] += 1
    finally:
        for file in opened.values():
            file.close()
    kept.path.unlink()
    return files, counts, previews


def _copies(row: Row, wanted: Wanted, folder: Path) -> Iterator[Row]:
    """What is made of a row to learn from, beside the row itself."""
    if wanted.format == "labelled":
        made = (augmenting.varied(row, number, wanted.seed) for number in range(wanted.copies))
        yield from (each for each in made if each is not None)
    elif wanted.format in {"captioned", "classed"} and wanted.copies:
        yield augmenting.mirrored(row, folder)
