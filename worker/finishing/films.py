"""Films, as they are finished: some frames are looked at, and where all must change the film is written anew."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from worker.engines.film import open_film, write_film

#: How often a frame is looked at, in seconds, and how many are at most.
_EVERY_S, _MOST = 1.0, 60


def worst(path: Path, score: Callable[[Image.Image], float]) -> float:
    """The highest score of some frames: one a second, of a long film sixty in all, and always the first."""
    with open_film(path) as film:
        step = max(round(film.fps * _EVERY_S), round(film.fps * film.seconds / _MOST), 1)
        return max(score(frame) for number, frame in enumerate(film.frames()) if number % step == 0)


def rewrite(path: Path, change: Callable[[Image.Image], Image.Image]) -> None:
    """Change every frame; the sound stays."""
    changed = path.with_name(f"{path.name}.changed.mp4")
    with open_film(path) as film:
        write_film(changed, map(change, film.frames()), film.fps, film.sound())
    changed.replace(path)
