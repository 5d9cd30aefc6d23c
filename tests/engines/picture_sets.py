"""Small sets of pictures that training is tested on: squares and bars, whose class anybody can tell."""

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from worker.engines.training.pictures import Pictures

CLASSES = ("bar", "square")


def drawn(count: int, size: int = 8, seed: int = 0) -> Pictures:
    """Grey pictures, bars and squares in turn, each somewhere else."""
    dice = np.random.default_rng(seed)
    pixels = np.zeros((count, 1, size, size), np.uint8)
    for number in range(count):
        x, y = dice.integers(0, size // 2, 2)
        high, wide = (size // 2, size // 2) if number % 2 else (size, size // 4)
        pixels[number, 0, y if number % 2 else 0 :, x:][:high, :wide] = dice.integers(150, 256)
    labels = torch.arange(count) % 2
    names = [f"{CLASSES[number % 2]}-{number}.png" for number in range(count)]
    return Pictures(pixels=torch.from_numpy(pixels), names=names, classes=CLASSES, labels=labels)


def as_rows(pictures: Pictures, caption: str | None = None) -> tuple[list[dict[str, str]], dict[str, bytes]]:
    """The pictures as rows of a dataset and the files that they name; with a caption, by `{}` of the class."""
    rows, files = [], {}
    for number, name in enumerate(pictures.names):
        stream = BytesIO()
        Image.fromarray(pictures.pixels[number, 0].numpy()).save(stream, "PNG")
        files[f"files/{name}"] = stream.getvalue()
        label = pictures.classes[int(pictures.labels[number])]
        rows.append({"file": f"files/{name}"} | ({"caption": caption.format(label)} if caption else {"label": label}))
    return rows, files


def write(pictures: Pictures, folder: Path) -> list[dict[str, str]]:
    """Write the files; the rows."""
    rows, files = as_rows(pictures)
    (folder / "files").mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return rows
