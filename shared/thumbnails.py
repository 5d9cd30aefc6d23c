"""Small pictures of pictures, made once, where they are saved: no page ever opens a large one for its list.

Opens what a worker made or what the intake wrote anew, never what somebody sent.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

log = logging.getLogger(__name__)

SIDE = 512
"""Pixels of the longer side, at most."""

ENOUGH = 48 << 10
"""A picture that is this small in pixels and in bytes is its own thumbnail."""

MEDIA_TYPE = "image/webp"


@dataclass(frozen=True)
class Measured:
    """The size of a picture, and its thumbnail where it needs one."""

    width: int
    height: int
    thumbnail: Path | None


def measure(picture: Path) -> Measured | None:
    """Size and thumbnail of a picture file, the thumbnail beside it; None where it cannot be read as one.

    A result is never lost for want of its thumbnail.
    """
    try:
        with Image.open(picture) as opened:
            upright = ImageOps.exif_transpose(opened)
            width, height = upright.size
            if max(width, height) <= SIDE and picture.stat().st_size <= ENOUGH:
                return Measured(width, height, None)
            path = shrunk(upright, picture.with_name(f"{picture.name}.thumbnail.webp"))
    except Exception:
        log.exception("no thumbnail of %s", picture.name)
        return None
    return Measured(width, height, path)


def shrunk(picture: Image.Image, path: Path) -> Path:
    """The picture made small, written to `path`."""
    small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    small.thumbnail((SIDE, SIDE))
    small.save(path, "WEBP", quality=80)
    return path
