"""Small pictures of pictures and films, made once, where they are saved: a list of results never opens a large one."""

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
    """The size of a picture or of a film, and its thumbnail where it needs one; a film always does."""

    width: int
    height: int
    thumbnail: Path | None


def measure(path: Path, media_type: str = "image/*") -> Measured | None:
    """Size and thumbnail of a picture or film file, the thumbnail beside it; None where it cannot be read as one.

    A result is never lost for want of its thumbnail.
    """
    try:
        if media_type.startswith("video/"):
            # With the engines comes a model library, which only the process that runs jobs may load.
            from worker.engines.film import poster  # noqa: PLC0415 - see above

            return _measured(poster(path), path)
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened)
            if max(upright.size) <= SIDE and path.stat().st_size <= ENOUGH:
                return Measured(*upright.size, None)
            return _measured(upright, path)
    except Exception:
        log.exception("no thumbnail of %s", path.name)
        return None


def _measured(picture: Image.Image, path: Path) -> Measured:
    small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    small.thumbnail((SIDE, SIDE))
    thumbnail = path.with_name(f"{path.name}.thumbnail.webp")
    small.save(thumbnail, "WEBP", quality=80)
    return Measured(*picture.size, thumbnail)
