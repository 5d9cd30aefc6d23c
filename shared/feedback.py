"""What owners think of what their jobs made: thumbs, and edits that say what it should have been.

It is kept beside the file and goes with it. A job collects it into a dataset, from which others train.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from shared import artifacts
from shared.db import Database
from shared.errors import Invalid, NotFound
from shared.records import artifacts as files
from shared.records import feedback, jobs
from shared.text import clean

Thumb = Literal["up", "down"]

MAX_EDIT = 100_000
MAX_COLLECTED = 100_000
_NUMBERS: dict[Thumb, int] = {"up": 1, "down": -1}


@dataclass(frozen=True)
class Feedback:
    """What an owner thinks of one file."""

    artifact_id: str
    thumb: Thumb | None
    edit: str | None
    given_at: datetime


@dataclass(frozen=True)
class Judged:
    """The same, with what it takes to learn from it: the file, and what it was made from."""

    feedback: Feedback
    media_type: str
    name: str
    kind: str
    params: dict[str, Any]


def give(db: Database, owner_id: str, artifact_id: str, thumb: Thumb | None, edit: str | None) -> Feedback | None:
    """Say what a file is worth; what was said before is replaced, and nothing at all takes it back.

    `edit` is what the file should have been: the text as it is right, or of a picture what it shows.

    Raises:
        NotFound: the owner has no such file that a job made.
        Invalid: the edit is too long.
    """
    if artifacts.get(db, owner_id, artifact_id).role != "output":
        raise NotFound("There is no such result.")
    edit = clean(edit) if edit and edit.strip() else None
    if edit is not None and len(edit) > MAX_EDIT:
        raise Invalid(f"An edit has {MAX_EDIT:,} characters at most.", field="edit")
    if thumb is None and edit is None:
        with db.begin() as connection:
            connection.execute(delete(feedback).where(feedback.c.artifact_id == artifact_id))
        return None
    said = {"thumb": _NUMBERS[thumb] if thumb else None, "edit": edit}
    new = insert(feedback).values(artifact_id=artifact_id, owner_id=owner_id, **said)
    kept = new.on_conflict_do_update(index_elements=["artifact_id"], set_=said | {"given_at": func.now()})
    with db.begin() as connection:
        return _feedback(connection.execute(kept.returning(*_COLUMNS)).one())


def of(db: Database, owner_id: str, artifact_ids: Sequence[str]) -> dict[str, Feedback]:
    """What was said of these files, by id; of most nothing was."""
    if not artifact_ids:
        return {}
    mine = (feedback.c.owner_id == owner_id) & feedback.c.artifact_id.in_(artifact_ids)
    with db.begin() as connection:
        return {row.artifact_id: _feedback(row) for row in connection.execute(select(*_COLUMNS).where(mine))}


def collected(db: Database, owner_id: str, since: datetime | None = None) -> list[Judged]:
    """All that the owner said since then, oldest first, each with what its file was made from."""
    query = (
        select(*_COLUMNS, files.c.media_type, files.c.name, jobs.c.kind, jobs.c.params)
        .join(files, files.c.id == feedback.c.artifact_id)
        .join(jobs, jobs.c.id == files.c.job_id)
        .where(feedback.c.owner_id == owner_id)
        .order_by(feedback.c.given_at, feedback.c.artifact_id)
        .limit(MAX_COLLECTED)
    )
    if since is not None:
        query = query.where(feedback.c.given_at >= since)
    with db.begin() as connection:
        return [
            Judged(_feedback(row), row.media_type, row.name, row.kind, row.params) for row in connection.execute(query)
        ]


_COLUMNS = (feedback.c.artifact_id, feedback.c.thumb, feedback.c.edit, feedback.c.given_at)


def _feedback(row: Any) -> Feedback:
    thumb: Thumb | None = None if row.thumb is None else "up" if row.thumb > 0 else "down"
    return Feedback(row.artifact_id, thumb, row.edit, row.given_at)
