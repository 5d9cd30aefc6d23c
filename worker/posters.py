"""The small picture of a film: its first frame, made once, where the film is saved."""

import logging
from pathlib import Path

import av

from shared import thumbnails
from shared.thumbnails import Measured

log = logging.getLogger(__name__)


def measure(film: Path) -> Measured | None:
    """Size and poster of a film, the poster beside it; None where it cannot be read as one.

    A result is never lost for want of its poster.
    """
    try:
        with av.open(str(film)) as opened:
            first = next(opened.decode(video=0))
            poster = thumbnails.shrunk(first.to_image(), film.with_name(f"{film.name}.thumbnail.webp"))
            return Measured(first.width, first.height, poster)
    except Exception:
        log.exception("no poster of %s", film.name)
        return None
