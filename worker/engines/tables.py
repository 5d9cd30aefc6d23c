"""The rows of an uploaded table: one text of each line of a JSONL, CSV or plain text file.

Reads a line at a time and names every line that is wrong. Knows no model and no job.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO

from pydantic_core import to_json

from shared.errors import JobError

Form = Literal["jsonl", "csv", "text"]

#: Rows of one file, and characters of one line: what a job can hold and finish.
MAX_ROWS, MAX_LINE = 100_000, 100_000
#: Wrong lines that are named one by one; the rest is counted.
_NAMED = 10
#: What spreadsheets take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class TableRow:
    """A text to work on, its line in the file (from 1), and what else stood on that line."""

    line: int
    text: str
    others: dict[str, Any] = field(default_factory=dict)


class _Wrong(ValueError):
    """What is wrong with one line: the reading goes on, to name the others."""


class TableFile(Protocol):
    """A file with what it was called when it was given."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def name(self) -> str:
        """What it was called."""

    @property
    def media_type(self) -> str:
        """What it was taken for."""


def given_rows(texts: Sequence[str] | None, table: TableFile | None, column: str) -> list[TableRow]:
    """The rows of a table or, where there is none, texts that were given in the form; blank ones count for nothing.

    Raises:
        JobError: as `read_table`.
    """
    if table is not None:
        return read_table(table.path, table.name, table.media_type, column)
    return [TableRow(number, line) for number, line in enumerate(texts or (), start=1) if line.strip()]


def read_table(path: Path, name: str, media_type: str, column: str) -> list[TableRow]:
    """Every row of a file; `name` is what it was called when it was given.

    Raises:
        JobError: `bad_table` with every wrong line, `too_many_rows`, or `empty_table`.
    """
    form = form_of(name, media_type)
    rows: list[TableRow] = []
    wrong: list[str] = []
    _check_encoding(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        read = {"jsonl": _json_lines, "csv": _cells, "text": _plain}[form]
        for found in read(file, column):
            if isinstance(found, str):
                wrong.append(found)
            else:
                rows.append(found)
            if len(rows) + len(wrong) > MAX_ROWS:
                raise JobError("too_many_rows", f"The table may have {MAX_ROWS:,} rows at most.", field="table")
    if wrong:
        raise JobError("bad_table", _sentence(wrong), field="table")
    if not rows:
        raise JobError("empty_table", "The table has no rows.", field="table")
    return rows


def form_of(name: str, media_type: str) -> Form:
    """How a file is read: its name decides, for uploads often call everything plain text; then its media type."""
    suffix = Path(name).suffix.lower()
    if suffix in {".jsonl", ".ndjson"}:
        return "jsonl"
    if suffix in {".csv", ".tsv"}:
        return "csv"
    if suffix in {".txt", ".md"}:
        return "text"
    kind = media_type.partition(";")[0].strip()
    if "json" in kind:
        return "jsonl"
    return "csv" if kind in {"text/csv", "text/tab-separated-values"} else "text"


def _json_lines(file: TextIO, column: str) -> Iterator[TableRow | str]:
    for number, line in _lines(file):
        try:
            yield _from_json(number, line, column)
        except _Wrong as error:
            yield f"Line {number:,}: {error}"


def _from_json(number: int, line: str, column: str) -> TableRow:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise _Wrong(f"this is not JSON at character {error.colno}.") from error
    except (ValueError, RecursionError) as error:
        raise _Wrong("this is not JSON.") from error
    if isinstance(row, str):
        row = {column: row}
    if not isinstance(row, dict):
        raise _Wrong("must be an object with named values, {…}, or a text.")
    return _row(number, row, column)


def _cells(file: TextIO, column: str) -> Iterator[TableRow | str]:
    header = file.readline(MAX_LINE)
    file.seek(0)
    reader = csv.reader(_bounded(file), delimiter=_separator(header), strict=True)
    names: list[str] = []
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if not names:
                    names = _header(cells, column)
                else:
                    yield _from_cells(start, cells, names, column)
            start = reader.line_num + 1
    except csv.Error as error:
        yield f"Line {start:,}: this cannot be read as CSV: {error}."


def _header(cells: list[str], column: str) -> list[str]:
    """The columns' names; without the one wanted, no line can be read, so this is told alone."""
    names = [cell.strip() for cell in cells]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise JobError("bad_table", f"The header of the table names the column “{twice[:80]}” twice.", field="table")
    if column not in names:
        there = ", ".join(f"“{name[:40]}”" for name in names[:20])
        raise JobError(
            "bad_table", f"The table has no column “{column}”. Its first line names: {there}.", field="column"
        )
    return names


def _from_cells(number: int, cells: list[str], names: list[str], column: str) -> TableRow | str:
    if len(cells) > len(names) and any(cells[len(names) :]):
        return f"Line {number:,}: has {len(cells)} cells, and the header names {len(names)} columns."
    try:
        return _row(number, {name: cell for name, cell in zip(names, cells, strict=False) if name}, column)
    except _Wrong as error:
        return f"Line {number:,}: {error}"


def _plain(file: TextIO, column: str) -> Iterator[TableRow | str]:  # noqa: ARG001 - the readers' common form
    for number, line in _lines(file):
        yield TableRow(number, line.strip())


def _row(number: int, row: dict[str, Any], column: str) -> TableRow:
    text = row.get(column)
    if column not in row:
        raise _Wrong(f"has no column “{column}”.")
    if not isinstance(text, str):
        raise _Wrong(f"column “{column}” must be text.")
    if not text.strip():
        raise _Wrong(f"column “{column}” is empty.")
    return TableRow(number, text.strip(), {name: value for name, value in row.items() if name != column})


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, numbered from 1."""
    for number, line in enumerate(_bounded(file), start=1):
        if line.strip():
            yield number, line


def _bounded(file: TextIO) -> Iterator[str]:
    """As iterating over the file does, but no line is read that is too long to hold."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise JobError(
                "bad_table", f"Line {number:,} of the table is longer than {MAX_LINE:,} characters.", field="table"
            )
        yield line


