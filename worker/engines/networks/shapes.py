"""What the picture networks have in common: their config, and how a class is told to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

#: Sides of the pictures, in pixels.
SIZES = (8, 16, 32, 64, 128, 256)
#: The side of the smallest map, where convolutions end and a vector begins.
CORE = 4
#: Bounds on what a config may ask for, so that none asks for all memory there is.
_MAX_LATENT, _MAX_WIDTH, _MAX_CLASSES = 2048, 512, 100_000


@dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """Pictures of `size` × `size` pixels with 1 or 3 channels, from vectors of `latent` numbers.

    `width` is the number of feature maps at the largest size. With `classes`, a picture is of one of them.
    """

    size: int
    channels: int
    latent: int
    width: int
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.size not in SIZES or self.channels not in {1, 3}:
            raise ValueError(f"Pictures have a side of {SIZES} pixels, and 1 or 3 channels.")
        if not (0 < self.latent <= _MAX_LATENT and 0 < self.width <= _MAX_WIDTH and len(self.classes) <= _MAX_CLASSES):
            raise ValueError("The latent size, the width or the number of classes is beyond all bounds.")

    @property
    def widths(self) -> list[int]:
        """Feature maps at each size, from the picture down to the core: doubling, eightfold at most."""
        halvings = SIZES.index(self.size) + 1
        return [self.width * min(2**level, 8) for level in range(halvings)]

    @classmethod
    def read(cls, data: dict[str, Any]) -> PictureConfig:
        """The config in a model folder's `config.json`."""
        names = ("size", "channels", "latent", "width")
        return cls(**{name: int(data[name]) for name in names}, classes=tuple(map(str, data.get("classes") or ())))


class ClassCode(nn.Module):
    """A class as one number in many places: a vector of zeros with a 1, or nothing where there are no classes."""

    def __init__(self, config: PictureConfig) -> None:
        super().__init__()
        self.count = len(config.classes)

    def forward(self, vectors: Tensor, labels: Tensor | None) -> Tensor:
        """The vectors [N, D] with the classes [N] behind them: [N, D + classes]."""
        if not self.count:
            return vectors
        if labels is None:
            raise ValueError("This network needs a class for every picture.")
        return torch.cat([vectors, nn.functional.one_hot(labels, self.count).to(vectors.dtype)], 1)
