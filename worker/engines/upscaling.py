"""Enlarging pictures with a super-resolution network, tile by tile, so that memory does not grow with the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from PIL import Image

from shared.errors import JobError
from worker.engines.loading import Models, check_task, reading
from worker.engines.ncnn import NcnnNet

if TYPE_CHECKING:
    from shared.library import ModelSource

#: Pixels of the small picture: what one pass covers, and what it sees beyond so that no seam shows.
TILE, MARGIN = 128, 16


@dataclass(frozen=True)
class Upscaler:
    """A network that enlarges by a fixed factor."""

    net: NcnnNet
    factor: int
    device: str

    def enlarge(self, image: Image.Image, factor: int, on_tile: Callable[[int, int], object]) -> Image.Image:
        """The picture, `factor` times as large. `on_tile(done, total)` is called after every tile."""
        pixels = torch.from_numpy(np.asarray(image.convert("RGB")).copy())
        height, width = pixels.shape[:2]
        large = torch.empty(height * self.factor, width * self.factor, 3, dtype=torch.uint8)
        tiles = list(_tiles(height, width))
        for done, (top, left) in enumerate(tiles, start=1):
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            region = self._tile(pixels, top, left, bottom, right)
            large[_span(top, bottom, self.factor), _span(left, right, self.factor)] = region
            on_tile(done, len(tiles))
        enlarged = Image.fromarray(large.numpy())
        if factor == self.factor:
            return enlarged
        return enlarged.resize((width * factor, height * factor), Image.Resampling.LANCZOS)

    def _tile(self, pixels: torch.Tensor, top: int, left: int, bottom: int, right: int) -> torch.Tensor:
        above, before = min(MARGIN, top), min(MARGIN, left)
        seen = pixels[top - above : bottom + MARGIN, left - before : right + MARGIN]
        image = seen.to(self.device).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            made: torch.Tensor = self.net(image)[0].clamp(0, 1).mul(255).round().to(torch.uint8)
        made = made.permute(1, 2, 0).cpu()
        rows = _span(above, above + bottom - top, self.factor)
        return made[rows, _span(before, before + right - left, self.factor)]


def load_upscaler(source: ModelSource, device: str) -> Upscaler:
    """Load a network in ncnn's form."""
    if not source.file or not source.file.endswith(".param"):
        raise JobError("model_unsupported", f"“{source.name}” is not a super-resolution network in ncnn's form.")
    path = source.folder / source.file
    if not path.is_file() or not path.with_suffix(".bin").is_file():
        raise JobError("model_missing", f"The model “{source.name}” is not installed: its files are gone.")
    with reading(source):
        net = NcnnNet(path).eval().to(device)
        with torch.inference_mode():
            factor = net(torch.zeros(1, 3, 8, 8, device=device)).shape[-1] // 8
    return Upscaler(net, factor, device)


class Asked(Protocol):
    """What a job may ask for: None leaves it to the model."""

    @property
    def upscale(self) -> int | None:
        """By how much to enlarge."""

    @property
    def upscaler(self) -> str | None:
        """The name of the network."""


def enlarger(
    asked: Asked, factor: int, usual: str, models: Models, on_tile: Callable[[int, int], object]
) -> tuple[int, Callable[[Image.Image], Image.Image]]:
    """By how much pictures are enlarged, and what does it, with the `usual` network where the job names none.

    Where that is not there and only the model wished for it, pictures stay as they are: they are whole without it.
    """
    if factor == 1:
        return 1, _unchanged
    try:
        source = check_task(models.model(asked.upscaler or usual), "upscale")
    except JobError:
        if asked.upscale or asked.upscaler:
            raise
        return 1, _unchanged
    # Its weights are 16-bit in the file.
    weights = (source.folder / (source.file or "")).with_suffix(".bin")
    size = 2 * weights.stat().st_size if weights.is_file() else 0
    upscaler = models.resident(source.key, lambda: load_upscaler(source, models.device), size)
    return factor, lambda image: upscaler.enlarge(image, factor, on_tile)


def _unchanged(image: Image.Image) -> Image.Image:
    return image


def _tiles(height: int, width: int) -> Iterator[tuple[int, int]]:
    return ((top, left) for top in range(0, height, TILE) for left in range(0, width, TILE))


def _span(start: int, end: int, factor: int) -> slice:
    return slice(start * factor, end * factor)
