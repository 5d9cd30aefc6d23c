"""Looking at workflows: one, a page of them, how they stand. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Select, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from shared import artifacts, cursors
from shared.db import Database
from shared.errors import NotFound
from shared.ids import is_id
from shared.job import Job, job_from
from shared.listing import MAX_PAGE
from shared.records import jobs, workflows
from shared.workflow import Standing, Workflow, workflow_from


@dataclass(frozen=True)
class WorkflowPage:
    """Some workflows, newest first, and the cursor of the next page if there is one."""

    items: list[Workflow]
    next: str | None


def get(db: Database, owner_id: str, workflow_id: str) -> Workflow:
    """The owner's workflow with this id.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    if is_id(workflow_id):
        mine = (workflows.c.id == workflow_id) & (workflows.c.owner_id == owner_id)
        with db.begin() as connection:
            row = connection.execute(select(*workflows.c).where(mine)).mappings().one_or_none()
        if row is not None:
            return workflow_from(row)
    raise NotFound("There is no such workflow.")


def page(db: Database, owner_id: str, *, limit: int = 20, cursor: str | None = None) -> WorkflowPage:
    """The owner's workflows, newest first."""
    cursors.check(cursor)
    limit = max(1, min(limit, MAX_PAGE))
    wanted = [workflows.c.owner_id == owner_id, *([workflows.c.id < cursor] if cursor else [])]
    with db.begin() as connection:
        query = select(*workflows.c).where(*wanted).order_by(workflows.c.id.desc()).limit(limit + 1)
        found = [workflow_from(row) for row in connection.execute(query).mappings()]
    return WorkflowPage(found[:limit], next=found[limit - 1].id if len(found) > limit else None)


def standings(db: Database, found: Sequence[Workflow], *, files: bool = False) -> list[Standing]:
    """How each of these workflows stands, in one query; with its steps' files in another."""
    latest = _latest([each.id for each in found])
    with db.begin() as connection:
        every = [job_from(row) for row in connection.execute(latest).mappings()]
    of_jobs = artifacts.of_jobs(db, found[0].owner_id, [job.id for job in every]) if files and found else {}
    made: list[Standing] = []
    for workflow in found:
        by_step = {job.step or "": job for job in every if job.workflow_id == workflow.id}
        steps = {step.name: by_step[step.name] for step in workflow.steps}
        made.append(Standing(workflow, steps, {name: of_jobs.get(job.id, []) for name, job in steps.items()}))
    return made


def standing(db: Database, workflow: Workflow) -> Standing:
    """How a workflow stands, with its steps' files."""
    return standings(db, [workflow], files=True)[0]


def latest_held(connection: Connection, workflow: Workflow) -> dict[str, Job]:
    """The latest job of each step, held until the end of the transaction, in the order of their ids."""
    newest = select(func.max(jobs.c.id)).where(jobs.c.workflow_id == workflow.id).group_by(jobs.c.step)
    held = select(*jobs.c).where(jobs.c.id.in_(newest)).order_by(jobs.c.id).with_for_update()
    return {job.step or "": job for job in map(job_from, connection.execute(held).mappings())}


def _latest(workflow_ids: Sequence[str]) -> Select[tuple[object, ...]]:
    each = (jobs.c.workflow_id, jobs.c.step)
    query = select(*jobs.c).where(jobs.c.workflow_id.in_(workflow_ids))
    return query.ext(distinct_on(*each)).order_by(*each, jobs.c.id.desc())
