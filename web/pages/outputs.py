"""A job's files as its page shows them: what can be seen, heard or read in place, everything as a download."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shared.errors import NotFound, Unavailable
from shared.job import Artifact
from shared.storage import Storage
from web.pages.reports import NAME as REPORT
from web.pages.tables import CSV, JSON_LINES, Table, numbers, table
from web.pages.translation import _

Shape = Literal["picture", "sound", "film", "text", "code", "table", "file"]

MAX_SHOWN = 200_000
"""Bytes of a text that are shown in the page; the rest is in the download."""

_PICTURES = {"image/png", "image/jpeg", "image/webp"}
_TABLES = {*CSV, *JSON_LINES, "application/json"}
_CODE = {"application/javascript", "application/sql", "application/x-sh", "application/yaml"}


@dataclass(frozen=True)
class Shown:
    """An artifact, and how to show it. `text` is None where its bytes cannot be read just now."""

    artifact: Artifact
    shape: Shape
    text: str | None = None
    cut: bool = False
    table: Table | None = None
    fact: str | None = None

    @property
    def url(self) -> str:
        """Where its bytes are."""
        return f"/api/artifacts/{self.artifact.id}"

    @property
    def poster(self) -> str | None:
        """Where the small picture of a film is."""
        return f"{self.url}/thumbnail" if self.artifact.thumb_key else None


@dataclass(frozen=True)
class Outputs:
    """What a job has made so far."""

    results: list[Shown]
    logs: list[Shown]
    preview: Artifact | None

    def of(self, *shapes: Shape) -> list[Shown]:
        """The results of these shapes."""
        return [each for each in self.results if each.shape in shapes]

    @property
    def tracks(self) -> list[Shown]:
        """Subtitles that a player can show with the film beside them."""
        return [each for each in self.results if each.artifact.media_type.startswith("text/vtt")]


def outputs(storage: Storage, files: Sequence[Artifact], *, code: bool, works: bool = True) -> Outputs:
    """The artifacts of a job by what a reader does with them; `code` says that its text is a program.

    Where they are no `works` but tell of a model or a dataset, the page tells what is in a report; it is a download.
    """
    told = {REPORT} if not works else set()
    results = [
        Shown(each, "file", fact=_told(each))
        if each.name in told or _is_events(each)
        else _shown(storage, each, code=code)
        for each in files
        if each.role not in {"preview", "checkpoint"} and (each.role != "log" or _is_events(each))
    ]
    logs = [_shown(storage, each, code=True) for each in files if each.role == "log" and not _is_events(each)]
    previews = [each for each in files if each.role == "preview"]
    return Outputs(results, logs, previews[-1] if previews else None)


def shown(storage: Storage, artifact: Artifact) -> Shown:
    """One file, such as a job's input."""
    return _shown(storage, artifact, code=False)


def has_picture(artifact: Artifact) -> bool:
    """Whether a list can show a picture of it: it is one, or a film with a poster."""
    return artifact.media_type in _PICTURES or artifact.thumb_key is not None


def _shown(storage: Storage, artifact: Artifact, *, code: bool) -> Shown:
    kind = artifact.media_type.split(";")[0].strip()
    if kind in _PICTURES:
        return Shown(artifact, "picture")
    if kind.startswith("audio/"):
        return Shown(artifact, "sound")
    if kind.startswith("video/"):
        return Shown(artifact, "film")
    if kind in _TABLES:
        text, cut = _read(storage, artifact), artifact.size > MAX_SHOWN
        rows = table(text, kind, cut=cut) if text else None
        if rows is not None:
            return Shown(artifact, "table", text, cut, rows)
        return Shown(artifact, "code", text, cut)
    if kind == "application/x-npy" or artifact.name.endswith(".npy"):
        return Shown(artifact, "file", fact=numbers(_head(storage, artifact)))
    if artifact.role in {"model", "dataset"}:
        return Shown(artifact, "file", fact=_told(artifact))
    if kind.startswith("text/") or kind == "application/x-subrip" or (code and kind in _CODE):
        shape: Shape = "text" if kind == "text/plain" and not code else "code"
        text = _read(storage, artifact)
        return Shown(artifact, shape, text, cut=artifact.size > MAX_SHOWN)
    return Shown(artifact, "file")


def _is_events(artifact: Artifact) -> bool:
    return artifact.role == "log" and artifact.media_type == "application/octet-stream"


def _told(artifact: Artifact) -> str | None:
    """What a file is that came of a training or a check."""
    if _is_events(artifact):
        return _("the curves, for TensorBoard")
    if artifact.role == "model":
        base = artifact.meta.get("base")
        return _("the adapter; its base is %(name)s", name=base) if base else _("the whole model")
    if artifact.role == "dataset":
        return _("the rows, divided")
    return _("all figures")


def _read(storage: Storage, artifact: Artifact) -> str | None:
    try:
        return _beginning(storage, artifact, MAX_SHOWN).decode("utf-8", "replace")
    except (NotFound, Unavailable):
        return None


def _head(storage: Storage, artifact: Artifact) -> bytes:
    try:
        return _beginning(storage, artifact, 1024)
    except (NotFound, Unavailable):
        return b""


def _beginning(storage: Storage, artifact: Artifact, most: int) -> bytes:
    return b"".join(storage.stream(artifact.key, 0, min(artifact.size, most))) if artifact.size else b""
