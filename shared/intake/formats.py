"""What a file from outside is taken for: by its first bytes, and only where these are text by its name and its type.

Nothing is decoded here. A file of bytes that no decoder here is meant for is refused before one is started.
"""

import mimetypes
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from shared.intake.refusal import Refusal

#: Which decoder opens it. Whether a container with sound and film is the one or the other, only its streams tell.
Way = Literal["picture", "stream", "text", "archive"]

HEAD = 4096
"""Bytes that are looked at."""


@dataclass(frozen=True)
class Format:
    """What a file is opened as: the one decoder or demultiplexer for it, and of a text its media type."""

    way: Way
    name: str


_PICTURES = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
_STREAMS = {b"fLaC": "flac", b"OggS": "ogg", b"ID3": "mp3", b"\x1aE\xdf\xa3": "matroska"}
_STILL = {b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"jxl "}
#: Formats that people send and that are not taken, so that the sentence can name them.
_FOREIGN = {
    b"GIF8": "A GIF", b"8BPS": "A Photoshop file", b"%!PS": "A PostScript file",
    b"\xc5\xd0\xd3\xc6": "A PostScript file",
    b"%PDF": "A PDF", b"II*\x00": "A TIFF", b"MM\x00*": "A TIFF", b"BM": "A BMP", b"SIMPLE  =": "A FITS file",
    b"\x00\x00\x01\x00": "An icon", b"\x00\x00\x00\x0cjP  ": "A JPEG 2000 picture", b"\xff\x0a": "A JPEG XL picture",
    b"\x1f\x8b": "A gzip archive", b"7z\xbc\xaf": "A 7z archive", b"Rar!": "A RAR archive",
}  # fmt: skip
_SUFFIXES = {
    ".csv": "text/csv", ".tsv": "text/tab-separated-values", ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl", ".vtt": "text/vtt", ".md": "text/markdown", ".markdown": "text/markdown",
    ".conll": "text/plain", ".bio": "text/plain", ".iob": "text/plain",
    ".txt": "text/plain", ".text": "text/plain", ".srt": "text/plain", ".json": "text/plain", ".log": "text/plain",
}  # fmt: skip
_TYPES = {
    "text/csv": "text/csv", "text/tab-separated-values": "text/tab-separated-values", "text/vtt": "text/vtt",
    "text/markdown": "text/markdown", "text/plain": "text/plain", "application/jsonl": "application/jsonl",
    "application/x-ndjson": "application/jsonl", "application/x-jsonlines": "application/jsonl",
    "application/json-lines": "application/jsonl", "application/json": "text/plain",
    "application/x-subrip": "text/plain",
}  # fmt: skip
_UNSAID = {"", "application/octet-stream", "application/x-www-form-urlencoded", "binary/octet-stream"}

_TAKEN = {
    "image": "Send a PNG, JPEG or WebP.",
    "audio": "Send a WAV, FLAC, MP3, Ogg or M4A.",
    "video": "Send an MP4, MOV, WebM or MKV.",
}


def tell(path: Path, name: str, media_type: str) -> Format:
    """What the file is taken for; `name` and `media_type` are what its sender says of it.

    Raises:
        Refusal: it is empty, or of no format that is taken here.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise Refusal("empty_file", "The file is empty.")
    binary = _binary(head)
    if binary is not None:
        return binary
    said = media_type.partition(";")[0].strip().lower()
    suffix = PurePath(name).suffix.lower()
    medium = (mimetypes.guess_type(name)[0] or said if said in _UNSAID else said).partition("/")[0]
    what = next((words for magic, words in _FOREIGN.items() if head.startswith(magic)), None)
    text = None if what or medium in _TAKEN else _text(said, suffix)
    if text is not None and (b"\0" not in head or head[:2] in {b"\xff\xfe", b"\xfe\xff"}):
        return Format("text", text)
    raise unsupported(medium if medium in _TAKEN else "image" if what and "archive" not in what else "", what)


def unsupported(medium: str, what: str | None = None) -> Refusal:
    """What is said of a file that nothing here opens; `medium` is what it was to be, where that is known."""
    first = f"{what} is not taken here." if what else "The file is not in a format that is taken here."
    return Refusal(f"unsupported_{medium or 'file'}", f"{first} {_TAKEN.get(medium) or _ANY}")


_ANY = (
    "Send a picture (PNG, JPEG, WebP), a sound (WAV, FLAC, MP3, Ogg, M4A), a film (MP4, MOV, WebM, MKV), a text, "
    "or a zip."
)


def _binary(head: bytes) -> Format | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Format("archive", "zip")
    for magic, name in _PICTURES.items():
        if head.startswith(magic):
            return Format("picture", name)
    if head[:4] == b"RIFF":
        form = {b"WEBP": Format("picture", "WEBP"), b"WAVE": Format("stream", "wav")}
        return form.get(head[8:12])
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide"}:
        return None if head[8:12] in _STILL else Format("stream", "mov")
    for magic, name in _STREAMS.items():
        if head.startswith(magic):
            return Format("stream", name)
    # An MPEG audio frame of layer III without a tag before it: eleven set bits, then version and layer.
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return Format("stream", "mp3")
    return None


def _text(said: str, suffix: str) -> str | None:
    """The media type of a text. Its name says more than its type: browsers know few suffixes."""
    if said in _TYPES or said in _UNSAID:
        by_name = _SUFFIXES.get(suffix)
        if by_name and (said in _UNSAID or said == "text/plain"):
            return by_name
        return _TYPES.get(said) or (by_name or ("text/plain" if not suffix else None))
    # Of other texts (programs, HTML) the words are taken and nothing else.
    return "text/plain" if said.startswith("text/") else None
