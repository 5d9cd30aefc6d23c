"""What this installation knows of a file that somebody brings: whether it was made here, and what it says of itself.

The file is opened by the child of `shared.intake`, never here.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from sqlalchemy import or_, select

from shared import signers
from shared.db import Database
from shared.errors import Invalid
from shared.intake import decoder, formats
from shared.intake.caps import Caps
from shared.intake.refusal import Refusal
from shared.job import Artifact, artifact_from
from shared.records import artifacts
from shared.storage import fingerprint

Match = Literal["exact", "content"]

MOST = 10
"""Artifacts that are told, at most: the same picture may have been made often."""


@dataclass(frozen=True)
class Provenance:
    """What is known. `match`: this very file, or one that shows or sounds the same, is the owner's."""

    sha256: str
    media_type: str
    match: Match | None
    artifacts: list[Artifact]
    credentials: dict[str, Any] | None
    label: dict[str, str] | None
    settings: str | None

    @property
    def made_here(self) -> bool:
        """Whether this installation made it: it is among the owner's works, or signed here and not changed since."""
        works = [each for each in self.artifacts if each.role != "input"]
        return bool(works) or bool(self.credentials and self.credentials.get("state") == "trusted")


def look_up(db: Database, owner_id: str, file: Path, name: str, media_type: str, caps: Caps) -> Provenance:
    """What is known of a file on disk. Of other owners' works only that is told which the file says of itself.

    Raises:
        Invalid: it is empty, or takes more to open than it may.
        TooMany: others are being looked at.
    """
    try:
        form = formats.tell(file, name, media_type)
    except Refusal as refusal:
        raise Invalid(str(refusal), code=refusal.code, field="file") from refusal
    with TemporaryDirectory(prefix="provenance-") as folder:
        (Path(folder) / decoder.ROOTS).write_bytes(b"".join(signers.roots(db)))
        origin = decoder.ask("origin", form, file, Path(folder), caps)
    sha256 = fingerprint(file).sha256
    match, found = _known(db, owner_id, sha256, origin["content_sha256"])
    return Provenance(
        sha256=sha256,
        media_type=origin["media_type"],
        match=match,
        artifacts=found,
        credentials=origin["credentials"],
        label=origin["label"],
        settings=origin["settings"],
    )


def _known(db: Database, owner_id: str, sha256: str, content: str | None) -> tuple[Match | None, list[Artifact]]:
    """The owner's artifacts that are this file, or else those that show or sound the same; newest first."""
    same = or_(artifacts.c.sha256 == sha256, artifacts.c.content_sha256 == (content or sha256))
    wanted = (artifacts.c.owner_id == owner_id) & same & artifacts.c.role.in_(("output", "model", "input"))
    query = select(*artifacts.c).where(wanted).order_by(artifacts.c.id.desc()).limit(MOST)
    with db.begin() as connection:
        found = [artifact_from(row) for row in connection.execute(query).mappings()]
    exact = [each for each in found if each.sha256 == sha256]
    return ("exact", exact) if exact else ("content" if found else None, found)
