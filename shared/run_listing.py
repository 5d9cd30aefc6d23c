"""Looking at runs: each with the state of the job or the batch that it submitted. Reads only."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from shared.batch_listing import tallies_of
from shared.db import Database
from shared.records import jobs, runs
from shared.schedule import Run, Schedule, run_from

RUNS = select(*runs.c, jobs.c.state.label("job_state")).select_from(runs.outerjoin(jobs, jobs.c.id == runs.c.job_id))
"""Runs with the states of their jobs."""


def with_batches(db: Database, found: list[Run]) -> list[Run]:
    """The runs with the states of their batches, which follow from their jobs."""
    ids = [run.batch_id for run in found if run.batch_id is not None]
    tallies = tallies_of(db, ids) if ids else {}
    return [replace(run, batch_state=tallies[run.batch_id].state) if run.batch_id else run for run in found]


def latest(db: Database, schedules: Sequence[Schedule]) -> dict[str, Run]:
    """The last run of each of these schedules that has one, in one query."""
    wanted = runs.c.schedule_id.in_([schedule.id for schedule in schedules])
    newest = RUNS.where(wanted).ext(distinct_on(runs.c.schedule_id))
    newest = newest.order_by(runs.c.schedule_id, runs.c.due_at.desc())
    with db.begin() as connection:
        found = [run_from(row) for row in connection.execute(newest).mappings()]
    return {run.schedule_id: run for run in with_batches(db, found)}
