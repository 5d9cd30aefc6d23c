"""Zip archives made while they are sent: in constant memory, but for the archive's own table of contents."""

import re
from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from shared.errors import NotFound
from shared.job import Artifact
from shared.storage import Storage


def safe_name(name: str) -> str:
    """A name that is one on every system: no folders, no hidden file, of bounded length."""
    return re.sub(r"[^\w.() -]", "_", name)[-120:].strip(". ") or "file"


class ZipStream:
    """An archive whose bytes come as its entries are added; every method hands out what is ready."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._packed = ZipFile(self._sink, "w")

    def add(self, name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """An entry of these bytes."""
        return self._entry(ZipInfo(name, _moment(datetime.now(UTC))), chunks)

    def add_artifact(self, storage: Storage, artifact: Artifact, name: str) -> Generator[bytes, None, bool]:
        """One stored file as an entry. Returns whether its bytes are still there."""
        chunks = storage.stream(artifact.key)
        try:
            first = next(chunks, b"")
        except NotFound:
            return False
        entry = ZipInfo(name, _moment(artifact.created_at))
        entry.file_size = artifact.size  # which decides early whether the entry needs 64-bit sizes
        # Pictures, sound and models are compressed already, or do not become much smaller.
        text = artifact.media_type.startswith("text/") or "json" in artifact.media_type
        entry.compress_type = ZIP_DEFLATED if text else ZIP_STORED
        yield from self._entry(entry, chain([first], chunks))
        return True

    def end(self) -> Iterator[bytes]:
        """The table of contents."""
        self._packed.close()
        yield from self._sink.taken()

    def _entry(self, entry: ZipInfo, chunks: Iterable[bytes]) -> Iterator[bytes]:
        with self._packed.open(entry, "w") as file:
            for chunk in chunks:
                file.write(chunk)
                yield from self._sink.taken()
        yield from self._sink.taken()


class _Sink:
    """What `ZipFile` writes to: a file without a way back, whose content is taken away as it comes."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        self._waiting += data
        return len(data)

    def close(self) -> None:
        """There is nothing to close."""

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> Iterator[bytes]:
        """What was written since the last time, if anything was."""
        if self._waiting:
            yield bytes(self._waiting)
            self._waiting.clear()


def _moment(at: datetime) -> tuple[int, int, int, int, int, int]:
    return at.year, at.month, at.day, at.hour, at.minute, at.second
