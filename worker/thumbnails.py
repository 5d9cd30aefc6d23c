"""Small pictures of what a worker made, pictures and films, made once, where they are saved."""

import logging
from pathlib import Path

from shared import thumbnails
from shared.thumbnails import Measured

log = logging.getLogger(__name__)


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
