"""The object store: a local folder or an S3 bucket behind one small interface (obstore).

Bytes are streamed in both directions; nothing here holds a whole file. Knows no jobs, owners or HTTP.
A store is opened in the process that uses it: an S3 client does not survive a fork.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from shared.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from obstore import GetOptions

CHUNK = 1 << 20
"""Bytes read or written at a time."""

_PART = 16 << 20
_PARTS_AT_ONCE = 4


@dataclass(frozen=True)
class Fingerprint:
    """Size in bytes and SHA-256 in hex of some content."""

    size: int
    sha256: str


def fingerprint(path: Path) -> Fingerprint:
    """Size and hash of a local file, read in chunks."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Fingerprint(size, digest.hexdigest())


class Storage:
    """Objects by key. Keys are made by this system only, never from a user's string."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"file", "s3"}:
            raise ValueError(f"STORAGE_URL must start with file:/// or s3://, not {url!r}.")
        if parts.scheme == "s3" and not parts.netloc:
            raise ValueError(f"STORAGE_URL names no bucket: s3://bucket/prefix, not {url!r}.")
        if parts.scheme == "file" and (parts.netloc or not parts.path):
            raise ValueError(f"STORAGE_URL must name a folder by its full path: file:///folder, not {url!r}.")
        self.url = url
        self.folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._opened: tuple[int, LocalStore | S3Store] | None = None

    def put(self, key: str, path: Path) -> None:
        """Store a local file under `key`; it is there whole, and on disk, or not at all.

        Raises:
            Unavailable: the store cannot be reached, is full, or kept another size than was sent.
        """
        size = path.stat().st_size
        with _reported():
            with path.open("rb") as file:
                obstore.put(self._store(), key, file, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)
            self._settle(key)
            kept = obstore.head(self._store(), key)["size"]
        if kept != size:
            raise Unavailable(f"The object store kept {kept} of {size} bytes.", code="storage_unavailable")

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes [start, end) of an object, a chunk at a time; all of them by default.

        Raises:
            NotFound: there is no such object.
            Unavailable: the store cannot be reached.
        """
        if self.folder is not None:
            yield from _stream_file(self.folder / key, start, end)
            return
        with _reported():
            span: GetOptions = {"range": (start, end) if end is not None else {"offset": start}}
            found = obstore.get(self._store(), key, options=span if start or end is not None else None)
            for chunk in found.stream(min_chunk_size=CHUNK):
                yield bytes(chunk)

    def fetch(self, key: str, path: Path, sha256: str) -> None:
        """Copy an object to a local file and check its hash.

        Raises:
            Unavailable: what arrived is not what was stored.
        """
        digest = hashlib.sha256()
        partial = path.with_name(path.name + ".part")
        with partial.open("wb") as file:
            for chunk in self.stream(key):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            partial.unlink()
            raise Unavailable("A stored file came back damaged (its hash differs).", code="storage_damaged")
        partial.replace(path)

    def exists(self, key: str) -> bool:
        """Whether there is an object under `key`."""
        with _reported():
            try:
                obstore.head(self._store(), key)
            except FileNotFoundError:
                return False
        return True

    def delete(self, key: str) -> None:
        """Remove an object; removing what is not there is no error."""
        with _reported():
            try:
                obstore.delete(self._store(), key)
            except FileNotFoundError:
                return

    def keys(self) -> Iterator[str]:
        """Every key in the store."""
        with _reported():
            for batch in obstore.list(self._store()):
                for each in batch:
                    yield str(each["path"])

    def _store(self) -> LocalStore | S3Store:
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), self._open())
        return self._opened[1]

    def _open(self) -> LocalStore | S3Store:
        if self.folder is not None:
            return LocalStore(self.folder, mkdir=True)
        return S3Store(
            self._bucket,
            prefix=self._prefix or None,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True, "connect_timeout": "2s", "timeout": "600s"},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
        )

    def _settle(self, key: str) -> None:
        """A local file is not stored before the disk has it; S3 answers only then."""
        if self.folder is None:
            return
        for path, flags in ((self.folder / key, os.O_RDONLY), ((self.folder / key).parent, os.O_DIRECTORY)):
            descriptor = os.open(path, flags)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


class _reported:  # noqa: N801 - reads as a statement: `with _reported():`
    """Turns the store's errors into ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise NotFound("The stored file is gone.", code="object_missing") from error
        if isinstance(error, BaseError | OSError):
            raise Unavailable("The object store cannot be reached just now.", code="storage_unavailable") from error


def _stream_file(path: Path, start: int, end: int | None) -> Iterator[bytes]:
    with _reported(), path.open("rb") as file:
        file.seek(start)
        left = end - start if end is not None else None
        while left is None or left > 0:
            chunk = file.read(CHUNK if left is None else min(CHUNK, left))
            if not chunk:
                return
            if left is not None:
                left -= len(chunk)
            yield chunk
