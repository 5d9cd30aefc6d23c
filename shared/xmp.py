"""XMP packets in and out of files, without touching picture or sound: PNG, JPEG, WAV and MP4.

Where a packet stands in each is Adobe's: XMP Specification Part 3, Storage in Files (2020). What is in the packet is
not this module's business.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MEDIA_TYPES = ("image/png", "image/jpeg", "audio/wav", "video/mp4")

MAX_PACKET = 60_000
"""Bytes: what fits into one segment of a JPEG, and far more than we write."""

_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_PNG_KEYWORD = b"XML:com.adobe.xmp"
_JPEG_HEAD = b"http://ns.adobe.com/xap/1.0/\x00"
_MP4_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def embed(path: Path, media_type: str, packet: bytes) -> None:
    """Write a packet into a file of one of MEDIA_TYPES that has none.

    Raises:
        ValueError: the file is not of that form, or the packet is too long.
    """
    if len(packet) > MAX_PACKET:
        raise ValueError("The XMP packet is too long.")
    match media_type:
        case "image/png":
            data = path.read_bytes()
            if not data.startswith(_PNG_HEAD):
                raise ValueError("This is no PNG.")
            end = 8 + 12 + 13  # the signature and the header chunk, which always comes first
            path.write_bytes(data[:end] + _png_chunk(packet) + data[end:])
        case "image/jpeg":
            data = path.read_bytes()
            if not data.startswith(b"\xff\xd8"):
                raise ValueError("This is no JPEG.")
            path.write_bytes(data[:2] + _jpeg_segment(packet) + data[2:])
        case "audio/wav":
            _append_to_riff(path, packet)
        case "video/mp4":
            with path.open("ab") as file:
                file.write(struct.pack(">I4s", 24 + len(packet), b"uuid") + _MP4_UUID + packet)
        case _:
            raise ValueError(f"A file of type {media_type} cannot carry XMP here.")


def extract(path: Path) -> bytes | None:
    """The packet of a file, told by its first bytes; None where it has none, or is of no known form."""
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        if head.startswith(_PNG_HEAD):
            return _from_png(file)
        if head.startswith(b"\xff\xd8"):
            return _from_jpeg(file)
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            return _from_wav(file)
        if head[4:8] == b"ftyp":
            return _from_mp4(file)
    return None


def _png_chunk(packet: bytes) -> bytes:
    # Keyword, then: not compressed, by method 0, in no language, with no translated keyword.
    body = b"iTXt" + _PNG_KEYWORD + bytes(5) + packet
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _jpeg_segment(packet: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", 2 + len(_JPEG_HEAD) + len(packet)) + _JPEG_HEAD + packet


def _append_to_riff(path: Path, packet: bytes) -> None:
    with path.open("r+b") as file:
        if file.read(4) != b"RIFF":
            raise ValueError("This is no WAV.")
        end = file.seek(0, 2)
        file.write(bytes(end % 2) + b"_PMX" + struct.pack("<I", len(packet)) + packet + bytes(len(packet) % 2))
        size = file.tell() - 8
        file.seek(4)
        file.write(struct.pack("<I", size))


def _from_png(file: BinaryIO) -> bytes | None:
    file.seek(8)
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if name == b"iTXt" and size <= MAX_PACKET:
            body = file.read(size)
            if body.startswith(_PNG_KEYWORD + bytes(5)):
                return body[len(_PNG_KEYWORD) + 5 :]
            file.seek(4, 1)
        else:
            file.seek(size + 4, 1)
    return None


def _from_jpeg(file: BinaryIO) -> bytes | None:
    file.seek(2)
    while len(head := file.read(4)) == 4:
        marker, size = struct.unpack(">HH", head)
        if marker == 0xFFDA or not 0xFFC0 <= marker <= 0xFFFE:  # the picture itself begins
            return None
        body = file.read(size - 2)
        if marker == 0xFFE1 and body.startswith(_JPEG_HEAD):
            return body[len(_JPEG_HEAD) :]
    return None


def _from_wav(file: BinaryIO) -> bytes | None:
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"_PMX" and size <= MAX_PACKET:
            return file.read(size)
        file.seek(size + size % 2, 1)
    return None


def _from_mp4(file: BinaryIO) -> bytes | None:
    for name, start, size in boxes(file):
        if name == b"uuid" and size <= MAX_PACKET + 16:
            file.seek(start)
            if file.read(16) == _MP4_UUID:
                return file.read(size - 16)
    return None


def boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """The outermost boxes of an MP4: name, where the content begins, and its bytes. Stops where it makes no sense."""
    whole, at = file.seek(0, 2), 0
    while at + 8 <= whole:
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1 and at + 16 <= whole:
            size, head = struct.unpack(">Q", file.read(8))[0], 16
        elif size == 0:
            size = whole - at
        if size < head or at + size > whole:
            return
        yield name, at + head, size - head
        at += size
