"""Uploads that come in pieces: what has arrived so far, in files of this installation's home, for an hour.

Two files for each: what is known of it, and the bytes. Knows no HTTP, no row, and not what is in them.
"""

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

from shared.errors import Conflict, NotFound, TooMany
from shared.ids import is_id, new_id

LIFE_S = 3600.0
"""Seconds after its last piece that an upload is kept for."""

MOST = 16
"""Unfinished uploads of one owner at a time."""


@dataclass(frozen=True)
class Staged:
    """An upload that comes in pieces. `artifact_id` is what became of it, once all of it was there."""

    id: str
    length: int
    name: str
    media_type: str
    sha256: str | None
    artifact_id: str | None = None


class Staging:
    """The unfinished uploads of an installation, each in a folder under its owner's."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "uploads"

    def begin(self, owner_id: str, length: int, name: str, media_type: str, sha256: str | None) -> Staged:
        """A place for an upload of `length` bytes.

        Raises:
            TooMany: the owner has begun too many that are not finished.
        """
        self.forget()
        own = self.place(owner_id)
        if len(list(own.glob("*/bytes"))) >= MOST:
            raise TooMany(
                f"{MOST} uploads are unfinished, which is the most. Finish one, or give one up.",
                code="too_many_uploads",
                retry_after=60,
            )
        staged = Staged(new_id("upl"), length, name, media_type, sha256)
        folder = own / staged.id
        folder.mkdir(mode=0o700)
        (folder / "bytes").touch(mode=0o600)
        self._note(folder, staged)
        return staged

    def place(self, owner_id: str) -> Path:
        """A folder for what arrives at once: should the process be killed, what it leaves there goes as well."""
        own = self._folder / owner_id
        own.mkdir(parents=True, exist_ok=True, mode=0o700)
        return own

    def get(self, owner_id: str, upload_id: str) -> Staged:
        """Raises NotFound where there is none, where it is somebody else's, and where its hour is over."""
        folder = self._folder / owner_id / upload_id
        if is_id(upload_id) and not _is_over(folder):
            try:
                return Staged(**json.loads((folder / "about.json").read_text("utf-8")))
            except (FileNotFoundError, NotADirectoryError):
                pass
        raise NotFound("There is no such unfinished upload; begin it anew.")

    def offset(self, owner_id: str, staged: Staged) -> int:
        """How many bytes have arrived."""
        return staged.length if staged.artifact_id else self.bytes_of(owner_id, staged).stat().st_size

    def expires_at(self, owner_id: str, staged: Staged) -> float:
        """When it goes, in seconds of the epoch, if nothing more comes."""
        return (self._folder / owner_id / staged.id / "about.json").stat().st_mtime + LIFE_S

    def bytes_of(self, owner_id: str, staged: Staged) -> Path:
        """The file with what has arrived."""
        return self._folder / owner_id / staged.id / "bytes"

    @contextmanager
    def appending(self, owner_id: str, staged: Staged) -> Iterator[BinaryIO]:
        """Its bytes, open at their end, by one writer at a time. What is written stays, however the block ends.

        Raises:
            Conflict: another request is writing to it.
        """
        path = self.bytes_of(owner_id, staged)
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Conflict("Another request is sending this upload just now.", code="upload_busy") from error
            (path.parent / "about.json").touch()
            yield file

    def finish(self, owner_id: str, staged: Staged, artifact_id: str) -> None:
        """Remember what became of it, in place of its bytes."""
        folder = self._folder / owner_id / staged.id
        self._note(folder, replace(staged, artifact_id=artifact_id))
        (folder / "bytes").unlink(missing_ok=True)

    def drop(self, owner_id: str, upload_id: str) -> None:
        """Give it up; raises NotFound where there is none."""
        staged = self.get(owner_id, upload_id)
        shutil.rmtree(self._folder / owner_id / staged.id, ignore_errors=True)

    def forget(self) -> None:
        """Delete those whose hour is over."""
        for folder in self._folder.glob("*/*"):
            if _is_over(folder):
                if folder.is_dir():
                    shutil.rmtree(folder, ignore_errors=True)
                else:
                    folder.unlink(missing_ok=True)

    def _note(self, folder: Path, staged: Staged) -> None:
        partial = folder / "about.part"
        partial.write_text(json.dumps(asdict(staged)), "utf-8")
        partial.replace(folder / "about.json")


def _is_over(folder: Path) -> bool:
    """A folder without a note is one that is just being made, or half deleted."""
    for path in (folder / "about.json", folder):
        try:
            return path.stat().st_mtime < time.time() - LIFE_S
        except (FileNotFoundError, NotADirectoryError):
            continue
    return True
