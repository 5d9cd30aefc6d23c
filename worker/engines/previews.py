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


def shower(path: Path, save: Callable[..., object], *, wanted: bool) -> Callable[[Preview], None]:
    """What is called with every preview that could be made, and makes one when it is due, if they are `wanted` at all.

    It writes a small JPEG to `path` and hands it to `save(path, role=…, media_type=…)`.
    """
    pace = Pace()

    def show(preview: Preview) -> None:
        if not (wanted and pace.due()):
            return
        with pace.spent():
            image = preview()
            if image is not None:
                save_preview(image, path)
                save(path, role="preview", media_type="image/jpeg")

    return show


class Pace:
    """When the next preview is due: at most one a second, and at most one thirtieth of the time spent on them."""

    def __init__(self) -> None:
        self._due = time.monotonic() + 1

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self._due

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Around the making of one preview."""
        started = time.monotonic()
        yield
        ended = time.monotonic()
        self._due = ended + max(1, 30 * (ended - started))
