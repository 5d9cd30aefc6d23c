"""Schedules and their runs as lists show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from shared import run_listing
from shared.batch import BatchState
from shared.cron_sentences import sentence
from shared.job import JobState
from shared.schedule import Run, RunState, Schedule
from web.pages.due import local
from web.pages.translation import _, language
from web.pages.wording import state_word
from web.site import site


@dataclass(frozen=True)
class RunRow:
    """One run: when by the schedule's clock, a state with its word, and where it leads."""

    run: Run
    due: datetime
    mark: str
    word: str
    address: str | None


@dataclass(frozen=True)
class Row:
    """One schedule of a list."""

    schedule: Schedule
    sentence: str
    next: datetime | None
    last: RunRow | None


def rows_of(found: Sequence[Schedule]) -> list[Row]:
    """The rows of these schedules, each with its last run."""
    last = run_listing.latest(site().db, found) if found else {}
    return [_row(schedule, last.get(schedule.id)) for schedule in found]


def run_row(run: Run, zone: str) -> RunRow:
    """A run as it is shown."""
    mark, word = _standing(run)
    address = url_for("job.show", job_id=run.job_id) if run.job_id else None
    if run.batch_id:
        address = f"/batches/{run.batch_id}"
    return RunRow(run, local(run.due_at, zone), mark, word, address)


def _row(schedule: Schedule, last: Run | None) -> Row:
    terms = schedule.terms
    following = local(schedule.next_due, terms.zone) if schedule.next_due else None
    told = sentence(terms.cron, language())
    return Row(schedule, told, following, run_row(last, terms.zone) if last else None)


def _standing(run: Run) -> tuple[str, str]:
    """The look of a run's state, and its word: once it was submitted, those of what it submitted."""
    if run.job_state is not None:
        return run.job_state.value, state_word(run.job_state)
    if run.batch_state is BatchState.PARTIAL:
        return "failed", _("Partly done")
    if run.batch_state is not None:
        return run.batch_state.value, state_word(JobState(run.batch_state.value))
    return {
        RunState.DUE: ("queued", _("Due")),
        RunState.SUBMITTED: ("cancelled", _("Submitted, deleted since")),
        RunState.SKIPPED: ("cancelled", _("Skipped")),
        RunState.FAILED: ("failed", _("Not submitted")),
    }[run.state]