def _check_encoding(path: Path) -> None:
    """Decode all of it once: a text reader would name no line, and only after half of the work."""
    decode, number = codecs.getincrementaldecoder("utf-8")().decode, 1
    with path.open("rb") as file:
        head = file.read(2)
        if head in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
            raise JobError("bad_table", "The table is UTF-16 text. Save it as UTF-8.", field="table")
        file.seek(0)
        while raw := file.readline(MAX_LINE):
            try:
                text = decode(raw)
            except UnicodeDecodeError as error:
                sentence = f"Line {number:,} of the table is not UTF-8 text. Save the file as UTF-8."
                raise JobError("bad_table", sentence, field="table") from error
            if "\x00" in text:
                raise JobError(
                    "bad_table", f"Line {number:,} of the table holds bytes that are no text.", field="table"
                )
            number += raw.endswith(b"\n")


def _separator(header: str) -> str:
    used = max(",;\t", key=header.count)
    return used if used in header else ","


def _sentence(wrong: list[str]) -> str:
    more = [f"And {len(wrong) - _NAMED:,} more."] if len(wrong) > _NAMED else []
    return " ".join(["Nothing was done, for the table has wrong lines.", *wrong[:_NAMED], *more])


def write_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """A JSON object on each line."""
    with path.open("wb") as file:
        for record in records:
            # In Rust: a vector's hundreds of numbers would take json a tenth of the time that its network takes.
            file.write(to_json(record) + b"\n")


def write_csv(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """The same as CSV for spreadsheets: a column for each name, and for each name inside of a name.

    With a byte order mark, without which a spreadsheet takes UTF-8 for something else; and a text that a spreadsheet
    would take for a formula begins with an apostrophe.
    """
    flat = [_flat(record) for record in records]
    names = list(dict.fromkeys(name for record in flat for name in record))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(flat)


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": each for inner, each in value.items()}
        elif isinstance(value, list):
            flat[name] = json.dumps(value, ensure_ascii=False)
        else:
            flat[name] = f"'{value}" if isinstance(value, str) and value[:1] in _FORMULA else value
    return flat
