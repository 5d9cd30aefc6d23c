"""Previews of what is being painted: made when one is due, so that they cost little of the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from worker.engines.pictures import save_preview

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

Preview = Callable[[], "Image.Image | None"]
"""What makes a preview where that can be done."""


Show = Callable[[Preview, float], None]
"""What is called with every preview that could be made, and with how much of the work is done, from 0 to 1."""


def shower(path: Path, save: Callable[..., object], *, wanted: bool) -> Show:
    """What makes a preview when one is due, if they are `wanted` at all.

    It writes a small JPEG to `path` and hands it to `save(path, role=…, media_type=…)`.
    """
    pace = Pace()

    def show(preview: Preview, done: float) -> None:
        if not (wanted and pace.due(done)):
            return
        with pace.spent():
            image = preview()
            if image is not None:
                save_preview(image, path)
                save(path, role="preview", media_type="image/jpeg")

    return show


class Pace:
    """When the next preview is due: at most one a second, at most one thirtieth of the time spent on them, and none
    where the result itself is about a second away."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._due = self._began + 1

    def due(self, done: float) -> bool:
        """Whether it is time, with so much of the work done, from 0 to 1."""
        now = time.monotonic()
        return now >= self._due and (now - self._began) * (1 - done) > done

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Around the making of one preview."""
        started = time.monotonic()
        yield
        ended = time.monotonic()
        self._due = ended + max(1, 30 * (ended - started))
