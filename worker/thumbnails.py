"""Small pictures of pictures, made once, where they are saved: no page ever opens a large one for its list."""

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
            small = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
            small.thumbnail((SIDE, SIDE))
            path = picture.with_name(f"{picture.name}.thumbnail.webp")
            small.save(path, "WEBP", quality=80)
    except Exception:
        log.exception("no thumbnail of %s", picture.name)
        return None
    return Measured(width, height, path)
