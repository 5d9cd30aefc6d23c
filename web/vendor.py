"""Fetches the front-end packages from npm, checks them, and writes what the pages use of them to static/vendor.

Run it by hand (`python -m web.vendor`) when a version changes or a kind needs a new icon, and commit the result:
neither serving nor testing needs npm. htmx and its SSE extension become one file, because htmx may scan a page
before a second deferred script has registered the extension, and the stream would then silently never open.
"""

import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared import kinds

TARGET = Path(__file__).parent / "static" / "vendor"
TEST_TARGET = Path(__file__).parents[1] / "tests" / "web" / "vendor"

PAGE_ICONS = (
    "arrow-left", "arrow-right", "audio-lines", "ban", "book-open", "box", "calendar-clock", "chevron-right",
    "circle-question-mark", "clock", "code-xml", "columns-2", "copy", "cpu", "database", "dices", "download",
    "ellipsis", "eye-off", "file", "image-up", "images", "info", "key-round", "languages", "layers", "list-checks",
    "lock", "log-out", "minus", "moon", "pause", "pencil", "play", "plus", "rotate-ccw", "search", "shield-check",
    "sliders-horizontal", "sparkles", "star", "sun", "thumbs-down", "thumbs-up", "trash-2", "triangle-alert", "upload",
    "wand-sparkles", "wifi-off", "workflow", "x",
)  # fmt: skip


@dataclass(frozen=True)
class Package:
    """One npm package at one version; `sha256` is that of its tarball."""

    name: str
    version: str
    licence: str
    sha256: str
    used_for: str


HTMX = Package(
    "htmx.org",
    "4.0.1",
    "0BSD",
    "5fba65616ca148a86d377e9771bcada7f35faee3558651feb929eea425e13b3c",
    "htmx and its SSE extension, in one file",
)
INTER = Package(
    "@fontsource-variable/inter",
    "5.3.0",
    "OFL-1.1",
    "d26710dd38e7217484a1d47ee76c024977ec550548876f26d06ed1844af09a14",
    "the Inter typeface, variable weight, Latin",
)
LUCIDE = Package(
    "lucide-static",
    "1.62.0",
    "ISC",
    "386f9080c440d6f5049cefe3456ae8357f7a0c7f76e59670cd1cb83bc7050a44",
    "the icons that the pages use, as one sprite",
)
UPLOT = Package(
    "uplot",
    "1.6.32",
    "MIT",
    "4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d",
    "the curves of trainings",
)
AXE = Package(
    "axe-core",
    "4.14.1",
    "MPL-2.0",
    "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745",
    "accessibility tests; not served",
)


def main() -> None:
    """Write every vendored file anew."""
    with tempfile.TemporaryDirectory() as folder:
        unpacked = {package.name: _fetch(package, Path(folder)) for package in (HTMX, INTER, LUCIDE, UPLOT, AXE)}
        TARGET.mkdir(parents=True, exist_ok=True)
        TEST_TARGET.mkdir(parents=True, exist_ok=True)
        files = {
            TARGET / "htmx.js": _htmx(unpacked[HTMX.name]),
            TARGET / "inter.woff2": _read(unpacked[INTER.name], "files/inter-latin-wght-normal.woff2"),
            TARGET / "icons.svg": _sprite(unpacked[LUCIDE.name], icons()),
            TARGET / "uplot.js": _read(unpacked[UPLOT.name], "dist/uPlot.iife.min.js"),
            TARGET / "uplot.css": _read(unpacked[UPLOT.name], "dist/uPlot.min.css"),
            TEST_TARGET / "axe.js": _read(unpacked[AXE.name], "axe.min.js"),
        }
        for path, content in files.items():
            path.write_bytes(content)
        licences = {name: _licence(folder) for name, folder in unpacked.items()}
    _write_lists(files, licences)


def icons() -> list[str]:
    """The icons of the sprite: those of the pages and those that the kinds name."""
    return sorted({*PAGE_ICONS, *(kinds.params_class(name).icon for name in kinds.names())})


def _fetch(package: Package, folder: Path) -> Path:
    """The package's folder, unpacked from a tarball with the hash that we expect."""
    place = folder / re.sub(r"\W", "-", package.name)
    place.mkdir()
    command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    name = subprocess.run(command, cwd=place, check=True, capture_output=True, text=True).stdout.split()[-1]
    found = hashlib.sha256((place / name).read_bytes()).hexdigest()
    if found != package.sha256:
        raise SystemExit(f"{package.name} {package.version} has the hash {found}, not {package.sha256}.")
    with tarfile.open(place / name) as archive:
        archive.extractall(place, filter="data")
    return place / "package"


def _read(folder: Path, path: str) -> bytes:
    return (folder / path).read_bytes()


def _htmx(folder: Path) -> bytes:
    parts = [_read(folder, "dist/htmx.min.js"), _read(folder, "dist/ext/hx-sse.min.js")]
    # Source maps are not shipped; the comment would only make a browser ask for them.
    return b";\n".join(re.sub(rb"//# sourceMappingURL=.*", b"", part).strip() for part in parts) + b"\n"


def _sprite(folder: Path, names: list[str]) -> bytes:
    symbols = []
    for name in names:
        drawing = re.search(r"<svg[^>]*>(.*?)</svg>", _read(folder, f"icons/{name}.svg").decode(), re.DOTALL)
        assert drawing is not None, name
        lines = "".join(line.strip() for line in drawing[1].splitlines())
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{lines}</symbol>')
    return ('<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n").encode()


def _licence(folder: Path) -> str:
    return (folder / "LICENSE").read_text(encoding="utf-8").strip()


def _write_lists(files: Mapping[Path, bytes], licences: Mapping[str, str]) -> None:
    hashes = {path.name: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    served = {name: digest for name, digest in hashes.items() if (TARGET / name).exists()}
    (TARGET / "manifest.json").write_text(json.dumps(served, indent=2) + "\n", encoding="utf-8")
    lines = ["# Third-party files", "", "Written by `python -m web.vendor`; not edited by hand.", ""]
    for package in (HTMX, INTER, LUCIDE, UPLOT, AXE):
        lines += [f"## {package.name} {package.version} ({package.licence})", "", f"For {package.used_for}.", ""]
        lines += ["```", licences[package.name], "```", ""]
    (TARGET / "THIRD_PARTY.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
