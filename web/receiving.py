"""From a file that arrived to the artifact that it becomes: what the API and the pages have in common."""

import shutil
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from flask import current_app

from shared import provenance, uploads
from shared.intake.caps import Caps
from shared.provenance import Provenance
from shared.staging import Staging
from shared.uploads import Arrived, Kept
from web.auth import identity
from web.site import site
from web.uploads import CHUNK, MAX_LENGTH


def keep(
    file: BinaryIO, name: str, media_type: str, *, sha256: str | None = None, idempotency_key: str | None = None
) -> Kept:
    """Keep an open file as an upload of whoever asks.

    Raises:
        Unreadable, Invalid, TooMany, Unavailable: as `shared.uploads.keep`.
    """
    # The child that looks at it opens a file by its path.
    folder = Staging(site().settings.home).place(identity().owner.id)
    with NamedTemporaryFile(prefix="upload-", dir=folder) as copy:
        file.seek(0)
        shutil.copyfileobj(file, copy, CHUNK)
        copy.flush()
        return keep_path(Path(copy.name), name, media_type, sha256=sha256, idempotency_key=idempotency_key)


def look_up(file: BinaryIO, name: str, media_type: str) -> Provenance:
    """What is known of an open file; nothing of it is kept.

    Raises:
        Invalid, TooMany: as `shared.provenance.look_up`.
    """
    # The child that looks at it opens a file by its path.
    with NamedTemporaryFile(prefix="provenance-") as copy:
        file.seek(0)
        shutil.copyfileobj(file, copy, CHUNK)
        copy.flush()
        caps = Caps().within(current_app.config[MAX_LENGTH])
        return provenance.look_up(site().db, identity().owner.id, Path(copy.name), name, media_type, caps)


def keep_path(
    path: Path, name: str, media_type: str, *, sha256: str | None = None, idempotency_key: str | None = None
) -> Kept:
    """The same of a file on disk."""
    here = site()
    arrived = Arrived(path, name, media_type, sha256, idempotency_key)
    caps = Caps().within(current_app.config[MAX_LENGTH])
    return uploads.keep(here.db, here.storage, identity().owner.id, arrived, caps)
