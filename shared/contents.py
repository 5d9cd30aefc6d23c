"""What a file shows or sounds like, as a hash: the same whatever metadata, label or signature it carries."""

import hashlib
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from shared.xmp import boxes

_CHUNK = 1 << 20


def content_hash(path: Path, media_type: str) -> str:
    """SHA-256 of a picture's size and pixels, a WAV's samples, an MP4's streams; of other files, all their bytes.

    Raises:
        Exception: the file is not of that type; each reader has its own.
    """
    digest = hashlib.sha256()
    if media_type.startswith("image/"):
        with Image.open(path) as image:
            pixels = image.convert("RGBA" if image.has_transparency_data else "RGB")
        digest.update(f"{pixels.mode} {pixels.width} {pixels.height} ".encode())
        digest.update(pixels.tobytes())
    elif media_type == "audio/wav":
        with wave.open(str(path)) as sound:
            digest.update(f"{sound.getnchannels()} {sound.getsampwidth()} {sound.getframerate()} ".encode())
            while frames := sound.readframes(_CHUNK):
                digest.update(frames)
    elif media_type == "video/mp4":
        with path.open("rb") as file:
            for name, start, size in boxes(file):
                if name == b"mdat":
                    for chunk in _read(file, start, size):
                        digest.update(chunk)
    else:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return digest.hexdigest()


def _read(file: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    file.seek(start)
    while size > 0 and (chunk := file.read(min(size, _CHUNK))):
        size -= len(chunk)
        yield chunk
