"""The files within an archive: pictures and sounds decoded and written anew, descriptions taken as they are.

One bad file is told, and the others go on.
"""

import hashlib
import zipfile
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from shared.intake import archives, formats, pictures, streams
from shared.intake.caps import Caps
from shared.intake.refusal import Refusal

_DESCRIPTIONS = {".txt", ".caption", ".jsonl", ".csv", ".tsv"}
#: Pixels of a side of the little picture whose brightness steps are compared.
_SIDE = 16


@dataclass(frozen=True)
class Members:
    """What became of some files of an archive that has `total`: of each its name and, if all is well, its file."""

    total: int
    files: list[dict[str, Any]] = field(default_factory=list)


def read(source: Path, name: str, caps: Caps) -> Members:
    """The files number `first` to `last` of an archive; `name` is `first:last`, the last not among them.

    Raises:
        Refusal: the archive as a whole is damaged or hostile.
    """
    first, last = (int(part) for part in name.split(":"))
    try:
        with zipfile.ZipFile(source) as opened:
            entries = archives.judged(opened, source, caps)
            found = Members(len(entries))
            for number, (entry, path) in enumerate(entries[first:last], first):
                found.files.append({"name": path, **_one(opened, entry, path, number, caps)})
    except archives.BROKEN as error:
        raise archives.damaged() from error
    return found


def _one(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str, number: int, caps: Caps) -> dict[str, Any]:
    suffix = PurePosixPath(path).suffix.lower()
    whole = Path(f"{number:06d}.sent")
    archives.unpack_one(opened, entry, whole)
    if suffix in _DESCRIPTIONS:
        target = whole.rename(f"{number:06d}{suffix}")
        return {"file": target.name, "medium": "text"}
    try:
        form = formats.tell(whole, path, "")
        if form.way not in {"picture", "stream"}:
            return {"medium": "other"}
        most = caps.picture_bytes if form.way == "picture" else caps.sound_bytes
        if entry.file_size > most:
            return {"medium": form.way, "wrong": f"The file is larger than {most >> 20} MB."}
        made = (pictures if form.way == "picture" else streams).read(whole, form.name, caps)
    except Refusal as refusal:
        return {"medium": "other" if refusal.code == "unsupported_file" else "unknown", "wrong": str(refusal)}
    except MemoryError:
        return {"medium": "unknown", "wrong": "The file takes more memory to open than it may."}
    finally:
        whole.unlink(missing_ok=True)
    target = Path(made.file).rename(f"{number:06d}{made.suffix}")
    medium = made.media_type.partition("/")[0]
    if made.thumbnail:
        Path(made.thumbnail).unlink()
    if medium == "image":
        exact, near = _looks(target)
        return {"file": target.name, "medium": medium, "size": [made.width, made.height], "exact": exact, "near": near}
    exact = hashlib.sha256(target.read_bytes()).hexdigest()
    return {"file": target.name, "medium": medium, "seconds": made.meta.get("seconds"), "exact": exact, "near": exact}


def _looks(path: Path) -> tuple[str, str]:
    """The hash of a picture's pixels, and of where it grows brighter: the same for a smaller copy."""
    with Image.open(path) as picture:
        picture.load()
        told = f"{picture.mode}{picture.size}".encode()
        exact = hashlib.sha256(told + picture.tobytes()).hexdigest()
        little = picture.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.BOX)
        colour = picture.convert("RGB").resize((1, 1), Image.Resampling.BOX).tobytes()
    levels = little.tobytes()
    rows = [levels[start : start + _SIDE + 1] for start in range(0, len(levels), _SIDE + 1)]
    bits = "".join("1" if right > left + 2 else "0" for row in rows for left, right in pairwise(row))
    shade = bytes(level >> 5 for level in colour).hex()
    return exact, f"{int(bits, 2):064x}{shade}"
