"""The rows of an archive: pictures or sounds with what is said of them in tables, in texts beside them, or by folder.

Every file is decoded in the cage of the intake and written anew; one that cannot be is a fault with its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from shared.errors import Invalid, JobError
from shared.intake import decoder
from shared.intake.caps import Caps
from worker.engines.datasets.columns import CAPTION, FILE, LABEL, TRANSCRIPT
from worker.engines.datasets.dividing import named_split
from worker.engines.datasets.problems import Problem, Wrong
from worker.engines.datasets.reading import Form, Record, lines, read

#: Files that one child opens; should it come to its end over one of them, that one is looked for by halves.
_AT_ONCE = 64
#: Pixels of a side below which nothing can be seen.
_LEAST = 8
_TABLES: dict[str, Form] = {".jsonl": "jsonl", ".csv": "csv", ".tsv": "csv"}
_SIDE_TEXTS = (".txt", ".caption")


@dataclass
class Opened:
    """An archive, its files written anew in `folder`: the pictures or sounds, the descriptions, and what is wrong."""

    folder: Path
    media: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts: dict[str, Path] = field(default_factory=dict)
    wrong: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    @property
    def medium(self) -> str:
        """What most of its files are: image or audio."""
        kinds = [each["medium"] for each in self.media.values()]
        return max(("image", "audio"), key=kinds.count)


def opened(archive: Path, folder: Path, say: Callable[[int, int], None]) -> Opened:
    """Decode all files of an archive into `folder`; `say` hears how many of how many are done.

    Raises:
        JobError: the archive as a whole is damaged or hostile.
    """
    found = Opened(folder)
    first, total = 0, 1
    while first < total:
        told, total = _decoded(archive, first, first + _AT_ONCE, folder)
        for each in told:
            _sort(found, each)
        first += _AT_ONCE
        say(min(first, total), total)
    return found


def _decoded(archive: Path, first: int, last: int, folder: Path) -> tuple[list[dict[str, Any]], int]:
    """What the files `first` to `last` are, and how many there are in all; halved where the child ends over one."""
    try:
        answer = decoder.members(archive, first, last, folder, Caps())
    except Invalid as error:
        if error.code == "bad_archive":
            raise JobError("bad_archive", str(error), field="source") from error
        if last - first == 1:
            return [{"name": f"file {first + 1}", "medium": "unknown", "wrong": str(error)}], last
        middle = (first + last) // 2
        one, _ = _decoded(archive, first, middle, folder)
        other, total = _decoded(archive, middle, last, folder)
        return one + other, total
    return answer["files"], answer["total"]


def _sort(found: Opened, file: dict[str, Any]) -> None:
    name = file["name"]
    if file["medium"] == "text":
        found.texts[name] = found.folder / file["file"]
    elif file["medium"] in {"image", "audio"} and "file" in file:
        if file["medium"] == "image" and min(file["size"]) < _LEAST:
            told = f"The picture has {file['size'][0]} × {file['size'][1]} pixels."
            found.wrong.append(Problem(name, "too_small", told))
            found.broken.add(name)
        else:
            found.media[name] = file
    elif file["medium"] in {"other", "video"}:
        found.wrong.append(Problem(name, "not_of_use", "The file is neither a picture nor a sound nor a text."))
        found.broken.add(name)
    else:
        found.wrong.append(Problem(name, "unreadable", file.get("wrong", "The file cannot be read.")))
        found.broken.add(name)


def arranged(found: Opened) -> tuple[str, str, Iterator[Record]]:
    """The format of an archive's rows, a sentence that says why, and the rows.

    Raises:
        Wrong: there are no pictures and no sounds in it.
    """
    if not found.media:
        first = found.wrong[0] if found.wrong else None
        more = f" {first.place}: {first.message}" if first else ""
        raise Wrong("not_of_use", f"The archive holds no picture and no sound that can be read.{more}")
    tables = {name: path for name, path in found.texts.items() if PurePosixPath(name).suffix.lower() in _TABLES}
    if tables:
        return _from_tables(found, tables)
    beside = {name: _beside(found, name) for name in found.media}
    if any(beside.values()):
        format_ = "captioned" if found.medium == "image" else "transcribed"
        return format_, "Beside the files lie texts of the same names.", _from_texts(found, beside)
    if found.medium == "audio":
        told = "The sounds have no transcripts: add metadata.csv with file_name and text, or a .txt for each."
        raise Wrong("caption_missing", told)
    labels = {name: _class_of(name) for name in found.media}
    kinds = len(set(labels.values()))
    reason = f"The pictures lie in {kinds:,} folders, which are their labels." if kinds > 1 else _ALONE
    return "classed", reason, _from_folders(found, labels)


_ALONE = "Nothing is said of the pictures, so they are all of one label."


def _from_tables(found: Opened, tables: dict[str, Path]) -> tuple[str, str, Iterator[Record]]:
    names: set[str] = set()
    for name, path in tables.items():
        row = next((each.value for each in read(path, _form(name)) if each.value is not None), None)
        names |= set(row or ())
    if found.medium == "audio":
        format_ = "transcribed"
    elif names & set(CAPTION) or not names & set(LABEL):
        format_ = "captioned"
    else:
        format_ = "classed"
    first = min(tables)
    return format_, f"{first} describes the files, with {', '.join(sorted(names)[:6])}.", _described(found, tables)


def _form(name: str) -> Form:
    return _TABLES[PurePosixPath(name).suffix.lower()]


def _described(found: Opened, tables: dict[str, Path]) -> Iterator[Record]:
    yield from _faults(found)
    used: set[str] = set()
    for table, path in sorted(tables.items()):
        folder = PurePosixPath(table).parent
        for record in read(path, _form(table)):
            place = f"{table}:{record.place}"
            try:
                if record.wrong is not None:
                    raise Wrong(record.wrong.rule, record.wrong.message, record.wrong.column, record.wrong.value)
                name = _file_of(found, record.value or {}, folder)
                if name in used:
                    raise Wrong("file_twice", "The file is described twice.", "file_name", name)
                used.add(name)
                if name not in found.broken:
                    yield _record(found, name, record.value or {})
                else:
                    used.add(name)
            except Wrong as wrong:
                yield Record(place, wrong=wrong.at(place))
    for name in sorted(found.media.keys() - used):
        yield Record(name, wrong=Problem(name, "caption_missing", "No row describes this file."))


def _file_of(found: Opened, row: dict[str, Any], folder: PurePosixPath) -> str:
    column = next((name for name in FILE if name in row), None)
    if column is None:
        raise Wrong("missing_field", "The row names no file.", "file_name")
    given = row[column]
    if not isinstance(given, str) or not given.strip():
        raise Wrong("wrong_type", "The name of a file must be text.", column, given)
    name = str(folder / given.strip().removeprefix("./"))
    if name not in found.media and name not in found.broken:
        raise Wrong("file_missing", "There is no such file in the archive.", column, given)
    return name


def _from_texts(found: Opened, beside: dict[str, str | None]) -> Iterator[Record]:
    yield from _faults(found)
    column = "caption" if found.medium == "image" else "text"
    for name in sorted(found.media):
        text = beside[name]
        if text is None:
            yield Record(name, wrong=Problem(name, "caption_missing", "No text lies beside this file."))
            continue
        with found.texts[text].open("rb") as file:
            told = [line for _, line in lines(file)]
        bad = next((line for line in told if isinstance(line, Problem)), None)
        if bad is not None:
            yield Record(name, wrong=Problem(text, bad.rule, bad.message, value=bad.value))
            continue
        whole = "\n".join(line for line in told if isinstance(line, str))
        if whole.strip():
            yield _record(found, name, {column: whole})
        else:
            yield Record(name, wrong=Problem(text, "empty_field", "The text beside the file is empty."))


def _from_folders(found: Opened, labels: dict[str, str]) -> Iterator[Record]:
    yield from _faults(found)
    for name in sorted(found.media):
        yield _record(found, name, {"label": labels[name]})


def _faults(found: Opened) -> Iterator[Record]:
    for problem in found.wrong:
        yield Record(problem.place, wrong=problem)


def _record(found: Opened, name: str, value: dict[str, Any]) -> Record:
    file = found.media[name]
    if file["medium"] != found.medium:
        told = "Most files of the archive are of another medium."
        return Record(name, wrong=Problem(name, "not_of_use", told))
    split = value.get("split") or _split_of(name)
    keys = {"_exact": file["exact"].encode(), "_near": file["near"].encode()}
    kept = {column: value[column] for column in (*CAPTION, *TRANSCRIPT, *LABEL) if column in value}
    return Record(name, {**kept, "file": f"files/{file['file']}", "split": split, **keys})


def _beside(found: Opened, name: str) -> str | None:
    stem = name.rpartition(".")[0]
    return next((stem + suffix for suffix in _SIDE_TEXTS if stem + suffix in found.texts), None)


def _class_of(name: str) -> str:
    folder = PurePosixPath(name).parent.name
    return folder if folder and named_split(folder) is None else "picture"


def _split_of(name: str) -> str | None:
    return next((part for part in PurePosixPath(name).parts[:-1] if named_split(part)), None)
