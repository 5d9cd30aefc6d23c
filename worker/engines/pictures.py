"""Pictures as files: PNGs that carry how they were made, and small JPEG previews."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

#: Pixels of the longer side.
PREVIEW_SIDE = 256


def save_png(image: Image.Image, path: Path, *, parameters: str, record: dict[str, Any]) -> None:
    """Write a PNG with the `parameters` text that image tools read, and an `atelier` record as JSON."""
    info = PngInfo()
    info.add_text("parameters", parameters)
    info.add_text("atelier", json.dumps(record, sort_keys=True))
    image.save(path, "PNG", pnginfo=info)


def save_preview(image: Image.Image, path: Path) -> None:
    """Write a small JPEG."""
    small = image.convert("RGB")
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    small.save(path, "JPEG", quality=80)


def strip(images: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size, side by side."""
    width, height = images[0].size
    whole = Image.new(images[0].mode, (width * len(images), height))
    for number, image in enumerate(images):
        whole.paste(image, (number * width, 0))
    return whole


def parameters_text(prompt: str, negative_prompt: str | None, settings: dict[str, Any]) -> str:
    """The settings in the three-line form that AUTOMATIC1111 began and most image tools read."""
    lines = [prompt]
    if negative_prompt:
        lines.append(f"Negative prompt: {negative_prompt}")
    lines.append(", ".join(f"{name}: {value}" for name, value in settings.items() if value is not None))
    return "\n".join(lines)
