"""Which jobs wait for which: a job that needs others is queued, and waits until all of them have succeeded.

When a job ends, the same transaction wakes what waited for it or, where it will never succeed, cancels it. Two needs
that end at the same moment must not each take the other for unfinished, so the jobs that wait are locked first and
looked at in a second statement. Locks are taken in the order of ids, which is the order of needs too; whoever locks
several jobs that do not wait does so in turn (`transitions.ONE_AT_A_TIME`). Knows neither the bell nor
the object store.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, Connection, RowMapping, Text, bindparam, func, insert, select, text, update

from shared import transitions
from shared.db import Database
from shared.errors import Invalid
from shared.job import TERMINAL, JobState
from shared.records import dependencies, jobs

MAX_NEEDS = 50
"""Jobs that one job may wait for."""


@dataclass(frozen=True)
class Need:
    """A job that another one waits for, or that waits for it."""

    job_id: str
    title: str
    state: JobState
    workflow_id: str | None
    step: str | None

    @property
    def name(self) -> str:
        """What it is called: its step, or the end of its id."""
        return self.step or self.job_id[-8:]


# ---- within a transaction ----


def hold(connection: Connection, owner_id: str, job_ids: Collection[str]) -> dict[str, JobState]:
    """Lock these jobs of the owner until the end of the transaction, so that none ends meanwhile; their states.

    Those that have not ended yet are marked as needed, so that their end looks for who waits.
    """
    if not job_ids:
        return {}
    connection.execute(transitions.ONE_AT_A_TIME)
    mine = (jobs.c.id == _any("held")) & (jobs.c.owner_id == owner_id)
    held = select(jobs.c.id, jobs.c.state).where(mine).order_by(jobs.c.id).with_for_update()
    states = {row.id: JobState(row.state) for row in connection.execute(held, {"held": list(job_ids)})}
    live = [job_id for job_id, state in states.items() if state not in TERMINAL]
    if live:
        connection.execute(update(jobs).where(jobs.c.id.in_(live)).values(needed=True))
    return states


def must_wait(states: Mapping[str, JobState], needs: Sequence[str]) -> bool:
    """Whether a job with these needs, which are held, has to wait.

    Raises:
        Invalid: there is no such job, or it will never succeed.
    """
    for place, need in enumerate(needs):
        field = f"depends_on.{place}"
        if need not in states:
            raise Invalid(f"There is no job {need[:60]!r} of yours.", code="unknown_job", field=field)
        if states[need] in {JobState.FAILED, JobState.CANCELLED}:
            told = f"The job {need} failed, so nothing can come after it. Depend on its retry instead."
            if states[need] is JobState.CANCELLED:
                told = f"The job {need} was cancelled, so nothing can come after it. Depend on its retry instead."
            raise Invalid(told, code="step_failed", field=field)
    return any(states[need] is not JobState.SUCCEEDED for need in needs)


def write(connection: Connection, needs: Mapping[str, Iterable[str]]) -> None:
    """Note which jobs each of these new jobs needs."""
    rows = [{"job_id": job_id, "needs_job_id": need} for job_id, each in needs.items() for need in each]
    if rows:
        connection.execute(insert(dependencies), rows)


def follow_end(connection: Connection, ended: Sequence[RowMapping]) -> list[str]:
    """Wake or cancel what waits for these jobs, which have just ended in this transaction.

    Returns:
        The pools that have new work.
    """
    needed = [row for row in ended if row["needed"]]
    lost = [row for row in needed if row["state"] in {JobState.FAILED, JobState.CANCELLED}]
    if lost:
        _close(connection, lost)
    return _wake(connection, [row["id"] for row in needed if row["state"] == JobState.SUCCEEDED])


def repair(db: Database) -> None:
    """Wake and cancel what should have been already: for the sweep, in case that anything was missed."""
    waiting = select(jobs.c.id).where(jobs.c.waits, transitions.QUEUED)
    ready = waiting.where(~transitions.UNMET).order_by(jobs.c.id).with_for_update(of=jobs, skip_locked=True)
    with db.begin() as connection:
        found = list(connection.execute(ready).scalars())
        if found:
            transitions.follow_all(connection, transitions.WAKE, {"jobs": found})
    waiter = jobs.alias("waiter")
    gone = (
        select(jobs.c.id, jobs.c.state, jobs.c.step)
        .distinct()
        .join(dependencies, dependencies.c.needs_job_id == jobs.c.id)
        .join(waiter, waiter.c.id == dependencies.c.job_id)
        .where(waiter.c.waits, jobs.c.state.in_([JobState.FAILED, JobState.CANCELLED]))
    )
    with db.begin() as connection:
        lost = list(connection.execute(gone).mappings())
        if lost:
            _close(connection, lost)


def _wake(connection: Connection, succeeded: list[str]) -> list[str]:
    if not succeeded:
        return []
    waiting = list(connection.execute(_LOCK_WAITING, {"needs": succeeded}).scalars())
    if not waiting:
        return []
    woken = transitions.follow_all(connection, transitions.WAKE, {"jobs": waiting})
    return sorted({row["pool"] for row in woken})


def _close(connection: Connection, lost: Sequence[RowMapping]) -> None:
    """Cancel everything downstream of what was lost, each with the sentence of the first that it hangs on."""
    by_id = {row["id"]: row for row in lost}
    # Again until nothing is left: meanwhile somebody may have begun to wait for a job that was about to be closed.
    while behind := connection.execute(_LOCK_BEHIND, {"lost": list(by_id)}).all():
        closed: dict[str, list[str]] = {}
        for job_id, seed in behind:
            closed.setdefault(seed, []).append(job_id)
        for seed, job_ids in closed.items():
            code, message = _reason(by_id[seed])
            given = {"jobs": job_ids, "new_error_code": code, "new_error_message": message}
            transitions.follow_all(connection, transitions.CLOSE, given, {"code": code, "message": message})


def _reason(lost: RowMapping) -> tuple[str, str]:
    step, job_id = lost["step"], lost["id"]
    if lost["state"] == JobState.FAILED:
        told = f"The step “{step}”, which this one waited for, failed."
        return "step_failed", told if step else f"The job {job_id}, which this one waited for, failed."
    told = f"The step “{step}”, which this one waited for, was cancelled."
    return "step_cancelled", told if step else f"The job {job_id}, which this one waited for, was cancelled."


def _any(name: str) -> Any:
    return func.any(bindparam(name, type_=ARRAY(Text())))


_LOCK_WAITING = (
    select(jobs.c.id)
    .join(dependencies, dependencies.c.job_id == jobs.c.id)
    .where(dependencies.c.needs_job_id == _any("needs"), jobs.c.waits)
    .order_by(jobs.c.id)
    .with_for_update(of=jobs)
)
_LOCK_BEHIND = text(
    """
    with recursive behind (id, seed) as (
        select job_id, needs_job_id from dependencies where needs_job_id = any(:lost)
        union
        select dependencies.job_id, seed from behind join dependencies on needs_job_id = behind.id
    ), each as (
        select id, min(seed) as seed from behind group by id
    )
    select jobs.id, each.seed from jobs join each using (id)
    where jobs.waits order by jobs.id for update of jobs
    """
)


# ---- looking ----


def unmet(db: Database, job_ids: Sequence[str]) -> dict[str, list[Need]]:
    """What each of these jobs still waits for."""
    return _looked(db, job_ids, of=dependencies.c.job_id, at=dependencies.c.needs_job_id, unmet=True)


def needs(db: Database, job_id: str) -> list[Need]:
    """The jobs that this one needs, whatever became of them."""
    return _looked(db, [job_id], of=dependencies.c.job_id, at=dependencies.c.needs_job_id)[job_id]


def behind(db: Database, job_id: str) -> list[Need]:
    """The jobs that need this one."""
    return _looked(db, [job_id], of=dependencies.c.needs_job_id, at=dependencies.c.job_id)[job_id]


def _looked(db: Database, job_ids: Sequence[str], *, of: Any, at: Any, unmet: bool = False) -> dict[str, list[Need]]:
    found: dict[str, list[Need]] = {job_id: [] for job_id in job_ids}
    if not job_ids:
        return found
    query = (
        select(of.label("one"), jobs.c.id, jobs.c.title, jobs.c.state, jobs.c.workflow_id, jobs.c.step)
        .join(jobs, jobs.c.id == at)
        .where(of.in_(job_ids), *([jobs.c.state != JobState.SUCCEEDED] if unmet else []))
        .order_by(jobs.c.id)
    )
    with db.begin() as connection:
        for one, job_id, title, state, workflow_id, step in connection.execute(query):
            found[one].append(Need(job_id, title, JobState(state), workflow_id, step))
    return found
