"""What a file says of its own making: content credentials, the label of GB 45438, the settings that image tools write.

Reads and believes nothing: whether a signature is ours is told by the roots in `roots.pem`, which the parent put into
the folder.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from shared import credentials, labels, xmp
from shared.contents import content_hash
from shared.intake.caps import Caps
from shared.intake.decoder import ROOTS

MEDIA_TYPES = {
    "PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "wav": "audio/wav", "mp3": "audio/mpeg",
    "mov": "video/mp4",
}  # fmt: skip
"""By the name of a format, as far as files of it can carry anything."""

#: Characters of foreign text that are handed on.
_MOST = 20_000


@dataclass(frozen=True)
class Origin:
    """What a file says of its own making, and the hash of its content, None where it is damaged."""

    media_type: str
    content_sha256: str | None
    credentials: dict[str, Any] | None
    label: dict[str, str] | None
    settings: str | None


def read(source: Path, name: str, caps: Caps) -> Origin:
    """The origin of a file of the format `name`. A damaged file has none."""
    media_type = MEDIA_TYPES.get(name, "application/octet-stream")
    Image.MAX_IMAGE_PIXELS = caps.pixels
    # Twice too many pixels are an error for Pillow, fewer a warning: here both are.
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    signed = media_type in credentials.MEDIA_TYPES
    packet = _quietly(xmp.extract, source)
    return Origin(
        media_type,
        _quietly(content_hash, source, media_type),
        _quietly(credentials.read, source, media_type, [Path(ROOTS).read_bytes()]) if signed else None,
        labels.read(packet) if packet else None,
        _quietly(_settings, source) if media_type.startswith("image/") else None,
    )


def _settings(source: Path) -> str | None:
    """The `parameters` text of a picture, which AUTOMATIC1111 began."""
    with Image.open(source) as image:
        found = image.info.get("parameters")
    return found[:_MOST] if isinstance(found, str) else None


def _quietly(look: Any, *given: Any) -> Any:
    """What one look finds; None where the file is not whole: each reader has errors of its own for that."""
    try:
        return look(*given)
    except Exception:  # noqa: BLE001 - see above
        return None
