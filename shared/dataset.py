"""What a dataset, a version of it and its rows are: values, no behaviour.

Every format has its own columns; a row also has `line`: the line, or the file, of what was uploaded that it comes from.

    text {"text"} · prompt {"prompt", "completion"} · chat {"messages": [{"role", "content"}]}
    labelled {"text", "label"} · preference {"prompt", "chosen", "rejected"} · entities {"tokens", "tags"}
    captioned {"file", "caption"} · classed {"file", "label"} · transcribed {"file", "text"}
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")

FORMATS = ("text", "prompt", "chat", "labelled", "preference", "entities", "captioned", "classed", "transcribed")

WITH_FILES = frozenset({"captioned", "classed", "transcribed"})
"""Formats whose rows name a file under `files/`."""


@dataclass(frozen=True)
class DatasetVersion:
    """What one check made. `splits` counts the rows of each; `report` says in short what was found."""

    number: int
    artifact_id: str
    job_id: str | None
    format: str
    sha256: str
    splits: dict[str, int]
    report: dict[str, Any]
    created_at: datetime

    @property
    def rows(self) -> int:
        """Rows of all splits."""
        return sum(self.splits.values())


@dataclass(frozen=True)
class Dataset:
    """A dataset of an owner and its versions, newest first: there is always one."""

    id: str
    name: str
    title: str
    created_at: datetime
    versions: tuple[DatasetVersion, ...]

    @property
    def latest(self) -> DatasetVersion:
        """The version that the bare name stands for."""
        return self.versions[0]


@dataclass(frozen=True)
class DatasetSource:
    """One version of a dataset, its files unpacked in `folder` on this machine."""

    name: str
    number: int
    format: str
    sha256: str
    folder: Path

    @property
    def pinned(self) -> str:
        """The name under which exactly these rows are found for ever."""
        return f"{self.name}@{self.number}"

    def rows(self, split: Split) -> list[dict[str, Any]]:
        """The rows of a split, in order; none where there is no such split."""
        return list(self.stream(split))

    def stream(self, split: Split) -> Iterator[dict[str, Any]]:
        """The same, one at a time."""
        path = self.folder / f"{split}.jsonl"
        if path.is_file():
            with path.open("rb") as file:
                for line in file:
                    yield json.loads(line)
