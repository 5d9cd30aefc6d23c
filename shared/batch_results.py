"""What a batch made: each number with its files, and all of them as one zip archive. In constant memory, but for the
archive's own table of contents.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from tempfile import TemporaryFile
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from pydantic_core import to_json

from shared import artifacts
from shared.batch import Batch, Result
from shared.batch_listing import every_item
from shared.db import Database
from shared.errors import NotFound
from shared.job import Artifact
from shared.storage import CHUNK, Storage

MANIFEST = "manifest.jsonl"

PACKED = {"output", "model"}
"""Roles of the files that an archive holds; logs and checkpoints are only named in its manifest."""

Describe = Callable[[Result], dict[str, Any]]


def results(db: Database, batch: Batch) -> Iterator[Result]:
    """Each number's latest job with its files, in order; previews are none."""
    for page in every_item(db, batch):
        files = artifacts.of_jobs(db, batch.owner_id, [job.id for job in page if job.attempt])
        for job in page:
            yield Result(job, [each for each in files.get(job.id, []) if each.role != "preview"])


def lines(found: Iterable[Result], describe: Describe) -> Iterator[bytes]:
    """The results as JSON lines."""
    for result in found:
        yield _line(describe(result))


def archive(storage: Storage, found: Iterable[Result], describe: Describe) -> Iterator[bytes]:
    """The results' files as a zip, made while it is sent; its last entry, the manifest, says what is what.

    `describe` gives a result's line of the manifest, with a list `artifacts`; each of these gets the `file` that it is
    in the archive, or null where it is not there.
    """
    sink = _Sink()
    with TemporaryFile() as manifest, ZipFile(sink, "w") as packed:
        for result in found:
            told = describe(result)
            for artifact, about in zip(result.artifacts, told["artifacts"], strict=True):
                about["file"] = None
                if artifact.role in PACKED:
                    name = file_name(result, artifact)
                    about["file"] = name if (yield from _pack(packed, sink, storage, artifact, name)) else None
            manifest.write(_line(told))
        manifest.seek(0)
        yield from _entry(
            packed, sink, ZipInfo(MANIFEST, _moment(datetime.now(UTC))), iter(lambda: manifest.read(CHUNK), b"")
        )
    yield from sink.taken()


def file_name(result: Result, artifact: Artifact) -> str:
    """Its name in the archive: the job's number, which file of several it is, and its own name, made safe anywhere."""
    safe = re.sub(r"[^\w.() -]", "_", artifact.name)[-120:].strip(". ") or "file"
    packed = [each.id for each in result.artifacts if each.role in PACKED]
    which = f"{packed.index(artifact.id) + 1}-" if len(packed) > 1 else ""
    return f"{result.job.batch_index or 0:05}-{which}{safe}"


def _pack(
    packed: ZipFile, sink: "_Sink", storage: Storage, artifact: Artifact, name: str
) -> Generator[bytes, None, bool]:
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
    yield from _entry(packed, sink, entry, chain([first], chunks))
    return True


def _entry(packed: ZipFile, sink: "_Sink", entry: ZipInfo, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with packed.open(entry, "w") as file:
        for chunk in chunks:
            file.write(chunk)
            yield from sink.taken()
    yield from sink.taken()


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


def _line(told: dict[str, Any]) -> bytes:
    return to_json(told, inf_nan_mode="null") + b"\n"
