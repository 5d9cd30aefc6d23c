"""Files that jobs make: rows here, bytes in the object store under a key made from owner and content.

A blob's row is written before its upload begins, so that bytes which no artifact came to name can be found
and deleted. Knows no storage client; see `shared.storage`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Connection, Text, bindparam, delete, exists, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import insert

from shared.db import Database
from shared.errors import NotFound
from shared.ids import is_id, new_id
from shared.job import Artifact, Job, JobState, Role, artifact_from
from shared.records import artifacts, blobs, jobs


@dataclass(frozen=True)
class NewArtifact:
    """A file whose bytes are stored already and whose row is written with its job's end."""

    role: Role
    name: str
    media_type: str
    size: int
    sha256: str
    key: str
    meta: dict[str, Any] = field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    thumb_key: str | None = None
    content_sha256: str | None = None


def blob_key(owner_id: str, sha256: str) -> str:
    """Content-addressed within one owner: the same file twice is stored once, and never across owners."""
    return f"{owner_id}/{sha256[:2]}/{sha256}"


def announce(db: Database, sizes: Mapping[str, int]) -> None:
    """Note that these keys, with their sizes in bytes, are about to be uploaded; the grace of those that were there
    starts anew."""
    # In order, so that two who announce the same keys do not wait for each other.
    rows = [{"key": key, "size": size} for key, size in sorted(sizes.items())]
    row = insert(blobs).values(rows)
    with db.begin() as connection:
        connection.execute(
            row.on_conflict_do_update(
                index_elements=["key"], set_={"touched_at": func.now(), "size": row.excluded.size}
            )
        )


def insert_all(connection: Connection, job: Job, new: Sequence[NewArtifact]) -> list[str]:
    """Write the artifact rows of an attempt, inside the transaction that ends the job; their ids."""
    rows = [_row(job, each, position) for position, each in enumerate(new)]
    if rows:
        connection.execute(insert(artifacts), rows)
    return [row["id"] for row in rows]


def show_preview(db: Database, job: Job, preview: NewArtifact) -> bool:
    """Make this the one preview of a running job; False where the attempt no longer owns it."""
    with db.begin(durable=False) as connection:
        held = (jobs.c.id == job.id) & (jobs.c.attempt == job.attempt) & (jobs.c.worker_id == job.worker_id)
        owns = select(literal(1)).where(held, jobs.c.state == JobState.RUNNING).with_for_update(of=jobs)
        if connection.execute(owns).first() is None:
            return False
        drop_previews(connection, [job.id])
        insert_all(connection, job, [preview])
    return True


def replace_checkpoint(connection: Connection, job: Job, checkpoint: NewArtifact) -> None:
    """Make this the job's one checkpoint of its file name; the sweep deletes the bytes of the one before."""
    same = (artifacts.c.job_id == job.id) & _CHECKPOINT & (artifacts.c.name == checkpoint.name)
    connection.execute(delete(artifacts).where(same))
    insert_all(connection, job, [checkpoint])


def checkpoint(db: Database, job_id: str, name: str) -> Artifact | None:
    """What any attempt of this job stored under this file name, if one did; else what the job that it retries did."""
    line = select(jobs.c.id, jobs.c.parent_id, literal(0).label("back")).where(jobs.c.id == job_id).cte(recursive=True)
    line = line.union_all(
        select(jobs.c.id, jobs.c.parent_id, line.c.back + 1).where(
            jobs.c.id == line.c.parent_id, jobs.c.state == JobState.FAILED
        )
    )
    same = select(*artifacts.c).join(line, line.c.id == artifacts.c.job_id).where(_CHECKPOINT, artifacts.c.name == name)
    with db.begin() as connection:
        row = connection.execute(same.order_by(line.c.back).limit(1)).mappings().one_or_none()
    return artifact_from(row) if row is not None else None


def has_checkpoint(db: Database, job_id: str) -> bool:
    """Whether any attempt of this job stored one."""
    with db.begin() as connection:
        some = select(exists().where(artifacts.c.job_id == job_id, _CHECKPOINT))
        return bool(connection.execute(some).scalar_one())


def drop_checkpoints(connection: Connection, job_ids: Sequence[str]) -> None:
    """Forget the checkpoints of those of these jobs that have succeeded or were cancelled; the sweep deletes the bytes.

    Those of a failed job stay a while: see `forget_checkpoints`.
    """
    over = select(jobs.c.id).where(jobs.c.id.in_(job_ids), jobs.c.state.in_([JobState.SUCCEEDED, JobState.CANCELLED]))
    connection.execute(delete(artifacts).where(artifacts.c.job_id.in_(over), _CHECKPOINT))


