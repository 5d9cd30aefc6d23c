"""Rows and files of a dataset read from the object store, without fetching all of it.

A dataset's archive is not compressed, so a page of rows is a piece of it, and so is a picture.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

from shared.dataset import DatasetVersion, Split
from shared.errors import Invalid, NotFound
from shared.storage import Storage

MAX_PAGE = 100
#: Bytes that are read for a page at most: rows are of any length.
_PIECE = 4 << 20


@dataclass(frozen=True)
class RowPage:
    """Some rows of a split, and the cursor of the next page if there is one."""

    rows: list[dict[str, Any]]
    next: str | None


def page(
    storage: Storage, key: str, version: DatasetVersion, split: Split, cursor: str | None = None, limit: int = 20
) -> RowPage:
    """The rows of a split from a cursor on.

    Raises:
        Invalid: the cursor is not one that a page gave.
    """
    start, size = version.report.get("places", {}).get(split, (0, 0))
    begun = _offset(cursor, size)
    limit = max(1, min(limit, MAX_PAGE))
    if not size:
        return RowPage([], None)
    end = min(size, begun + _PIECE)
    piece = b"".join(storage.stream(key, start + begun, start + end))
    # A row that the end of the piece cuts is the next page's first; one alone that is longer is left out.
    lines = piece.split(b"\n")[:-1][:limit]
    try:
        rows = [json.loads(line) for line in lines]
    except ValueError as error:
        raise _foreign() from error
    read = begun + sum(len(line) + 1 for line in lines) if lines else end
    return RowPage(rows, str(read) if read < size else None)


def file(storage: Storage, key: str, size: int, name: str) -> bytes:
    """A file of a dataset whose archive has `size` bytes.

    Raises:
        NotFound: there is no such file in it.
    """
    with zipfile.ZipFile(_Piecewise(storage, key, size)) as archive:
        try:
            return archive.read(f"files/{name}")
        except KeyError as error:
            raise NotFound("The dataset has no such file.") from error


def _offset(cursor: str | None, size: int) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or not 0 < int(cursor[:18]) < size:
        raise _foreign()
    return int(cursor[:18])


def _foreign() -> Invalid:
    return Invalid("This cursor is not one of ours; take it from the last page's `next`.", field="cursor")


class _Piecewise(io.RawIOBase):
    """An object of the store as a file: only what is asked for is read."""

    def __init__(self, storage: Storage, key: str, size: int) -> None:
        self._storage, self._key, self._size, self._at = storage, key, size, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._size, self._at + size)
        if end <= self._at:
            return b""
        piece = b"".join(self._storage.stream(self._key, self._at, end))
        self._at += len(piece)
        return piece
