"""Pictures for tests: read from what a kind saved, and made to be given to one."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from tests.kinds.context import FakeContext, Saved


def image_of(saved: Saved) -> Image.Image:
    """The saved picture."""
    return Image.open(io.BytesIO(saved.data))


def pixels_of(saved: Saved) -> np.ndarray:
    """The saved picture's pixels, as whole numbers that may be subtracted."""
    return np.asarray(image_of(saved)).astype(int)


def scene(width: int, height: int) -> Image.Image:
    """A ball on a slope of colour."""
    y, x = np.mgrid[0:height, 0:width]
    ball = np.hypot(x - width / 2, y - height / 2) < min(width, height) / 3
    return Image.fromarray(np.stack([x * 255 // width, y * 255 // height, ball * 255], -1).astype(np.uint8))


def half_mask(width: int, height: int) -> Image.Image:
    """White on the right half."""
    mask = Image.new("L", (width, height))
    mask.paste(255, (width // 2, 0, width, height))
    return mask


def give(ctx: FakeContext, picture: Image.Image, **settings: object) -> str:
    """Put the picture there as an artifact; its id, for the params."""
    path = Path(ctx.workdir) / f"given-{len(ctx.inputs)}.png"
    picture.save(path, "PNG", **settings)
    return ctx.give(path, "image/png")
