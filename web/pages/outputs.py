"""A job's artifacts as its page shows them: pictures, sounds, text in place, everything as a download."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shared.errors import NotFound, Unavailable
from shared.job import Artifact
from shared.storage import Storage

Shape = Literal["picture", "sound", "text", "code", "file"]

MAX_SHOWN = 200_000
"""Bytes of a text that are shown in the page; the rest is in the download."""

_PICTURES = {"image/png", "image/jpeg", "image/webp"}
_CODE = {"application/json", "application/javascript", "application/sql", "application/x-sh", "application/yaml"}


@dataclass(frozen=True)
class Shown:
    """An artifact, and how to show it. `text` is None where its bytes cannot be read just now."""

    artifact: Artifact
    shape: Shape
    text: str | None = None
    cut: bool = False

    @property
    def url(self) -> str:
        """Where its bytes are."""
        return f"/api/artifacts/{self.artifact.id}"


@dataclass(frozen=True)
class Outputs:
    """What a job has made so far."""

    results: list[Shown]
    logs: list[Shown]
    preview: Artifact | None

    def of(self, *shapes: Shape) -> list[Shown]:
        """The results of these shapes."""
        return [each for each in self.results if each.shape in shapes]


def outputs(storage: Storage, files: Sequence[Artifact], *, code: bool) -> Outputs:
    """The artifacts of a job by what a reader does with them; `code` says that its text is a program."""
    results = [_shown(storage, each, code=code) for each in files if each.role not in {"preview", "log"}]
    logs = [_shown(storage, each, code=True) for each in files if each.role == "log"]
    previews = [each for each in files if each.role == "preview"]
    return Outputs(results, logs, previews[-1] if previews else None)


def is_picture(artifact: Artifact) -> bool:
    """Whether a browser shows it as a picture."""
    return artifact.media_type in _PICTURES


def _shown(storage: Storage, artifact: Artifact, *, code: bool) -> Shown:
    kind = artifact.media_type.split(";")[0].strip()
    if kind in _PICTURES:
        return Shown(artifact, "picture")
    if kind.startswith("audio/"):
        return Shown(artifact, "sound")
    if kind.startswith("text/") or (code and kind in _CODE):
        shape: Shape = "text" if kind == "text/plain" and not code else "code"
        text = _read(storage, artifact)
        return Shown(artifact, shape, text, cut=artifact.size > MAX_SHOWN)
    return Shown(artifact, "file")


def _read(storage: Storage, artifact: Artifact) -> str | None:
    try:
        found = b"".join(storage.stream(artifact.key, 0, min(artifact.size, MAX_SHOWN))) if artifact.size else b""
    except (NotFound, Unavailable):
        return None
    return found.decode("utf-8", "replace")
