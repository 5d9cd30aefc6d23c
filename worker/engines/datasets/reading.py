"""The rows of a file as they stand there, one at a time: JSON lines, a JSON list, CSV, CoNLL or plain text.

A bad line is handed on as such, so that all of them are named. Memory holds one row, however long the file.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from worker.engines.datasets.problems import Problem, Wrong

Form = Literal["jsonl", "json", "csv", "conll", "text"]

#: Bytes of one row; and of a file that is one JSON list, which is read whole.
MAX_LINE, MAX_LIST = 4 << 20, 64 << 20
#: Bytes that tell what a file is.
_HEAD = 256 << 10
TAG = re.compile(r"O|[BI]-\S+")
_ANY_TAG = re.compile(r"O|[BIESLU]-\S+")

csv.field_size_limit(MAX_LINE)


@dataclass(frozen=True)
class Record:
    """A row as it stands in its file: where, and its columns, or what is wrong with it.

    `lines` are the places of its parts where it stands on several lines.
    """

    place: int | str
    value: dict[str, Any] | None = None
    wrong: Problem | None = None
    lines: tuple[int, ...] = ()


def form_of(path: Path, name: str, media_type: str) -> Form:
    """How a file is read: by its name and type, and where these say no more than text, by its beginning."""
    suffix, kind = Path(name).suffix.lower(), media_type.partition(";")[0].strip()
    if suffix in {".jsonl", ".ndjson"} or kind in {"application/jsonl", "application/x-ndjson"}:
        return "jsonl"
    if suffix in {".csv", ".tsv"} or kind in {"text/csv", "text/tab-separated-values"}:
        return "csv"
    with path.open("rb") as file:
        head = file.read(_HEAD).decode("utf-8", "replace")
    begin = head.lstrip("\ufeff \t\r\n")
    if begin.startswith("[") and suffix in {".json", ""}:
        return "json"
    if begin.startswith("{"):
        return "jsonl"
    if suffix in {".conll", ".bio", ".iob"} or _looks_tagged(head):
        return "conll"
    return "text"


def read(path: Path, form: Form) -> Iterator[Record]:
    """Every row of a file."""
    if form == "json":
        yield from _list(path)
        return
    with path.open("rb") as file:
        yield from {"jsonl": _json_lines, "csv": _cells, "conll": _sentences, "text": _plain}[form](file)


def lines(file: BinaryIO) -> Iterator[tuple[int, str | Problem]]:
    """The lines of a file from 1, without their ends; one that is no text, or too long, as the fault that it is."""
    number = 0
    while raw := file.readline(MAX_LINE + 1):
        number += 1
        if len(raw) > MAX_LINE:
            while raw and not raw.endswith(b"\n"):
                raw = file.readline(MAX_LINE)
            yield number, Problem(number, "too_long_line", f"The row is longer than {MAX_LINE >> 20} MB.")
            continue
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        try:
            yield number, raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            around = raw[max(0, error.start - 20) : error.start + 20].decode("utf-8", "replace").strip()
            told = f"The row is not UTF-8 at byte {error.start + 1}."
            yield number, Problem(number, "not_utf8", told, value=around)


def _looks_tagged(head: str) -> bool:
    """Whether most lines of the beginning are a token and a tag."""
    some = [line.split() for line in head.split("\n")[:-1][:400] if line.strip() and not line.startswith("#")]
    if len(some) < 2:
        return False
    tagged = [parts for parts in some if len(parts) >= 2 and _ANY_TAG.fullmatch(parts[-1])]
    return len(tagged) >= 0.8 * len(some) and any(parts[-1] != "O" for parts in tagged)


def _json_lines(file: BinaryIO) -> Iterator[Record]:
    for number, line in lines(file):
        if isinstance(line, Problem):
            yield Record(number, wrong=line)
        elif line.strip():
            try:
                yield Record(number, as_object(line))
            except Wrong as wrong:
                yield Record(number, wrong=wrong.at(number))


def as_object(line: str) -> dict[str, Any]:
    """A line of JSON as named values; a bare text is one named `text`.

    Raises:
        Wrong: it is none.
    """
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise Wrong("not_json", f"This is not JSON at character {error.colno}.", value=line) from error
    except (ValueError, RecursionError) as error:
        raise Wrong("not_json", "This is not JSON.", value=line) from error
    return _named(row)


def _named(row: Any) -> dict[str, Any]:
    if isinstance(row, str):
        return {"text": row}
    if not isinstance(row, dict):
        raise Wrong("not_json", "A row must be an object with named values, {…}, or a text.", value=row)
    return row


def _list(path: Path) -> Iterator[Record]:
    """Of one JSON list: the places are those in the list."""
    told = None
    rows: Any = None
    if path.stat().st_size > MAX_LIST:
        told = f"One JSON list may have {MAX_LIST >> 20} MB; write an object on each line instead."
    else:
        try:
            rows = json.loads(path.read_bytes().decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            told = f"The file is not JSON: {error}."
    if told is not None or not isinstance(rows, list):
        yield Record(1, wrong=Problem(1, "not_json", told or "The file is not a list."))
        return
    for number, row in enumerate(rows, 1):
        try:
            yield Record(number, _named(row))
        except Wrong as wrong:
            yield Record(number, wrong=wrong.at(number))


def _cells(file: BinaryIO) -> Iterator[Record]:
    faults: list[Problem] = []

    def texts() -> Iterator[str]:
        for _, line in lines(file):
            if isinstance(line, Problem):
                faults.append(line)
                line = ""
            yield line + "\n"

    header = file.readline(MAX_LINE).decode("utf-8-sig", "replace")
    file.seek(0)
    separator = max(",;\t", key=header.count)
    reader = csv.reader(texts(), delimiter=separator if separator in header else ",", strict=True)
    names: list[str] = []
    start = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield Record(start, wrong=Problem(start, "not_csv", f"This cannot be read as CSV: {error}."))
            start = reader.line_num + 1
            continue
        yield from (Record(fault.place, wrong=fault) for fault in faults)
        faults.clear()
        if any(cell.strip() for cell in cells):
            if not names:
                names = [cell.strip() for cell in cells]
            else:
                yield _from_cells(start, cells, names)
        start = reader.line_num + 1
    yield from (Record(fault.place, wrong=fault) for fault in faults)


def _from_cells(number: int, cells: list[str], names: list[str]) -> Record:
    if len(cells) > len(names) and any(cells[len(names) :]):
        told = f"The row has {len(cells)} cells, and the header names {len(names)} columns."
        return Record(number, wrong=Problem(number, "too_many_cells", told, value=cells[len(names)][:100]))
    return Record(number, {name: cell for name, cell in zip(names, cells, strict=False) if name})


def _sentences(file: BinaryIO) -> Iterator[Record]:
    """CoNLL: a token and its tag a line, an empty line between sentences."""
    tokens: list[str] = []
    tags: list[str] = []
    places: list[int] = []
    wrong: Problem | None = None
    number = 0
    for number, line in (*lines(file), (0, "")):
        if isinstance(line, str) and (not line.strip() or line.startswith("-DOCSTART-")):
            if wrong is not None:
                yield Record(wrong.place, wrong=wrong)
            elif tokens:
                yield Record(places[0], {"tokens": tokens, "tags": tags}, lines=tuple(places))
            tokens, tags, places, wrong = [], [], [], None
        elif isinstance(line, Problem):
            wrong = wrong or line
        elif not (line.startswith("# ") and not tokens):
            parts = line.split("\t") if "\t" in line else line.split()
            if len(parts) < 2:
                told = "A line has a token and its tag, with a blank or a tab between."
                wrong = wrong or Problem(number, "tags_not_tokens", told, value=line[:100])
            tokens.append(parts[0].strip())
            tags.append(parts[-1].strip())
            places.append(number)


def _plain(file: BinaryIO) -> Iterator[Record]:
    """Paragraphs where empty lines separate some, else lines."""
    paragraphs = b"\n\n" in file.read(_HEAD).replace(b"\r", b"").strip()
    file.seek(0)
    block: list[str] = []
    start = 1
    for number, line in lines(file):
        if isinstance(line, Problem):
            yield Record(number, wrong=line)
        elif line.strip():
            start = start if block else number
            block.append(line)
        if block and (not paragraphs or line == "" or (isinstance(line, str) and not line.strip())):
            yield Record(start, {"text": "\n".join(block)})
            block = []
    if block:
        yield Record(start, {"text": "\n".join(block)})
