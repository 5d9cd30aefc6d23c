"""Pictures to learn from: a folder's rows as one tensor of bytes, all of one size, grey where all are grey."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from shared.errors import JobError
from worker.engines.canvases import open_picture

Colours = Literal["auto", "grey", "colour"]
Fitting = Literal["crop", "pad"]

#: Bytes that all pictures of a split may take together.
_MAX_BYTES = 8 * 2**30
#: The share of a GPU's free memory that the pictures may take; larger sets stay in the computer's.
_RESIDENT_SHARE = 0.25
#: Pictures that are looked at to choose a size, and that are read between two looks at the wish to cancel.
_SEEN, _APART = 200, 100
#: Pictures of a sheet, from left to right.
COLUMNS = 8
_GAP = 2


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures [N, channels, size, size] as bytes, with the names of their files, and a class or caption for each."""

    pixels: Tensor
    names: Sequence[str]
    classes: tuple[str, ...] = ()
    labels: Tensor | None = None
    captions: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def size(self) -> int:
        """The side of every picture."""
        return int(self.pixels.shape[-1])

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return int(self.pixels.shape[1])

    def take(self, rows: Sequence[int], device: str, mirrored: Tensor | None = None) -> Tensor:
        """Some pictures in -1 to 1 on the device, those that are `mirrored` [len(rows)] from left to right."""
        at = torch.tensor(list(rows), device=self.pixels.device)
        taken = self.pixels[at].to(device).float() / 127.5 - 1
        if mirrored is not None:
            taken = torch.where(mirrored.to(device)[:, None, None, None], taken.flip(-1), taken)
        return taken

    def labels_of(self, rows: Sequence[int], device: str) -> Tensor | None:
        """The classes of some pictures; None where they have none."""
        return None if self.labels is None else self.labels[list(rows)].to(device)

    def near(self, device: str) -> Pictures:
        """The same, in the device's own memory where there is room for them."""
        if not device.startswith("cuda"):
            return self
        fits = self.pixels.nbytes < _RESIDENT_SHARE * torch.cuda.mem_get_info()[0]
        return replace(self, pixels=self.pixels.to(device)) if fits else self

    def unclassed(self) -> Pictures:
        """The same without their classes."""
        return replace(self, classes=(), labels=None)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How to read: the side of the pictures (None takes one of `sizes` that suits them), their colours and shape."""

    size: int | None = None
    sizes: Sequence[int] = (8, 16, 32, 64, 128, 256)
    #: The size that is not exceeded where nobody asked for one.
    largest: int = 64
    colours: Colours = "auto"
    fitting: Fitting = "crop"


def read_pictures(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    reading: Reading,
    tick: Callable[[], None] = lambda: None,
    like: Pictures | None = None,
) -> Pictures:
    """Read the pictures that the rows name.

    Args:
        folder: where their files are.
        rows: `{"file", "label"}`, `{"file", "caption"}` or `{"file"}`.
        reading: how.
        tick: is called now and then, and may raise to end it.
        like: pictures that these are to be like in size, colours and classes; rows of other classes are left out.

    Raises:
        JobError: there are none, one cannot be read, or they are too many for the memory.
    """
    classes = like.classes if like else tuple(sorted({str(row["label"]) for row in rows if "label" in row}))
    if classes:
        rows = [row for row in rows if str(row.get("label")) in classes]
    if not rows and like is None:
        raise JobError("empty_dataset", "The dataset has no pictures to learn from.", field="dataset")
    size = like.size if like else reading.size or _suitable(folder, rows, reading)
    if len(rows) * 3 * size**2 > _MAX_BYTES:
        raise JobError("too_large", "The pictures do not fit in memory together. Choose a smaller size.", field="size")
    pixels = torch.empty(len(rows), 3, size, size, dtype=torch.uint8)
    for number, row in enumerate(rows):
        if number % _APART == 0:
            tick()
        pixels[number] = _bytes(_square(_open(folder, str(row["file"])), size, reading.fitting))
    grey = like.channels == 1 if like else _is_grey(pixels, reading.colours)
    return Pictures(
        pixels=_greyed(pixels) if grey else pixels,
        names=[Path(str(row["file"])).name for row in rows],
        classes=classes,
        labels=torch.tensor([classes.index(str(row["label"])) for row in rows]) if classes else None,
        captions=[str(row["caption"]) for row in rows] if rows and "caption" in rows[0] else (),
    )


def to_image(picture: Tensor) -> Image.Image:
    """A picture [channels, height, width] in -1 to 1."""
    values = ((picture.detach().float().clamp(-1, 1) + 1) * 127.5).round().to("cpu", torch.uint8)
    value = values.permute(1, 2, 0).numpy()
    return Image.fromarray(value.squeeze(-1) if value.shape[-1] == 1 else value)


def from_images(images: Sequence[Image.Image]) -> Tensor:
    """Pictures of one size as bytes [N, 3, height, width]."""
    return torch.stack([_bytes(image.convert("RGB")) for image in images])


def to_bytes(pictures: Tensor) -> Tensor:
    """Pictures in -1 to 1 as bytes."""
    return ((pictures.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def sheet(pictures: Sequence[Image.Image], path: Path, columns: int = COLUMNS) -> Path:
    """The pictures in rows as one PNG, with gaps; small ones are enlarged so that they can be seen."""
    width, height = pictures[0].size
    scale = max(1, 64 // max(width, height))
    columns = min(columns, len(pictures))
    lines = -(-len(pictures) // columns)
    wide, high = width * scale + _GAP, height * scale + _GAP
    whole = Image.new(pictures[0].mode, (columns * wide - _GAP, lines * high - _GAP), "grey")
    for number, picture in enumerate(pictures):
        place = (number % columns * wide, number // columns * high)
        whole.paste(picture.resize((width * scale, height * scale), Image.Resampling.NEAREST), place)
    whole.save(path, "PNG")
    return path


def _suitable(folder: Path, rows: Sequence[Mapping[str, Any]], reading: Reading) -> int:
    """The smallest of the sizes that shows the usual picture whole, or the largest allowed."""
    seen = rows[:: max(1, len(rows) // _SEEN)]
    sides = [min(_open(folder, str(row["file"])).size) for row in seen]
    usual = sorted(sides)[len(sides) // 2]
    allowed = [size for size in reading.sizes if size <= reading.largest]
    return next((size for size in allowed if size >= usual), allowed[-1])


def _open(folder: Path, name: str) -> Image.Image:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise JobError("bad_input", f"“{name}” is not a file of the dataset.", field="dataset")
    try:
        return open_picture(path, field="dataset")
    except JobError as error:
        raise JobError("bad_input", f"“{name}” cannot be read as a picture.", field="dataset") from error


def _square(picture: Image.Image, size: int, fitting: Fitting) -> Image.Image:
    if picture.size == (size, size):
        return picture
    if fitting == "crop":
        return ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    return ImageOps.pad(picture, (size, size), Image.Resampling.LANCZOS, color=_edge(picture))


def _edge(picture: Image.Image) -> tuple[int, ...]:
    """What to fill up with: the colour of the first corner, so that a white or black ground stays one."""
    corner = picture.getpixel((0, 0))
    return corner if isinstance(corner, tuple) else (int(corner or 0),) * 3


def _bytes(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def _is_grey(pixels: Tensor, colours: Colours) -> bool:
    if colours != "auto":
        return colours == "grey"
    return all(bool((part[:, :1] == part[:, 1:]).all()) for part in pixels.split(1024))


def _greyed(pixels: Tensor) -> Tensor:
    """One channel by brightness (ITU-R 601), as Pillow does it."""
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    parts = [(part.float() * weights).sum(1, keepdim=True).round().to(torch.uint8) for part in pixels.split(1024)]
    return torch.cat(parts) if parts else pixels[:, :1]
