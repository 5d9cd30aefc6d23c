"""Files of params: JSON lines, and CSV with the fields' names in its first line. Read a line at a time.

A file is whatever can be read from its start again; knows neither uploads nor rows.
"""

import codecs
import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from pydantic_core import from_json

from shared import kinds
from shared.errors import FieldError, Invalid
from shared.sources import Item

MAX_LINE = 16 << 20
"""Bytes of one line: far more than the longest params, and little enough to hold."""

_BOM = codecs.BOM_UTF8


@dataclass(frozen=True)
class JsonLines:
    """A JSON object on each line, laid over the params that all have in common. Blank lines count for nothing."""

    params: Mapping[str, Any]
    file: BinaryIO
    name: str
    strict: bool = True

    @property
    def asked(self) -> dict[str, Any]:
        """The common params, and the file's name."""
        return {"mode": "file", "format": "jsonl", "file": self.name, "params": dict(self.params)}

    def __iter__(self) -> Iterator[Item]:
        """Each line that is not blank."""
        self.file.seek(0)
        number = 0
        while raw := self.file.readline(MAX_LINE + 1):
            number += 1
            if number == 1:
                raw = raw.removeprefix(_BOM)
            if len(raw) > MAX_LINE:
                raise _unreadable(number, f"This line is longer than {MAX_LINE >> 20} MB.")
            if raw.strip():
                yield self._item(number, raw)

    def complain(self, item: Item, error: FieldError) -> FieldError:
        """By the line."""
        return {**error, "line": item.number}

    def fingerprint(self) -> str:
        """Over the file's bytes and the common params."""
        return _fingerprint("jsonl", self.params, self.file)

    def _item(self, number: int, raw: bytes) -> Item:
        try:
            params = json.loads(raw.decode().rstrip(), object_pairs_hook=_once, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            return Item(number, {}, {"field": "", "message": f"This is not JSON: {_why(error)}."})
        if not isinstance(params, dict):
            return Item(number, {}, {"field": "", "message": "Must be an object with named values: {…}."})
        return Item(number, {**self.params, **params})


@dataclass(frozen=True)
class Table:
    """CSV in UTF-8: the fields' names, then a line for each job. An empty cell is a field that is not given.

    Commas, semicolons and tabs separate, whichever the first line uses. A cell of a field that is no text may hold
    JSON: a number, true, or a list. Lines whose cells are all empty count for nothing.
    """

    kind: str
    params: Mapping[str, Any]
    file: BinaryIO
    name: str
    strict: bool = False

    @property
    def asked(self) -> dict[str, Any]:
        """The common params, and the file's name."""
        return {"mode": "file", "format": "csv", "file": self.name, "params": dict(self.params)}

    def __iter__(self) -> Iterator[Item]:
        """Each line with a cell that is not empty."""
        self.file.seek(0)
        text = io.TextIOWrapper(self.file, "utf-8-sig", newline="")
        start = 1
        try:
            separator = _separator(text.readline(MAX_LINE))
            text.seek(0)
            reader = csv.reader(_lines(text), delimiter=separator, strict=True)
            names = self._header(next(reader, []))
            fields = kinds.schema(self.kind)["properties"]
            as_text = [_is_text(fields[name]) for name in names]
            start = reader.line_num + 1
            for cells in reader:
                if any(cells):
                    yield self._item(start, names, as_text, cells)
                start = reader.line_num + 1
        except UnicodeDecodeError as error:
            raise _unreadable(self._undecodable(), "This is not UTF-8 text. Save the file as CSV in UTF-8.") from error
        except csv.Error as error:
            raise _unreadable(start, f"This cannot be read as CSV: {error}.") from error
        finally:
            text.detach()

    def complain(self, item: Item, error: FieldError) -> FieldError:
        """By the line."""
        return {**error, "line": item.number}

    def fingerprint(self) -> str:
        """Over the file's bytes and the common params."""
        return _fingerprint("csv", self.params, self.file)

    def _undecodable(self) -> int:
        """The line where the text ends: decoding goes ahead of the reader by a buffer."""
        self.file.seek(0)
        decode, number = codecs.getincrementaldecoder("utf-8")().decode, 0
        while raw := self.file.readline(MAX_LINE):
            number += 1
            try:
                decode(raw)
            except UnicodeDecodeError:
                break
        return number

    def _header(self, cells: list[str]) -> list[str]:
        names = [cell.strip() for cell in cells]
        if not any(names):
            raise _unreadable(1, "The first line must name the fields: for example prompt,seed.")
        known = kinds.schema(self.kind)["properties"]
        wrong: list[FieldError] = []
        for column, name in enumerate(names, 1):
            if not name:
                wrong.append(_in_header("", f"Column {column} has no name."))
            elif names.index(name) < column - 1:
                wrong.append(_in_header(name[:100], f"Column {column} has the name of an earlier one."))
            elif name not in known:
                there = ", ".join(known)
                wrong.append(_in_header(name[:100], f"{self.kind} has no such setting. There are: {there}."))
        if wrong:
            told = wrong[0]["field"] and f" “{wrong[0]['field']}”"
            raise Invalid(
                f"The header has a wrong column{told}: {wrong[0]['message']} Nothing was queued.",
                code="bad_header",
                field=wrong[0]["field"] or None,
                errors=wrong[:100],
            )
        return names

    def _item(self, number: int, names: list[str], as_text: list[bool], cells: list[str]) -> Item:
        if len(cells) > len(names) and any(cells[len(names) :]):
            message = f"This line has {len(cells)} cells, and the header names {len(names)} fields."
            return Item(number, {}, {"field": "", "message": message})
        given = {
            name: cell if text else _json_or_text(cell)
            for name, text, cell in zip(names, as_text, cells, strict=False)
            if cell
        }
        return Item(number, {**self.params, **given})


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError("it names a field twice")
    return read


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number there")


def _why(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg[:1].lower()}{error.msg[1:]} at character {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """As iterating over the text does, but no line is read that is too long to hold."""
    number = 0
    while line := text.readline(MAX_LINE):
        number += 1
        if len(line) == MAX_LINE:
            raise _unreadable(number, f"This line is longer than {MAX_LINE >> 20} MB.")
        yield line


def _separator(header: str) -> str:
    used = max(",;\t", key=header.count)
    return used if used in header else ","


def _is_text(field: Mapping[str, Any]) -> bool:
    return "string" in {field.get("type"), *(each.get("type") for each in field.get("anyOf", []))}


def _json_or_text(cell: str) -> Any:
    try:
        return from_json(cell.strip())
    except ValueError:
        return cell.strip()


def _in_header(name: str, message: str) -> FieldError:
    return {"field": name, "message": message, "line": 1}


def _unreadable(line: int, message: str) -> Invalid:
    return Invalid(
        f"Line {line:,}: {message} Nothing was queued.",
        code="unreadable_file",
        errors=[{"field": "", "message": message, "line": line}],
    )


def _fingerprint(form: str, params: Mapping[str, Any], file: BinaryIO) -> str:
    file.seek(0)
    content = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it asks for readinto as well
    return hashlib.sha256(json.dumps([form, params, content], sort_keys=True).encode()).hexdigest()
