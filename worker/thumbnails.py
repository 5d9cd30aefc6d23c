"""Small pictures of what a worker made, pictures and films, made once, where they are saved."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from shared import thumbnails
from shared.artifacts import NewArtifact
from shared.thumbnails import Measured

log = logging.getLogger(__name__)


def pictured(new: NewArtifact, path: Path, keep: Callable[[Path], str]) -> NewArtifact:
    """An output that is a picture or a film gets its size and, where it needs one, a thumbnail: made once, here.

    `keep` takes the thumbnail's file for the upload, and gives its key.
    """
    if new.role != "output" or not new.media_type.startswith(("image/", "video/")):
        return new
    measured = measure(path, new.media_type)
    if measured is None:
        return new
    thumb_key = keep(measured.thumbnail) if measured.thumbnail else None
    return replace(new, width=measured.width, height=measured.height, thumb_key=thumb_key)


def measure(path: Path, media_type: str = "image/*") -> Measured | None:
    """Size and thumbnail of a picture or film file, the thumbnail beside it; None where it cannot be read as one.

    A result is never lost for want of its thumbnail.
    """
    if not media_type.startswith("video/"):
        return thumbnails.measure(path)
    try:
        # With the engines comes a model library, which only the process that runs jobs may load.
        from worker.engines.film import poster  # noqa: PLC0415 - see above

        first = poster(path)
        return Measured(*first.size, thumbnails.shrunk(first, path.with_name(f"{path.name}.thumbnail.webp")))
    except Exception:
        log.exception("no thumbnail of %s", path.name)
        return None
