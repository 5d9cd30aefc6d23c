"""What a running search of hyper-parameters does in the queue: it submits trials, waits for them, and chooses one.

Each is one transaction that the fence guards, so a search that was taken over makes no twins. Knows neither how values
are chosen nor the bell.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from shared import costs, kinds, transitions, versions
from shared.artifacts import NewArtifact
from shared.db import Database
from shared.drafts import Placement, draft
from shared.job import TERMINAL, Job, JobState, Progress, job_from
from shared.jobs import given
from shared.new_rows import SUBMIT
from shared.records import artifacts, jobs
from shared.trials import Choice, NewTrial

LOOK_AGAIN_S = 300.0
"""A search that waits is taken up again after this long, though no trial has called it back: in case of anything."""


def wait(
    db: Database, search: Job, new: Sequence[NewTrial], *, ended: int, progress: Progress, metrics: dict[str, float]
) -> list[str] | None:
    """running -> queued until a trial ends, at no cost, with further trials submitted.

    `ended` is how many ends the search knows of: where there are more by now it is due at once.

    Returns:
        The pools with new work, or None where the attempt no longer owns the job, or is to be cancelled.
    """
    told = {"new_progress": asdict(progress), "new_metrics": metrics, "delay_s": LOOK_AGAIN_S}
    with db.begin() as connection:
        left = transitions.follow(connection, transitions.AWAIT, transitions.fence(search) | told, _event(new))
        if left is None:
            return None
        pools = {_submit(connection, search, each) for each in new}
        over = jobs.c.state.in_(TERMINAL)
        # Seen only now, behind the lock of the search: who ends from here on waits for this transaction.
        known = select(func.count()).where(jobs.c.searched_by == search.id, over)
        if connection.execute(known).scalar_one() > ended:
            pools.update(connection.execute(transitions.CALL_BACK, {"search": search.id}).scalars())
        costs.settle(connection, [search.id], learn=False)
    return sorted(pools)


def conclude(connection: Connection, search: Job, chosen: Choice) -> None:
    """Let the model of the best trial enter the library, inside the transaction that ends the search.

    The models of the others are forgotten, or enter as further versions.
    """
    models = _models(connection, search.id)
    # The best first: it is the version that the name stands for where there was none before.
    for job, row in sorted(models, key=lambda each: each[0].id != chosen.job_id):
        best = job.id == chosen.job_id
        if best or chosen.keep_trials:
            meta = row.meta | {"promote": chosen.promote if best else "never"}
            made = NewArtifact("model", row.name, row.media_type, row.size, row.sha256, row.key, meta)
            versions.enter(connection, job, row.id, made)
        else:
            connection.execute(delete(artifacts).where(artifacts.c.id == row.id))


def _submit(connection: Connection, search: Job, new: NewTrial) -> str:
    """Write the row of a trial, placed as its search is; its pool."""
    pool = None if search.device_pin or search.pool == kinds.params_class(search.kind).pool else search.pool
    row = draft(new.kind, new.params, Placement(search.priority, pool, search.device_pin))
    nothing = dict.fromkeys(
        ("parent_id", "batch_id", "batch_index", "workflow_id", "step", "idempotency_key", "fingerprint", "run_at")
    )
    row |= nothing | {
        "owner_id": search.owner_id, "waits": False, "needed": False, "searched_by": search.id, "trial": new.number,
        "title": f"{row['title']} · {new.number}",
    }  # fmt: skip
    connection.exec_driver_sql(SUBMIT, given(row, None)).one()
    return str(row["pool"])


def _models(connection: Connection, search_id: str) -> list[tuple[Job, Row[Any]]]:
    """The trials of a search that have made a model, by number, each with it."""
    done = (jobs.c.searched_by == search_id) & (jobs.c.state == JobState.SUCCEEDED)
    of_it = select(*jobs.c).where(done).order_by(jobs.c.trial)
    found = {row["id"]: job_from(row) for row in connection.execute(of_it).mappings()}
    made = select(artifacts).where(artifacts.c.job_id.in_(found), artifacts.c.role == "model")
    by_job = {row.job_id: row for row in connection.execute(made)}
    return [(job, by_job[job.id]) for job in found.values() if job.id in by_job]


def _event(new: Sequence[NewTrial]) -> dict[str, Any]:
    return {"trials": [each.number for each in new]}
