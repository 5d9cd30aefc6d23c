"""The first rows of a table as a page shows them: CSV, JSON lines, or a JSON list of objects. Knows no storage."""

import ast
import csv
import json
from dataclasses import dataclass
from typing import Any

ROWS = 50
COLUMNS = 24
CELL = 300
"""Characters of a cell that are shown."""

CSV = {"text/csv": ",", "text/tab-separated-values": "\t"}
JSON_LINES = {"application/jsonl", "application/x-ndjson", "application/x-jsonlines", "application/json-lines"}


@dataclass(frozen=True)
class Table:
    """Some rows under their heads; `more` says that the file goes on."""

    heads: list[str]
    rows: list[list[str]]
    more: bool


def table(text: str, media_type: str, *, cut: bool = False) -> Table | None:
    """The rows at the beginning of a file, of which `text` may be the beginning only; None where it holds none."""
    try:
        if media_type in CSV:
            return _of_csv(text, CSV[media_type], cut=cut)
        if media_type in JSON_LINES:
            lines = text.split("\n")[:-1] if cut else text.split("\n")
            found = [json.loads(line) for line in lines[: ROWS + 1] if line.strip()]
        else:
            found = json.loads(text)
    except (ValueError, RecursionError, csv.Error):
        return None
    return _of_objects(found, cut=cut)


def numbers(head: bytes) -> str | None:
    """Shape and type of the array in a .npy file, from its first bytes (numpy.lib.format); None where it is none."""
    if head[:6] != b"\x93NUMPY" or len(head) < 12:
        return None
    wide = head[6] > 1
    start = 12 if wide else 10
    length = int.from_bytes(head[8:start], "little")
    try:
        about = ast.literal_eval(head[start : start + length].decode("latin-1").strip())
        shape = " × ".join(str(int(each)) for each in about["shape"]) or "1"
        return f"{shape} · {about['descr']}"
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError):
        return None


def _of_csv(text: str, between: str, *, cut: bool) -> Table | None:
    lines = text.splitlines(keepends=True)
    reader = csv.reader(lines[:-1] if cut and len(lines) > 1 else lines, delimiter=between)
    found = [row for row, _ in zip(reader, range(ROWS + 2), strict=False)]
    if len(found) < 2:
        return None
    return Table(
        [_cell(each) for each in found[0][:COLUMNS]],
        [[_cell(each) for each in row[:COLUMNS]] for row in found[1 : ROWS + 1]],
        more=cut or len(found) > ROWS + 1,
    )


def _of_objects(found: Any, *, cut: bool) -> Table | None:
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        return None
    shown = found[:ROWS]
    heads = list(dict.fromkeys(name for each in shown for name in each))[:COLUMNS]
    rows = [[_cell(each.get(name, "")) for name in heads] for each in shown]
    return Table(heads, rows, more=cut or len(found) > ROWS)


def _cell(value: Any) -> str:
    """A value in one cell: text as it is, a number short, anything nested as JSON."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, float):
        text = f"{value:.6g}"
    else:
        text = "" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= CELL else f"{text[:CELL]}…"
