"""Pictures as a painter gets them: upright, without transparency, of a size that the model can work on."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from shared.errors import JobError


@dataclass(frozen=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int


def open_picture(path: Path, *, field: str) -> Image.Image:
    """The picture in a file as RGB: turned the way it was held, on white where it is transparent.

    Raises:
        JobError: the file is no picture that can be read; `field` is the param that named it.
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            seen = upright.convert("RGBA")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise JobError("bad_input", "The file cannot be read as a picture.", field=field) from error
    white = Image.new("RGBA", seen.size, "white")
    return Image.alpha_composite(white, seen).convert("RGB")


def size_for(picture: Image.Image, *, longest: int, multiple: int) -> Size:
    """The picture's size in whole multiples, made smaller until its longer side is at most `longest`."""
    scale = min(1.0, longest / max(picture.size))
    width, height = (max(multiple, round(side * scale / multiple) * multiple) for side in picture.size)
    return Size(width, height)


def fit(picture: Image.Image, size: Size) -> Image.Image:
    """The picture in that size: cut at two sides where the shapes differ, never stretched."""
    if picture.size == (size.width, size.height):
        return picture
    return ImageOps.fit(picture, (size.width, size.height), Image.Resampling.LANCZOS)


def as_mask(picture: Image.Image, size: Size) -> Image.Image:
    """Black and white alone, in that size: white is where to paint anew."""
    return fit(picture.convert("L"), size).point(lambda value: 255 if value >= 128 else 0)
