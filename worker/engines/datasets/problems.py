"""What is wrong with the rows of a file: each fault named by place, column, rule, value and fix."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

Severity = Literal["error", "warning"]

#: Faults that a report lists; the table has all of them.
LISTED = 1000
#: Characters of a value that are shown.
SHOWN = 120

#: What spreadsheets take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

#: Each rule with what to do about it. What is an error is left out of the dataset; a warning stays in it.
ERRORS: dict[str, str] = {
    "not_utf8": "Save the file as UTF-8.",
    "too_long_line": "Cut the row into several shorter ones.",
    "not_json": "Write one JSON object on each line, such as {\"text\": \"…\"}.",
    "not_csv": "Quote cells that hold quotes, commas or line breaks, and close every quote.",
    "too_many_cells": "Quote cells that hold the separator, or name the further columns in the header.",
    "wrong_type": "Give a value of the type that the column has.",
    "missing_field": "Add the column to this row, or take the row out.",
    "empty_field": "Write something there, or take the row out.",
    "unknown_role": "Use the roles system, user and assistant.",
    "roles_not_alternating": "Let user and assistant take turns, beginning with user; a system message comes first.",
    "no_answer": "Add the answer of the assistant that the model is to learn.",
    "bad_tag": "Tags are O, or B- or I- with a name: B-PER, I-PER.",
    "tag_without_b": "Begin an entity with B-: B-PER before I-PER.",
    "tags_not_tokens": "Give exactly one tag for each token.",
    "bad_span": "A span has start, end and label, lies within the text, and begins and ends with a word.",
    "same_answers": "Let the better answer differ from the worse, or take the pair out.",
    "unknown_split": "Write train, validation or test, or leave the column out.",
    "unreadable": "Save the file anew as PNG or JPEG (a picture), or as WAV, FLAC or MP3 (a sound).",
    "too_small": "Give a larger picture.",
    "caption_missing": "Name the file in metadata.jsonl or metadata.csv, or put a .txt of the same name beside it.",
    "file_missing": "Put the file into the archive, or take the row out.",
    "file_twice": "Describe each file once.",
    "not_of_use": "Take the file out; it is neither a picture, a sound nor their description.",
    "duplicate": "Nothing to do: the first of them is kept.",
    "leakage": "Nothing to do: the row is kept where it is tested, and left out where it would be learned.",
    "answer_cut_off": "Raise the longest length, or shorten what comes before the answer.",
}  # fmt: skip
WARNINGS: dict[str, str] = {
    "near_duplicate": "Take one of them out, unless both are meant.",
    "label_conflict": "Decide on one label for this text.",
    "rare_label": "Check the spelling of the label, or add more rows of it.",
    "truncated": "Raise the longest length, or cut the row into several.",
    "imbalanced_labels": "Add rows of the rarest labels.",
    "personal_data": "Take the address or number out, unless the model is meant to learn it.",
    "leaked": "Take the row out of one of the splits.",
    "few_rows": "Add rows: a model hardly learns from so few.",
}  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """One fault. `place` is the line (from 1) or the file; `message` is a sentence."""

    place: int | str
    rule: str
    message: str
    column: str = ""
    value: str = ""

    @property
    def severity(self) -> Severity:
        """Whether it keeps the row out."""
        return "error" if self.rule in ERRORS else "warning"

    @property
    def fix(self) -> str:
        """What to do about it."""
        return ERRORS.get(self.rule) or WARNINGS[self.rule]

    def told(self) -> dict[str, Any]:
        """As a row of a report."""
        return asdict(self) | {"severity": self.severity, "fix": self.fix}


class Wrong(ValueError):
    """A row cannot be used; the reading goes on, to name the others. `index` counts the row's own lines."""

    def __init__(self, rule: str, message: str, column: str = "", value: object = "", index: int = 0) -> None:
        super().__init__(message)
        self.rule, self.column, self.value, self.index = rule, column, value, index

    def at(self, place: int | str) -> Problem:
        """The fault with its place."""
        return Problem(place, self.rule, str(self), self.column, shown(self.value))


class Problems:
    """All faults of a file: written to a table as they come, counted by rule, the first of them listed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self.first: list[Problem] = []
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(("place", "severity", "rule", "column", "value", "message", "fix"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, problem: Problem) -> None:
        """Note a fault."""
        self.counts[problem.rule] += 1
        if len(self.first) < LISTED:
            self.first.append(problem)
        told = (problem.place, problem.severity, problem.rule, problem.column, problem.value, problem.message)
        self._rows.writerow([_cell(each) for each in (*told, problem.fix)])

    @property
    def errors(self) -> int:
        """Rows that are left out."""
        return sum(count for rule, count in self.counts.items() if rule in ERRORS)

    @property
    def warnings(self) -> int:
        """Faults of rows that stay."""
        return sum(count for rule, count in self.counts.items() if rule in WARNINGS)

    def told(self, most: int = LISTED) -> dict[str, Any]:
        """For a report: the counts by rule, the most frequent first, and the first faults."""
        by_rule = [
            {"rule": rule, "severity": "error" if rule in ERRORS else "warning", "count": count,
             "fix": ERRORS.get(rule) or WARNINGS[rule]}
            for rule, count in sorted(self.counts.items(), key=lambda item: (item[0] in WARNINGS, -item[1], item[0]))
        ]  # fmt: skip
        return {
            "errors": self.errors,
            "warnings": self.warnings,
            "by_rule": by_rule,
            "first": [each.told() for each in self.first[:most]],
        }


def shown(value: object) -> str:
    """A value as a report shows it: on one line, and cut."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text[: 2 * SHOWN].split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
