"""A job submitted again with something changed that is no setting: its time limit, or a key so that it happens once."""

from shared import jobs, listing
from shared.db import Database
from shared.errors import Conflict
from shared.jobs import Submitted
from shared.owners import Owner

MAX_TIME_LIMIT_S = 7 * 86400.0
"""As long as the API lets a job run."""


def again(
    db: Database, owner: Owner, job_id: str, *, longer: float = 1, idempotency_key: str | None = None
) -> Submitted:
    """Submit the same request as a new job that names this one as its parent, with a time limit `longer` times as long.

    Raises:
        NotFound: the owner has no such job.
        Conflict: the job has not ended yet.
        Invalid: what it refers to is not there any more.
        TooMany: the owner has as many queued jobs as it may.
    """
    old = listing.get(db, owner.id, job_id)
    if not old.done:
        raise Conflict(f"This job is still {old.state}; cancel it first, or wait for its end.", code="not_finished")
    return jobs.submit(
        db,
        owner,
        old.kind,
        old.params,
        idempotency_key=idempotency_key,
        priority=old.priority,
        pool=None if old.device_pin else old.pool,
        device=old.device_pin,
        parent_id=old.id,
        time_limit_s=min(old.time_limit_s * longer, max(old.time_limit_s, MAX_TIME_LIMIT_S)),
        batch_id=old.batch_id,
        batch_index=old.batch_index,
    )
