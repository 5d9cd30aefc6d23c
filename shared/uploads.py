"""Files that an owner sends: looked at, written anew, and kept as artifacts that no job made.

An upload is known by what was sent: the same bytes, taken for the same, are one artifact however often they come. Knows
no HTTP; what arrived lies in a file, and nothing of it stays where it is not taken.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, exists, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import insert

from shared import artifacts, cursors, kinds
from shared.db import Database
from shared.errors import Conflict, Invalid, NotFound, Unreadable
from shared.ids import is_id, new_id
from shared.inputs import ARCHIVE, TABLES
from shared.intake import decoder, formats
from shared.intake.caps import Caps
from shared.intake.formats import Format
from shared.intake.made import Made
from shared.intake.refusal import Refusal
from shared.job import Artifact, JobState, artifact_from
from shared.jobs import used_for_another
from shared.kinds.params import Media
from shared.records import artifacts as rows
from shared.records import jobs, upload_keys
from shared.storage import Fingerprint, Storage, fingerprint
from shared.text import clean

MAX_PAGE = 200
MAX_NAME = 200


@dataclass(frozen=True)
class Arrived:
    """A file that arrived whole, and what its sender says of it."""

    path: Path
    name: str = ""
    media_type: str = ""
    sha256: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Kept:
    """The artifact, and whether this request made it (the same bytes may have come before)."""

    artifact: Artifact
    created: bool


@dataclass(frozen=True)
class Page:
    """Some uploads, newest first, and the cursor of the next page if there is one."""

    items: list[Artifact]
    next: str | None


def keep(db: Database, storage: Storage, owner_id: str, arrived: Arrived, caps: Caps) -> Kept:
    """Look at a file, write it anew and keep that.

    Raises:
        Unreadable: its hash is not the one that its sender gave.
        Invalid: it is not taken; or the key was used for another file.
        TooMany: too many files are being looked at.
        Unavailable: the object store cannot be reached.
    """
    sent = fingerprint(arrived.path)
    if arrived.sha256 is not None and arrived.sha256.lower() != sent.sha256:
        raise Unreadable(
            "What arrived has another SHA-256 than was said. Nothing was kept; send it again.", code="hash_mismatch"
        )
    if (earlier := _by_key(db, owner_id, arrived.idempotency_key, sent)) is not None:
        return Kept(earlier, created=False)
    try:
        form = formats.tell(arrived.path, arrived.name, arrived.media_type)
    except Refusal as refusal:
        raise Invalid(str(refusal), code=refusal.code, field="file") from refusal
    sent_as = f"{form.way}/{form.name}:{sent.sha256}"
    found = _sent_before(db, owner_id, sent_as)
    created = found is None
    if found is None:
        # Beside what arrived: whoever clears that away after a crash clears this away too.
        with TemporaryDirectory(prefix="intake-", dir=arrived.path.parent) as folder:
            made = decoder.decode(arrived.path, form, Path(folder), caps)
            row = _stored(db, storage, owner_id, made, Path(folder))
        found, created = _insert(db, owner_id, row | {"name": _name(arrived, form, made), "sent_as": sent_as})
    if arrived.idempotency_key is not None:
        _remember(db, owner_id, arrived.idempotency_key, sent, found.id)
    return Kept(found, created)


def get(db: Database, owner_id: str, artifact_id: str) -> Artifact:
    """The owner's upload with this id.

    Raises:
        NotFound: there is none, or it is somebody else's, or a job made it.
    """
    found = artifacts.get(db, owner_id, artifact_id)
    if found.role != "input":
        raise NotFound("There is no such upload.")
    return found


def page(db: Database, owner_id: str, *, media: str = "", limit: int = 50, cursor: str | None = None) -> Page:
    """The owner's uploads, newest first; `media` is how the media type begins."""
    cursors.check(cursor)
    limit = max(1, min(limit, MAX_PAGE))
    query = select(*rows.c).where(rows.c.owner_id == owner_id, rows.c.role == "input")
    query = query.where(rows.c.media_type.startswith(media, autoescape=True))
    if cursor is not None:
        query = query.where(rows.c.id < cursor)
    with db.begin() as connection:
        found = connection.execute(query.order_by(rows.c.id.desc()).limit(limit + 1)).mappings()
        items = [artifact_from(row) for row in found]
    return Page(items[:limit], next=items[limit - 1].id if len(items) > limit else None)


def recent(db: Database, owner_id: str, media: Collection[Media], limit: int = 24) -> list[Artifact]:
    """The owner's newest files of these media, uploaded or made: what a field may be filled with.

    What only tells about a model or a dataset is not among them.
    """
    fitting = or_(*(_of(each) for each in media))
    tells = exists().where(jobs.c.id == rows.c.job_id, jobs.c.kind.in_(kinds.without_works()))
    query = select(*rows.c).where(rows.c.owner_id == owner_id, rows.c.role.in_(("input", "output")), fitting, ~tells)
    with db.begin() as connection:
        found = connection.execute(query.order_by(rows.c.id.desc()).limit(limit)).mappings()
        return [artifact_from(row) for row in found]


