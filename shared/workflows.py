"""Workflows: a graph of jobs of one request. Submitting one, cancelling the rest, retrying what did not succeed.

A workflow is queued whole or not at all. Its state is that of its jobs, which the arrows of `shared.transitions` alone
write; who waits for whom is `shared.dependencies`. Knows neither the bell nor the object store.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from shared import dependencies, transitions
from shared.db import Database
from shared.errors import Conflict, Invalid
from shared.ids import new_id, new_ids
from shared.job import JobState
from shared.jobs import given, used_for_another
from shared.new_rows import SUBMIT
from shared.owners import Owner
from shared.records import workflows
from shared.room import make_room
from shared.sources import digest
from shared.steps import Asked
from shared.text import UNSTORABLE, storable
from shared.workflow import Workflow, workflow_from
from shared.workflow_drafts import DraftedStep, draft_all
from shared.workflow_listing import get, latest_held


@dataclass(frozen=True)
class SubmittedWorkflow:
    """The workflow, whether this request made it (an idempotency key may have found an earlier one), and the pools
    where it has work now."""

    workflow: Workflow
    created: bool
    pools: frozenset[str] = frozenset()


def submit(db: Database, owner: Owner, asked: Asked, *, idempotency_key: str | None = None) -> SubmittedWorkflow:
    """Check every step, then write all their jobs in one transaction; the caller rings after this returns.

    The same idempotency key with the same request answers with the first workflow.

    Raises:
        Invalid: steps are wrong, or the key was used for another request.
        TooMany: not all of them fit into the owner's queue.
    """
    told = asked.model_dump(mode="json")
    if not storable(told):
        raise Invalid(UNSTORABLE, field="steps")
    fingerprint = digest(told) if idempotency_key else None
    if idempotency_key and (earlier := _earlier(db, owner, idempotency_key, fingerprint)) is not None:
        return SubmittedWorkflow(earlier, created=False)
    drafted = draft_all(db, owner, asked)
    row = {
        "id": new_id("wfl"),
        "owner_id": owner.id,
        "title": asked.title or drafted[0].row["title"],
        "asked": {"steps": [each.plan for each in drafted]},
        "idempotency_key": idempotency_key,
        "fingerprint": fingerprint,
    }
    new = insert(workflows).values(row).on_conflict_do_nothing().returning(*workflows.c)
    with db.begin() as connection:
        made = connection.execute(new).mappings().one_or_none()
        if made is not None:
            pools = _place(connection, owner, made["id"], drafted, {})
    if made is not None:
        return SubmittedWorkflow(workflow_from(made), created=True, pools=pools)
    earlier = _earlier(db, owner, idempotency_key or "", fingerprint)
    assert earlier is not None, "only an idempotency key keeps a workflow from being written"
    return SubmittedWorkflow(earlier, created=False)


def check(db: Database, owner: Owner, asked: Asked) -> None:
    """Check every step as `submit` would, without submitting anything.

    Raises:
        Invalid: steps are wrong.
    """
    draft_all(db, owner, asked)


def cancel(db: Database, owner_id: str, workflow_id: str) -> Workflow:
    """Cancel the rest: every step that waits, at once; those that run are asked to stop. Asking twice is asking once.

    Raises:
        NotFound: the owner has no such workflow.
        Conflict: every step has ended by itself already.
    """
    workflow = get(db, owner_id, workflow_id)
    whose = {"workflow": workflow_id, "owner": owner_id}
    with db.begin() as connection:
        _lock(connection, workflow)
        connection.execute(transitions.ONE_AT_A_TIME)
        found = latest_held(connection, workflow)
        queued, running = (transitions.follow_all(connection, arrow, whose) for arrow in transitions.CANCEL_WORKFLOW)
        dependencies.follow_end(connection, queued)
    cancelled = any(job.state is JobState.CANCELLED or job.cancel_requested for job in found.values())
    if not queued and not running and not cancelled:
        told = "Every step of this workflow has ended; there is nothing left to cancel."
        raise Conflict(told, code="already_finished")
    return workflow


def retry(db: Database, owner: Owner, workflow_id: str) -> frozenset[str]:
    """Submit anew every step that failed or was cancelled; what succeeded stays, and its files are used again.

    Asking twice at once is asking once: the second finds nothing that failed.

    Returns:
        The pools where there is work now.

    Raises:
        NotFound: the owner has no such workflow.
        Invalid: a kind or a model that they name is no longer there.
        Conflict: every step succeeded, waits or runs.
        TooMany: not all of them fit into the owner's queue.
    """
    workflow = get(db, owner.id, workflow_id)
    drafted = _drafted_again(db, owner, workflow)
    with db.begin() as connection:
        _lock(connection, workflow)
        connection.execute(transitions.ONE_AT_A_TIME)
        latest = latest_held(connection, workflow)
        lost = {name for name, job in latest.items() if job.state in {JobState.FAILED, JobState.CANCELLED}}
        if not lost:
            told = "No step of this workflow has failed or was cancelled."
            raise Conflict(told, code="nothing_to_retry")
        kept = {name: job.id for name, job in latest.items() if name not in lost}
        again = [each for each in drafted if each.step.name in lost]
        parents = {name: latest[name].id for name in lost}
        return _place(connection, owner, workflow.id, again, kept, parents)


def _place(
    connection: Connection,
    owner: Owner,
    workflow_id: str,
    drafted: list[DraftedStep],
    kept: Mapping[str, str],
    parents: Mapping[str, str] | None = None,
) -> frozenset[str]:
    """Write the jobs of these steps and what they need, among each other and of the jobs that are kept."""
    make_room(connection, owner, len(drafted))
    used = {need for each in drafted for need in each.needs}
    states = dependencies.hold(connection, owner.id, [job_id for name, job_id in kept.items() if name in used])
    behind = max([*kept.values(), *(parents or {}).values()], default="")
    ids = dict(zip((each.step.name for each in drafted), new_ids("job", len(drafted), behind), strict=True))
    pools, needs = set[str](), dict[str, list[str]]()
    for each in drafted:
        name = each.step.name
        needs[ids[name]] = [ids.get(need) or kept[need] for need in each.needs]
        row = each.row | {
            "id": ids[name],
            "owner_id": owner.id,
            "parent_id": (parents or {}).get(name),
            "workflow_id": workflow_id,
            "step": name,
            "waits": any(states.get(need) is not JobState.SUCCEEDED for need in needs[ids[name]]),
            "needed": name in used,
        }
        connection.exec_driver_sql(SUBMIT, given(dict.fromkeys(_NOTHING) | row, None))
        if not row["waits"]:
            pools.add(row["pool"])
    dependencies.write(connection, needs)
    return frozenset(pools)


_NOTHING = ("batch_id", "batch_index", "idempotency_key", "fingerprint", "run_at")


def _drafted_again(db: Database, owner: Owner, workflow: Workflow) -> list[DraftedStep]:
    """The steps checked as when they were submitted: what they name may have gone since."""
    asked = Asked.model_validate({"steps": [_step_again(step) for step in workflow.asked["steps"]]})
    try:
        return draft_all(db, owner, asked)
    except Invalid as error:
        told = f"Nothing was retried. {error} Submit a new workflow without it."
        raise Invalid(told, code=error.code, field=error.field) from error


def _step_again(plan: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plan.items() if name != "needs"} | {"depends_on": plan["needs"]}


def _earlier(db: Database, owner: Owner, key: str, fingerprint: str | None) -> Workflow | None:
    """The workflow that was made with this key.

    Raises:
        Invalid: it was made by another request.
    """
    mine = (workflows.c.owner_id == owner.id) & (workflows.c.idempotency_key == key)
    with db.begin() as connection:
        row = connection.execute(select(*workflows.c).where(mine)).mappings().one_or_none()
    if row is None:
        return None
    if row["fingerprint"] != fingerprint:
        raise used_for_another("workflow")
    return workflow_from(row)


def _lock(connection: Connection, workflow: Workflow) -> None:
    """Hold the workflow's row until the end of the transaction, so that two who change it go one after the other."""
    mine = select(workflows.c.id).where(workflows.c.id == workflow.id)
    connection.execute(mine.with_for_update(key_share=True)).one()
