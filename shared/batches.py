"""Batches: many jobs of one request. Submitting them, cancelling the rest, retrying those that failed.

A batch is queued whole or not at all. Its state is that of its jobs, which the arrows of `shared.transitions` alone
write; looking at batches is `shared.batch_listing`, their results are `shared.batch_results`. Knows neither the bell
nor the object store.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from shared import batch_jobs, jobs, kinds, library
from shared.batch import Batch, batch_from
from shared.batch_drafts import BatchDraft, write_down
from shared.batch_listing import get, named
from shared.datasets import Datasets
from shared.db import Database
from shared.drafts import Placement
from shared.errors import Conflict, Invalid, NotFound
from shared.inputs import Inputs
from shared.job import TERMINAL, JobState
from shared.owners import Owner
from shared.records import batches
from shared.records import jobs as job_rows
from shared.sources import Source, digest
from shared.text import UNSTORABLE, storable


@dataclass(frozen=True)
class SubmittedBatch:
    """The batch, and whether this request made it (an idempotency key may have found an earlier one)."""

    batch: Batch
    created: bool


@dataclass(frozen=True)
class IdempotencyKey:
    """What a request is known by, and a hash of what it asked for."""

    key: str
    fingerprint: str


def submit(
    db: Database,
    owner: Owner,
    kind: str,
    source: Source,
    *,
    placement: Placement | None = None,
    title: str | None = None,
    idempotency_key: str | None = None,
) -> SubmittedBatch:
    """Check every item of a source, then write all their jobs in one transaction; the caller rings after this returns.

    The same idempotency key with the same request answers with the first batch.

    Raises:
        NotFound: there is no such kind.
        Invalid: items are wrong, there are none or too many, or the key was used for another request.
        TooMany: not all of them fit into the owner's queue; the sentence says how many do.
    """
    placement = placement or Placement()
    once = _once(idempotency_key, kind, source, placement, title)
    if once is not None and (earlier := _earlier(db, owner, once)) is not None:
        return SubmittedBatch(earlier, created=False)
    asked = _storable(source.asked)
    if placement.device is not None:
        jobs.check_device(db, placement.device)
    with write_down(db, owner, kind, source, placement) as draft, db.begin() as connection:
        made = place(connection, owner, draft, asked, placement, title=title, once=once)
    if made is not None:
        return SubmittedBatch(made, created=True)
    earlier = _earlier(db, owner, once) if once is not None else None
    assert earlier is not None, "only an idempotency key keeps a batch from being written"
    return SubmittedBatch(earlier, created=False)


def check(db: Database, owner: Owner, kind: str, source: Source, placement: Placement) -> None:
    """Check every item of a source as `submit` would, without submitting anything.

    Raises:
        NotFound: there is no such kind.
        Invalid: items are wrong, or there are none or too many.
    """
    _storable(source.asked)
    if placement.device is not None:
        jobs.check_device(db, placement.device)
    with write_down(db, owner, kind, source, placement):
        pass


def place(
    connection: Connection,
    owner: Owner,
    draft: BatchDraft,
    asked: dict[str, Any],
    placement: Placement,
    *,
    title: str | None = None,
    once: IdempotencyKey | None = None,
) -> Batch | None:
    """Write a checked batch and all its jobs within a transaction; None where its idempotency key is taken.

    Raises:
        TooMany: not all of them fit into the owner's queue.
    """
    row = {
        "id": draft.id,
        "owner_id": owner.id,
        "kind": draft.kind,
        "title": (title or draft.title)[:200],
        "asked": asked,
        "total": draft.total,
        "priority": placement.priority,
        "pool": draft.pool,
        "idempotency_key": once.key if once else None,
        "fingerprint": once.fingerprint if once else None,
    }
    new = insert(batches).values(row).on_conflict_do_nothing().returning(*batches.c)
    made = connection.execute(new).mappings().one_or_none()
    if made is None:
        return None
    batch_jobs.submit_many(connection, owner, draft.id, draft.lines, draft.total)
    return batch_from(made)


def cancel(db: Database, owner_id: str, batch_id: str) -> Batch:
    """Cancel the rest: every job that waits, at once; those that run are asked to stop. Asking twice is asking once.

    Raises:
        NotFound: the owner has no such batch.
        Conflict: every job has ended by itself already.
    """
    batch = get(db, owner_id, batch_id)
    with db.begin() as connection:
        _lock(connection, batch)
        if not batch_jobs.cancel_rest(connection, owner_id, batch_id) and not _was_cancelled(connection, batch):
            raise Conflict(
                "Every job of this batch has ended; there is nothing left to cancel.", code="already_finished"
            )
    return batch


def retry(db: Database, owner: Owner, batch_id: str, states: Collection[JobState] = (JobState.FAILED,)) -> int:
    """Submit anew the jobs that failed (or, if asked, were cancelled): as new jobs of the same batch, at their numbers.

    Asking twice at once is asking once: the second finds nothing that failed.

    Returns:
        How many.

    Raises:
        NotFound: the owner has no such batch.
        Invalid: the kind, a model or a device that they name is no longer there.
        Conflict: no job is in one of these states.
        TooMany: not all of them fit into the owner's queue.
    """
    if not set(states) <= TERMINAL - {JobState.SUCCEEDED} or not states:
        raise Invalid("Only failed and cancelled jobs can be retried.", field="states")
    batch = get(db, owner.id, batch_id)
    _check_again(db, owner, batch, states)
    with db.begin() as connection:
        _lock(connection, batch)
        count = batch_jobs.retry_many(connection, owner, batch_id, states)
    if not count:
        raise Conflict(f"No job of this batch has {' or '.join(sorted(states))}.", code="nothing_to_retry")
    return count


def _check_again(db: Database, owner: Owner, batch: Batch, states: Collection[JobState]) -> None:
    """Look for what the jobs name, as when they were submitted: it may have gone since."""
    try:
        declared = kinds.params_class(batch.kind)
        tasks, media, formats = declared.model_tasks(), declared.input_media(), declared.dataset_formats()
        found = named(db, batch, list(states), [*tasks, *media, *formats])
        Inputs(db, owner.id).check_named({name: found.pop(name) for name in media}, media)
        Datasets(db, owner.id).check_named({name: found.pop(name) for name in formats}, formats)
        for name, values in found.items():
            for value in sorted(values):
                if name in tasks:
                    library.check(db, owner.id, value, tasks[name], name)
                else:
                    jobs.check_device(db, value)
    except (Invalid, NotFound) as error:
        told = f"Nothing was retried. {error} Submit a new batch without it."
        raise Invalid(told, code=error.code, field=error.field) from error


def _once(key: str | None, kind: str, source: Source, placement: Placement, title: str | None) -> IdempotencyKey | None:
    if key is None:
        return None
    rest = [placement.priority, placement.pool, placement.device, placement.time_limit_s, title]
    return IdempotencyKey(key, digest([kind, source.fingerprint(), *rest]))


def _earlier(db: Database, owner: Owner, once: IdempotencyKey) -> Batch | None:
    """The batch that was made with this key.

    Raises:
        Invalid: it was made by another request.
    """
    mine = (batches.c.owner_id == owner.id) & (batches.c.idempotency_key == once.key)
    with db.begin() as connection:
        row = connection.execute(select(*batches.c).where(mine)).mappings().one_or_none()
    if row is None:
        return None
    if row["fingerprint"] != once.fingerprint:
        raise jobs.used_for_another("batch")
    return batch_from(row)


def _storable(asked: dict[str, Any]) -> dict[str, Any]:
    """As JSONB takes it: common params that every item replaces are checked by nobody else."""
    try:
        kept: dict[str, Any] = from_json(to_json(asked, inf_nan_mode="null"))
    except ValueError as error:
        raise Invalid("The params cannot be stored: they are nested too deeply.", field="params") from error
    if not storable(kept):
        raise Invalid(UNSTORABLE, field="params")
    return kept


def _lock(connection: Connection, batch: Batch) -> Row[Any]:
    """Hold the batch's row until the end of the transaction, so that two who change it go one after the other."""
    mine = select(batches.c.id).where(batches.c.id == batch.id)
    # Key share: a job that is retried singly meanwhile may go on naming its batch.
    return connection.execute(mine.with_for_update(key_share=True)).one()


def _was_cancelled(connection: Connection, batch: Batch) -> bool:
    cancelled = (job_rows.c.state == JobState.CANCELLED) | job_rows.c.cancel_requested
    mine = select(job_rows.c.id).where(job_rows.c.batch_id == batch.id, cancelled).limit(1)
    return connection.execute(mine).first() is not None