def forget_checkpoints(db: Database, failed_before: datetime) -> int:
    """Forget the checkpoints of every job that needs them no more, and of those that failed before this; how many."""
    over = jobs.c.state.in_([JobState.SUCCEEDED, JobState.CANCELLED])
    failed = (jobs.c.state == JobState.FAILED) & (jobs.c.finished_at < failed_before)
    unneeded = exists().where(jobs.c.id == artifacts.c.job_id, over | failed)
    with db.begin() as connection:
        return len(connection.execute(delete(artifacts).where(_CHECKPOINT, unneeded).returning(artifacts.c.id)).all())


def drop_previews(connection: Connection, job_ids: Sequence[str]) -> None:
    """Forget the previews of jobs whose attempt has ended; the sweep deletes the bytes."""
    connection.execute(_DROP_PREVIEWS, {"jobs": list(job_ids)})


def get(db: Database, owner_id: str | None, artifact_id: str) -> Artifact:
    """The owner's artifact with this id; with None, anybody's: for what an administrator has made everybody's.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    if is_id(artifact_id):
        mine = artifacts.c.id == artifact_id
        if owner_id is not None:
            mine &= artifacts.c.owner_id == owner_id
        with db.begin() as connection:
            row = connection.execute(select(*artifacts.c).where(mine)).mappings().one_or_none()
        if row is not None:
            return artifact_from(row)
    raise NotFound("There is no such artifact.")


def of_jobs(db: Database, owner_id: str, job_ids: Sequence[str]) -> dict[str, list[Artifact]]:
    """The artifacts of each of these jobs, in the order they were saved."""
    found: dict[str, list[Artifact]] = {job_id: [] for job_id in job_ids}
    if not job_ids:
        return found
    mine = (artifacts.c.owner_id == owner_id) & artifacts.c.job_id.in_(job_ids)
    with db.begin() as connection:
        for row in connection.execute(select(*artifacts.c).where(mine).order_by(artifacts.c.position)).mappings():
            found[row["job_id"]].append(artifact_from(row))
    return found


def discard_orphans(db: Database, older_than: datetime, discard: Callable[[str], None], limit: int = 20) -> int:
    """Delete up to `limit` blobs that no artifact names: `discard` deletes the bytes, then the rows go.

    The rows stay locked meanwhile, so whoever announces the same content again waits, and uploads after us. What
    cannot be deleted keeps its row for the next time.

    Returns:
        How many were deleted.
    """
    named = exists().where(artifacts.c.key == blobs.c.key)
    shown = exists().where(artifacts.c.thumb_key == blobs.c.key)
    # A running job's files get their rows at its end, however long it runs.
    owner = func.split_part(blobs.c.key, "/", 1)
    running = (jobs.c.state == JobState.RUNNING) & (jobs.c.owner_id == owner)
    awaited = exists().where(running, jobs.c.started_at <= blobs.c.touched_at)
    stale = select(blobs.c.key).where(blobs.c.touched_at < older_than, ~named, ~shown, ~awaited).limit(limit)
    with db.begin() as connection:
        keys = connection.execute(stale.with_for_update(skip_locked=True)).scalars().all()
        for key in keys:
            discard(key)
        connection.execute(delete(blobs).where(blobs.c.key.in_(keys)))
    return len(keys)


_CHECKPOINT = artifacts.c.role == literal_column("'checkpoint'")
"""Written out, so that the planner finds the index of such rows."""

_DROP_PREVIEWS = delete(artifacts).where(
    artifacts.c.job_id == func.any(bindparam("jobs", type_=ARRAY(Text()))), artifacts.c.role == "preview"
)


def _row(job: Job, new: NewArtifact, position: int) -> dict[str, Any]:
    return {
        "id": new_id("art"),
        "job_id": job.id,
        "owner_id": job.owner_id,
        "attempt": job.attempt,
        "position": position,
        "role": new.role,
        "name": new.name,
        "media_type": new.media_type,
        "size": new.size,
        "sha256": new.sha256,
        "key": new.key,
        "meta": new.meta,
        "width": new.width,
        "height": new.height,
        "thumb_key": new.thumb_key,
        "content_sha256": new.content_sha256,
    }
