"""Archives: zips of files that belong together, judged whole before a byte is unpacked, and written anew.

An archive that means harm, in any of the ways that are known, is refused as a whole. The pictures and sounds within are
opened later, by `members`: of these, a bad one is only told.
"""

import shutil
import stat
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import IO

from shared.intake.caps import Caps
from shared.intake.made import Made
from shared.intake.refusal import Refusal

_CHUNK = 1 << 20
_END, _END_LENGTH, _LOCAL_LENGTH = b"PK\x05\x06", 22, 30
_MOMENT = (1980, 1, 1, 0, 0, 0)
_LONGEST_NAME = 300
#: What needs no ratio: so little text may well be of one letter.
_SMALL = 1 << 20
_NESTED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst", ".lz4", ".jar")
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ", b"BZh", b"(\xb5/\xfd")
_JUNK = {".ds_store", "thumbs.db", "desktop.ini"}


def read(source: Path, name: str, caps: Caps) -> Made:  # noqa: ARG001 - every reader is asked the same
    """The archive anew: the same files under the same names, and nothing else.

    Raises:
        Refusal: it is damaged, hostile, or too large.
    """
    target, files, size = Path("archive.zip"), 0, 0
    try:
        with zipfile.ZipFile(source) as opened, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as made:
            for entry, path in judged(opened, source, caps):
                anew = zipfile.ZipInfo(path, _MOMENT)
                anew.create_system, anew.external_attr, anew.file_size = 3, 0o644 << 16, entry.file_size
                with opened.open(entry) as file, made.open(anew, "w") as copy:
                    size += _copied(file, copy, path, caps.archive_total - size)
                files += 1
    except BROKEN as error:
        raise damaged() from error
    if not files:
        raise Refusal("bad_archive", "There are no files in the archive.")
    return Made(target.name, "application/zip", ".zip", meta={"files": files, "unpacked": size})


BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError)
"""What reading a damaged zip raises."""


def damaged() -> Refusal:
    """What is said of a zip that cannot be read."""
    return Refusal("bad_archive", "The archive cannot be read: it is damaged, cut off or of another format.")


def judged(opened: zipfile.ZipFile, source: Path, caps: Caps) -> list[tuple[zipfile.ZipInfo, str]]:
    """The files of an archive with their names, sorted, once its whole directory was found harmless.

    Raises:
        Refusal: the first fault, with the entry that has it.
    """
    entries = opened.infolist()
    if len(entries) > caps.archive_files:
        raise Refusal("bad_archive", f"The archive has {len(entries):,} files; {caps.archive_files:,} are the most.")
    found: list[tuple[zipfile.ZipInfo, str]] = []
    names = [_name(entry) for entry in entries]
    total = 0
    for entry, path in zip(entries, names, strict=True):
        _judge_entry(entry, path, caps)
        total += entry.file_size
        if total > caps.archive_total:
            most = caps.archive_total >> 20
            raise Refusal("bad_archive", f"The archive unpacks to more than {most:,} MB, which is the most.")
        if not entry.is_dir() and not _is_junk(path):
            found.append((entry, path))
    _judge_names(names)
    _judge_places(entries, source)
    return sorted(found, key=lambda each: each[1])


def _name(entry: zipfile.ZipInfo) -> str:
    """Its name as UTF-8. Some programs write that and do not say so."""
    raw = entry.orig_filename
    if not entry.flag_bits & 0x800 and not raw.isascii():
        try:
            raw = raw.encode("cp437").decode("utf-8")
        except UnicodeError as error:
            raise Refusal("bad_archive", f"The name {raw[:80]!r} in the archive is not UTF-8.") from error
    return raw