def of_ids(db: Database, owner_id: str, ids: Sequence[str]) -> dict[str, Artifact]:
    """Those of the owner's files with these ids that are there, by id."""
    known = [each for each in ids if is_id(each)]
    if not known:
        return {}
    with db.begin() as connection:
        found = connection.execute(select(*rows.c).where(rows.c.owner_id == owner_id, rows.c.id.in_(known))).mappings()
        return {row["id"]: artifact_from(row) for row in found}


def remove(db: Database, owner_id: str, artifact_id: str) -> None:
    """Forget an upload; the sweep deletes its bytes.

    Raises:
        NotFound: there is no such upload, or it is somebody else's.
        Conflict: a job that waits or runs needs it.
    """
    get(db, owner_id, artifact_id)
    with db.begin() as connection:
        needed = _needed_by(connection, owner_id, artifact_id)
        if needed is not None:
            raise Conflict(
                f"The job {needed} still needs this file. Cancel the job, or wait for its end.", code="upload_in_use"
            )
        mine = (rows.c.id == artifact_id) & (rows.c.owner_id == owner_id) & (rows.c.role == "input")
        connection.execute(delete(rows).where(mine))


def _of(media: Media) -> ColumnElement[bool]:
    plain = func.split_part(rows.c.media_type, ";", 1)
    if media == "archive":
        return plain == ARCHIVE
    return plain.in_(TABLES) if media == "table" else plain.startswith(f"{media}/")


def _needed_by(connection: Connection, owner_id: str, artifact_id: str) -> str | None:
    """A job that has not ended and names it among its params."""
    names = func.jsonb_path_exists(jobs.c.params, _NAMED, func.jsonb_build_object("ref", artifact_id))
    live = jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING))
    query = select(jobs.c.id).where(jobs.c.owner_id == owner_id, live, names).limit(1)
    return connection.execute(query).scalar_one_or_none()


_NAMED: ColumnElement[Any] = literal_column("'$.* ? (@ == $ref)'::jsonpath")


def _by_key(db: Database, owner_id: str, key: str | None, sent: Fingerprint) -> Artifact | None:
    """What this key was sent with before.

    Raises:
        Invalid: it was another file.
    """
    if key is None:
        return None
    query = select(upload_keys.c.sha256, *rows.c).join(rows, rows.c.id == upload_keys.c.artifact_id)
    with db.begin() as connection:
        mine = (upload_keys.c.owner_id == owner_id) & (upload_keys.c.key == key)
        found = connection.execute(query.where(mine)).mappings().first()
    if found is None:
        return None
    if found["sha256"] != sent.sha256:
        raise used_for_another("upload")
    return artifact_from(found)


def _sent_before(db: Database, owner_id: str, sent_as: str) -> Artifact | None:
    with db.begin() as connection:
        row = _same(connection, owner_id, sent_as)
    return artifact_from(row) if row is not None else None


def _same(connection: Connection, owner_id: str, sent_as: str) -> RowMapping | None:
    mine = (rows.c.owner_id == owner_id) & (rows.c.sent_as == sent_as)
    return connection.execute(select(*rows.c).where(mine)).mappings().first()


def _stored(db: Database, storage: Storage, owner_id: str, made: Made, folder: Path) -> dict[str, Any]:
    """Put what was made into the store; the columns that say so."""
    content, key = _put(db, storage, owner_id, folder / made.file)
    thumb_key = _put(db, storage, owner_id, folder / made.thumbnail)[1] if made.thumbnail else None
    return {
        "media_type": made.media_type,
        "size": content.size,
        "sha256": content.sha256,
        "key": key,
        "meta": made.meta,
        "width": made.width,
        "height": made.height,
        "thumb_key": thumb_key,
    }


def _put(db: Database, storage: Storage, owner_id: str, path: Path) -> tuple[Fingerprint, str]:
    content = fingerprint(path)
    key = artifacts.blob_key(owner_id, content.sha256)
    artifacts.announce(db, {key: content.size})
    storage.put(key, path)
    return content, key


def _insert(db: Database, owner_id: str, row: dict[str, Any]) -> tuple[Artifact, bool]:
    """The row, unless another request with the same bytes was quicker: then that one's."""
    whole = row | {"id": new_id("art"), "owner_id": owner_id, "attempt": 0, "position": 0, "role": "input"}
    with db.begin() as connection:
        new = insert(rows).values(whole).on_conflict_do_nothing().returning(*rows.c)
        made = connection.execute(new).mappings().one_or_none()
        found = made if made is not None else _same(connection, owner_id, row["sent_as"])
    assert found is not None, "only the same bytes keep an upload from being written"
    return artifact_from(found), made is not None


def _remember(db: Database, owner_id: str, key: str, sent: Fingerprint, artifact_id: str) -> None:
    row = {"owner_id": owner_id, "key": key, "sha256": sent.sha256, "artifact_id": artifact_id}
    with db.begin() as connection:
        connection.execute(insert(upload_keys).values(row).on_conflict_do_nothing())
    _by_key(db, owner_id, key, sent)


def _name(arrived: Arrived, form: Format, made: Made) -> str:
    """The name it was given, with the suffix of what it is now."""
    given = PurePath(clean(arrived.name).replace("\\", "/")).name.strip()
    printable = "".join(letter for letter in given if letter.isprintable())
    if form.way == "text" and printable:
        return printable[-MAX_NAME:]
    return f"{(PurePath(printable).stem or 'upload')[:MAX_NAME]}{made.suffix}"
