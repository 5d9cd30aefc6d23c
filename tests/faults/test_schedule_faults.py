"""Beats, really killed: every due tick is exactly one run with exactly one job."""

import signal
import time
from collections import Counter
from datetime import datetime

from sqlalchemy import text

from shared import listing, schedules
from shared.job import JobState
from shared.schedule import RunState, Terms
from tests.faults.fleet import Fleet

SECONDS = 6.0
BEATS = ("beat-2", "beat-3")

# What is idle becomes due at this very moment; each row is told once for each of its due ticks.
BECOME_DUE = text(
    "update schedules set next_due = clock_timestamp() where next_due > now() + interval '1 hour'"
    " returning id, next_due"
)


def test_three_beats_and_one_of_them_killed_make_one_run_of_every_due_tick(fleet: Fleet) -> None:
    # Given ten schedules and three beats
    template = {"job": {"kind": "probe", "params": {"steps": 0}}}
    terms = Terms.model_validate({"name": "s", "cron": "0 0 29 2 *", "template": template, "overlap": "queue"})
    made = [schedules.create(fleet.db, fleet.owner, terms) for _ in range(10)]
    alone = _connections(fleet)
    for name in BEATS:
        fleet.start_beat(name)
    fleet.until(lambda: _connections(fleet) >= alone + len(BEATS), 20, "three beats at work")

    # When there are due ticks all the time, and one beat is killed in the midst of its work
    expected: list[tuple[str, datetime]] = []
    began, killed = time.monotonic(), False
    while time.monotonic() - began < SECONDS:
        with fleet.db.begin() as connection:
            expected += [(row.id, row.next_due) for row in connection.execute(BECOME_DUE)]
        if not killed and time.monotonic() - began > SECONDS / 2:
            fleet.signal(BEATS[0], signal.SIGKILL)
            killed = True
        time.sleep(0.005)
    fleet.until(lambda: _all_submitted(fleet, len(expected)), 20, "every due tick is submitted")
    for name in BEATS:
        fleet.stop(name)

    # Then every due tick is one run, and every run one job
    assert len(expected) > 30
    with fleet.db.begin() as connection:
        found = connection.execute(text("select schedule_id, due_at, job_id from runs")).all()
        keyed = connection.execute(text("select id from jobs where idempotency_key like 'schedule:%'")).scalars().all()
    assert Counter((run.schedule_id, run.due_at) for run in found) == Counter(expected)
    assert Counter(run.job_id for run in found) == Counter(keyed)
    for each in made:
        schedules.delete_schedule(fleet.db, fleet.owner.id, each.id)
    fleet.until(lambda: not listing.counts(fleet.db, fleet.owner.id)[JobState.QUEUED], 60, "the queue is empty again")


def _all_submitted(fleet: Fleet, number: int) -> bool:
    with fleet.db.begin() as connection:
        count = "select count(*) from runs where state = :state"
        return connection.execute(text(count), {"state": RunState.SUBMITTED}).scalar_one() >= number


def _connections(fleet: Fleet) -> int:
    with fleet.db.begin() as connection:
        return connection.execute(text("select count(*) from pg_stat_activity where datname is not null")).scalar_one()