def _judge_entry(entry: zipfile.ZipInfo, path: str, caps: Caps) -> None:
    shown, parts = repr(path[:80]), path.removesuffix("/").split("/")
    if not path or len(path) > _LONGEST_NAME or not path.isprintable():
        raise Refusal("bad_archive", f"The archive holds a name that is empty, too long or not printable: {shown}.")
    if path.startswith("/") or {"..", ".", ""} & set(parts) or "\\" in path or path[1:2] == ":":
        raise Refusal("bad_archive", f"The archive holds a path that leaves its folder: {shown}.")
    form = stat.S_IFMT(entry.external_attr >> 16)
    if form not in {0, stat.S_IFREG, stat.S_IFDIR} or (form == stat.S_IFDIR) > entry.is_dir():
        raise Refusal("bad_archive", f"The archive holds a link or a device: {shown}.")
    if entry.flag_bits & 0x41:
        raise Refusal("bad_archive", f"{shown} in the archive is encrypted. Send it without a password.")
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise Refusal("bad_archive", f"{shown} is compressed in a way that is not taken here. Use plain zip (deflate).")
    if path.lower().endswith(_NESTED):
        raise Refusal("bad_archive", f"The archive holds another archive: {shown}. Send the files themselves.")
    if entry.file_size > caps.archive_ratio * max(entry.compress_size, 1) and entry.file_size > _SMALL:
        raise Refusal("bad_archive", f"{shown} unpacks to far more than it should.")


def _judge_names(paths: list[str]) -> None:
    """Raises Refusal where two names would be one file on some disk, or one file lies in another."""
    seen: dict[str, str] = {}
    for path in paths:
        plain = _plain(path)
        if plain in seen:
            told = "twice" if seen[plain] == path else f"and {seen[plain][:80]!r}, which differ in case alone"
            raise Refusal("bad_archive", f"The archive holds {path[:80]!r} {told}.")
        seen[plain] = path
    for path in paths:
        folder = _plain(path).rpartition("/")[0]
        if not seen.get(folder, "/").endswith("/"):
            raise Refusal("bad_archive", f"In the archive {path[:80]!r} lies within a file.")


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", path.rstrip("/")).casefold()


def _judge_places(entries: list[zipfile.ZipInfo], source: Path) -> None:
    """Raises Refusal where files lie over each other, or there is something before, between or behind them."""
    size = source.stat().st_size
    with source.open("rb") as file:
        file.seek(max(0, size - _END_LENGTH - 0xFFFF))
        tail = file.read()
        end = tail.rfind(_END)
        comment = int.from_bytes(tail[end + 20 : end + 22], "little")
        if end < 0 or len(tail) - end != _END_LENGTH + comment:
            raise Refusal("bad_archive", "There is something behind the end of the archive.")
        reached = 0
        for entry in sorted(entries, key=lambda each: each.header_offset):
            if entry.header_offset < reached:
                raise Refusal("bad_archive", f"Files of the archive overlap: {entry.filename[:80]!r}.")
            if reached == 0 and entry.header_offset:
                raise Refusal("bad_archive", "There is something before the beginning of the archive.")
            file.seek(entry.header_offset)
            header = file.read(_LOCAL_LENGTH)
            lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
            reached = entry.header_offset + _LOCAL_LENGTH + lengths + entry.compress_size
        if reached > size:
            raise Refusal("bad_archive", "The archive cannot be read: it is cut off.")


def _is_junk(path: str) -> bool:
    """What operating systems leave in archives."""
    name = path.rpartition("/")[2].lower()
    return name in _JUNK or name.startswith("._") or path.startswith("__MACOSX/")


def _copied(file: IO[bytes], copy: IO[bytes], path: str, most: int) -> int:
    """Copy a member, and see that it is no archive itself and no more than its header says; how many bytes it has."""
    head = file.read(_CHUNK)
    if head.startswith(_ARCHIVES):
        raise Refusal("bad_archive", f"The archive holds another archive: {path[:80]!r}. Send the files themselves.")
    copy.write(head)
    size = len(head)
    while chunk := file.read(_CHUNK):
        size += len(chunk)
        if size > most:
            raise Refusal("bad_archive", f"{path[:80]!r} unpacks to far more than it should.")
        copy.write(chunk)
    return size


def unpack_one(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """One file of a judged archive, under a name that is ours."""
    with opened.open(entry) as file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy, _CHUNK)
