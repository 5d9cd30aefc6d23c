"""Unpacking of zip files that came from outside this machine: whole, bounded, and never out of their folder."""

import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from shared.errors import JobError

MAX_FILES = 2_000
MAX_BYTES = 200 << 30
MAX_RATIO = 200
"""A member that unpacks to more than this many times its size is a bomb."""


MAX_DATASET_FILES = 1_000_000
"""Of the archive of a dataset: a picture is a file."""


def unpack_model(archive: Path, folder: Path) -> None:
    """Unpack a zipped model folder; `folder` appears whole or not at all.

    Raises:
        JobError: the archive is damaged, hostile, or larger than the limits.
    """
    _unpack(archive, folder, "model", MAX_FILES)


def unpack_dataset(archive: Path, folder: Path) -> None:
    """The same of a dataset. Raises JobError as `unpack_model`."""
    _unpack(archive, folder, "dataset", MAX_DATASET_FILES)


def _unpack(archive: Path, folder: Path, what: str, most: int) -> None:
    # A folder of this process's own, then one rename: another worker may unpack the same at this moment.
    partial = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        with zipfile.ZipFile(archive) as opened:
            _check(opened.infolist(), what, most)
            for member in opened.infolist():
                _extract(opened, member, partial)
        partial.replace(folder)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError, OSError) as error:
        if not folder.is_dir():
            raise JobError("bad_archive", f"The {what} archive cannot be unpacked: it is damaged or locked.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    if member.is_dir():
        return
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)


def _check(members: list[zipfile.ZipInfo], what: str, most: int) -> None:
    if len(members) > most or sum(member.file_size for member in members) > MAX_BYTES:
        raise JobError("bad_archive", f"The {what} archive is larger than this installation unpacks.")
    for member in members:
        path = PurePosixPath(member.filename)
        is_link = (member.external_attr >> 16) & 0o170000 == 0o120000
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename or is_link:
            raise JobError(
                "bad_archive", f"The {what} archive holds a path that leaves its folder: {member.filename!r}."
            )
        if member.file_size > 1 << 20 and member.file_size > MAX_RATIO * max(member.compress_size, 1):
            raise JobError("bad_archive", f"{member.filename!r} unpacks to far more than it should.")
