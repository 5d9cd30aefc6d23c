"""The examination of a file of rows: every bad row named, the good ones mended, counted, divided and written down.

The rows pass once, one at a time; of each only its keys, its label and its length stay in memory. Knows no job.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydantic_core import to_json

from shared.dataset import Split
from worker.engines.datasets import texts
from worker.engines.datasets.columns import Row
from worker.engines.datasets.counting import FORM, Lengths
from worker.engines.datasets.counting import Counter as Tokens
from worker.engines.datasets.dividing import named_split
from worker.engines.datasets.formats import canonical
from worker.engines.datasets.parting import Kept, Wanted, balance, divided, judge_labels, place_in_words, written
from worker.engines.datasets.problems import Problem, Problems, Wrong
from worker.engines.datasets.reading import Record

#: Rows that are counted and written together.
_PORTION = 1000
_FEW = 20

#: What is said after each portion: rows read, and the sentence.
Say = Callable[[int, str], None]


@dataclass
class Examined:
    """What came of it: the rows of each split in a file, and the figures of a report."""

    files: dict[Split, Path]
    splits: dict[str, int]
    figures: dict[str, Any]
    lengths: Lengths


def examine(
    records: Iterable[Record], wanted: Wanted, tokens: Tokens | None, problems: Problems, folder: Path, say: Say
) -> Examined:
    """Examine all rows, and write `train.jsonl` and the other splits into `folder`.

    `tokens` is None where rows have no text to count.
    """
    kept = _keep(records, wanted, tokens, problems, folder, say)
    say(kept.read, "Dividing the rows")
    splits = divided(kept, wanted, problems)
    judge_labels(kept, splits, problems)
    files, counts, previews = written(kept, splits, wanted, folder)
    lengths = Lengths(wanted.max_length)
    for tokens_of, split in zip(kept.tokens, splits, strict=True):
        if split is not None:
            lengths.add(tokens_of)
    if 0 < sum(counts.values()) < _FEW:
        problems.add(Problem("", "few_rows", f"There are only {sum(counts.values())} rows."))
    figures = {
        "rows": {"read": kept.read, "good": len(kept.places), "kept": sum(counts.values())},
        "splits": counts,
        "labels": balance(kept, splits) or None,
        "tokens": lengths.told() | {"counted_by": tokens.told} if tokens is not None else None,
        "duplicates": {"exact": problems.counts["duplicate"], "near": problems.counts["near_duplicate"]},
        "leakage": problems.counts["leakage"] + problems.counts["leaked"],
        "preview": previews,
    }
    return Examined(files, counts, figures, lengths)


# ---- the one pass over the rows -------------------------------------------------------------------------------


def _keep(
    records: Iterable[Record], wanted: Wanted, tokens: Tokens | None, problems: Problems, folder: Path, say: Say
) -> Kept:
    kept = Kept(folder / "rows.jsonl")
    seen: dict[bytes, int | str] = {}
    alike: dict[bytes, int | str] = {}
    with kept.path.open("wb") as file:
        for portion in _portions(_good(records, wanted, problems, kept)):
            fresh = [each for each in portion if _is_new(each, wanted, problems, seen, alike)]
            for each, count in zip(fresh, _measured(fresh, tokens), strict=True):
                _add(kept, each, count, wanted, problems, file)
            say(kept.read, f"{kept.read:,} rows, {problems.errors:,} of them bad")
    return kept


@dataclass(frozen=True)
class _Good:
    place: int | str
    row: Row
    split: Split | None
    #: Of a picture or a sound, what its content is told by: the same, and near the same.
    exact: bytes | None
    near: bytes | None


def _good(records: Iterable[Record], wanted: Wanted, problems: Problems, kept: Kept) -> Iterator[_Good]:
    for record in records:
        kept.read += 1
        if record.value is None:
            assert record.wrong is not None
            problems.add(record.wrong)
            continue
        try:
            row = wanted.mending.row(canonical(wanted.format, record))
            _check_mended(row)
            split = _named(record.value)
        except Wrong as wrong:
            place = record.lines[wrong.index] if record.lines else record.place
            problems.add(wrong.at(place))
            continue
        found = texts.personal(row)
        if found is not None:
            problems.add(Problem(record.place, "personal_data", "This looks like an address or a number.", value=found))
        yield _Good(record.place, row, split, record.value.get("_exact"), record.value.get("_near"))


def _portions(rows: Iterator[_Good]) -> Iterator[list[_Good]]:
    while portion := list(itertools.islice(rows, _PORTION)):
        yield portion


def _check_mended(row: Row) -> None:
    """Raises Wrong where nothing is left of a text."""
    for text in texts.texts(row):
        if not text.strip():
            raise Wrong("empty_field", "Nothing is left of a text but control characters.")


def _named(raw: dict[str, Any]) -> Split | None:
    if raw.get("split") in (None, ""):
        return None
    split = named_split(raw["split"])
    if split is None:
        raise Wrong("unknown_split", f"“{str(raw['split'])[:40]}” is no split.", "split", raw["split"])
    return split


def _is_new(
    good: _Good, wanted: Wanted, problems: Problems, seen: dict[bytes, int | str], alike: dict[bytes, int | str]
) -> bool:
    """Whether no row before it is the same, of its own split: over splits that is leakage, which is judged later."""
    own = (good.split or "").encode()
    # A file's name is ours; what is in it is what counts.
    said = texts.exact_key({name: value for name, value in good.row.items() if name != "file"})
    exact = own + (good.exact or b"") + said
    first = seen.setdefault(exact, good.place)
    if first != good.place:
        told = f"This is the same as {place_in_words(first)}."
        if wanted.drop_duplicates:
            problems.add(Problem(good.place, "duplicate", told))
            return False
        problems.add(Problem(good.place, "near_duplicate", told))
        return True
    near = own + (good.near or texts.near_key("\n".join(texts.texts(good.row))))
    first = alike.setdefault(near, good.place)
    if first != good.place:
        told = f"But for case, blanks, punctuation or label this is the same as {place_in_words(first)}."
        told = f"This looks the same as {place_in_words(first)}." if good.near else told
        problems.add(Problem(good.place, "near_duplicate", told))
    return True


def _measured(rows: list[_Good], tokens: Tokens | None) -> list[tuple[int, int]]:
    """Tokens before the answer and of all, for each row."""
    if tokens is None:
        return [(0, 0)] * len(rows)
    both = [texts.sides(each.row) for each in rows]
    counts = tokens.count([side for pair in both for side in pair])
    return [(counts[2 * index], counts[2 * index] + counts[2 * index + 1]) for index in range(len(rows))]


def _add(kept: Kept, good: _Good, count: tuple[int, int], wanted: Wanted, problems: Problems, file: BinaryIO) -> None:
    row, (before, whole) = good.row, count
    if "messages" in row:
        whole += FORM * len(row["messages"])
    if before >= wanted.max_length:
        told = f"Before the answer stand {before:,} tokens; {wanted.max_length:,} fit, so nothing is learned of it."
        problems.add(Problem(good.place, "answer_cut_off", told))
        return
    if whole > wanted.max_length:
        told = f"The row has {whole:,} tokens; {wanted.max_length:,} of them are learned from."
        problems.add(Problem(good.place, "truncated", told))
    kept.places.append(good.place)
    kept.near.append(good.near or texts.near_key(texts.question(row)))
    kept.labels.append(row.get("label", ""))
    kept.named.append(good.split)
    kept.tokens.append(whole)
    file.write(to_json({"line": good.place, **row}) + b"\n")
