"""Schedules against real Postgres: what becomes of each due tick, once, whoever looks at it and whenever."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from shared import attempts, batch_listing, claims, jobs, library, listing, owners, schedules, ticks, variables
from shared.batch import BatchState
from shared.claims import Claimant
from shared.db import Database
from shared.errors import Invalid, NotFound
from shared.job import Job, JobState, Progress
from shared.owners import Owner
from shared.plan import LOOK_AT, Timing, plan
from shared.schedule import Run, RunState, Schedule, Terms

HERE = Claimant("wkr_a", "host/cpu:0", ("cpu", "accelerated"))
NEVER = "0 0 29 2 *"
"""Cron that does not interfere: what is due in these tests is due because its row is moved into the past."""


def terms(**changed: Any) -> Terms:
    job = {"kind": "probe", "params": {"mark": "{schedule} {date} {run}"}} | changed.pop("job", {})
    return Terms.model_validate({"name": "Nightly", "cron": NEVER, "template": {"job": job}} | changed)


def make(db: Database, owner: Owner, **changed: Any) -> Schedule:
    return schedules.create(db, owner, terms(**changed))


def move(db: Database, schedule: Schedule, seconds: float = 1) -> None:
    """Make a schedule due since so many seconds."""
    with db.begin() as connection:
        connection.execute(
            text("update schedules set next_due = now() - make_interval(secs => :s) where id = :id"),
            {"s": seconds, "id": schedule.id},
        )


def history(db: Database, schedule: Schedule) -> list[Run]:
    """Every run, oldest first."""
    return schedules.runs(db, schedule.owner_id, schedule.id, limit=200).items[::-1]


def states(found: Sequence[Run]) -> list[str]:
    return [run.state.value for run in found]


def jobs_of(db: Database, owner: Owner) -> list[Job]:
    """The owner's jobs, oldest first."""
    return listing.page(db, owner.id, limit=200).items[::-1]


def end(db: Database) -> None:
    job = claims.claim(db, HERE, lease_s=30)
    assert job is not None
    attempts.finish(db, job, [], progress=Progress(), metrics={})


# ---- a due tick -------------------------------------------------------------------------------------------------


def test_a_due_tick_becomes_one_run_and_one_job(db: Database, owner: Owner) -> None:
    # Given a schedule that has just become due
    schedule = make(db, owner, job={"priority": 7, "pool": "cpu", "time_limit_s": 60.0})
    move(db, schedule)
    # When a beat comes by, and again
    assert ticks.tick(db) == {"cpu"}
    assert ticks.tick(db) == set()
    # Then there is one job as the template says, and the schedule has moved on
    (job,) = jobs_of(db, owner)
    (run,) = history(db, schedule)
    assert (run.state, run.job_id, run.number, run.manual, run.reason) == (RunState.SUBMITTED, job.id, 1, False, None)
    assert (run.job_state, job.priority, job.pool, job.time_limit_s) == (JobState.QUEUED, 7, "cpu", 60)
    moved = schedules.get(db, owner.id, schedule.id)
    assert moved.next_due == schedule.next_due
    assert moved.last_due == run.due_at


def test_nothing_runs_before_it_is_due(db: Database, owner: Owner) -> None:
    schedule = make(db, owner, cron="* * * * *")
    assert ticks.tick(db) == set()
    assert history(db, schedule) == []
    seconds = ticks.next_due_in(db)
    assert seconds is not None
    assert 0 < seconds <= 60


def test_variables_are_filled_for_the_due_tick_in_the_schedules_zone(db: Database, owner: Owner) -> None:
    every = "{date}|{time}|{datetime}|{weekday}|{year}-{month}-{day}|{hour}:{minute}|{run}|{schedule}|{{date}} {{}}"
    schedule = make(db, owner, zone="Asia/Shanghai", job={"params": {"mark": every}})
    with db.begin() as connection:
        connection.execute(text("update schedules set next_due = '2026-03-31T16:05Z', missed = 'once'"))
    ticks.tick(db)
    (job,) = jobs_of(db, owner)
    assert job.params["mark"] == (
        "2026-04-01|00:05|2026-04-01 00:05|Wednesday|2026-04-01|00:05|1|Nightly|{date} {}"
    )  # the newest missed tick of 29 February's cron is the one that was moved there
    assert history(db, schedule)[0].state is RunState.SUBMITTED


def test_a_text_cannot_reach_into_what_it_is_given() -> None:
    given = variables.values(datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("UTC"), run=1, schedule="{date}")
    assert variables.fill({"a": ["{schedule}", {"b": "{run}"}], "n": 7}, given, "p") == {
        "a": ["{date}", {"b": "1"}],
        "n": 7,
    }
    for wrong in ("{run.__class__}", "{0}", "{}", "{run!r}", "{run:>9}", "a { b", "a } b", "{colour}"):
        with pytest.raises(Invalid) as refused:
            variables.fill({"deep": [{"text": wrong}]}, given, "p")
        assert (refused.value.field, refused.value.code) == ("p.deep.0.text", "bad_variable")
        assert "{weekday}" in str(refused.value)


# ---- missed due ticks: reckoned, then for real ------------------------------------------------------------------

MINUTELY = Timing("* * * * *", ZoneInfo("UTC"))
NOON = datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC)


def clock(*moments: datetime) -> list[str]:
    return [f"{each:%H:%M}" for each in moments]


def test_what_was_missed_is_skipped_run_once_or_run_within_the_window() -> None:
    first = NOON - timedelta(minutes=10, seconds=30)

    skip = plan(MINUTELY, first, NOON, "skip", None)
    assert clock(*[each.due_at for each in skip.run]) == ["12:00"]
    assert skip.dropped is not None
    assert clock(skip.dropped.due_at) == ["11:59"]
    assert skip.dropped.reason == "10 due ticks were missed; this schedule skips what it missed."

    once = plan(MINUTELY, first, NOON, "once", None)
    assert clock(*[each.due_at for each in once.run]) == ["11:59", "12:00"]
    assert [each.reason for each in once.run] == ["10 due ticks were missed; this one run makes up for it.", None]
    assert once.dropped is None

    every = plan(MINUTELY, first, NOON, "all", timedelta(minutes=5))
    assert clock(*[each.due_at for each in every.run]) == ["11:56", "11:57", "11:58", "11:59", "12:00"]
    assert every.dropped is not None
    assert clock(every.dropped.due_at) == ["11:55"]

    assert {each.next for each in (skip, once, every)} == {NOON.replace(minute=1, second=0)}


def test_what_is_only_a_little_late_was_not_missed() -> None:
    for policy in ("skip", "once", "all"):
        late = plan(MINUTELY, NOON.replace(second=0), NOON, policy, timedelta(minutes=5))  # type: ignore[arg-type]
        assert clock(*[each.due_at for each in late.run]) == ["12:00"]
        assert late.dropped is None


def test_a_very_long_absence_costs_little_and_loses_nothing_that_is_to_run() -> None:
    year_ago = NOON - timedelta(days=365)
    once = plan(MINUTELY, year_ago, NOON, "once", None)
    assert clock(*[each.due_at for each in once.run]) == ["11:59", "12:00"]
    assert once.run[0].reason == f"More than {LOOK_AT} due ticks were missed; this one run makes up for it."
    # All of two days are more than are looked at at a time: the rest is due next, from where this ends.
    begun = plan(MINUTELY, year_ago, NOON, "all", timedelta(days=2))
    assert len(begun.run) == LOOK_AT
    assert begun.next == begun.run[-1].due_at + timedelta(minutes=1)


def test_missed_ticks_across_a_change_of_the_clock_are_those_of_the_zone() -> None:
    nightly = Timing("30 2 * * *", ZoneInfo("Europe/Berlin"))
    first, now = datetime(2026, 3, 28, 1, 30, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC)
    every = plan(nightly, first, now, "all", timedelta(days=7))
    assert [f"{each.due_at:%d %H:%M}" for each in every.run] == ["28 01:30", "29 01:00", "30 00:30"]


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("skip", ["skipped"]),
        ("once", ["submitted"]),
        # The newest of those before the window, and the three within it.
        ("all", ["skipped", "submitted", "submitted", "submitted"]),
    ],
)
def test_missed_due_ticks_by_policy(db: Database, owner: Owner, missed: str, expected: list[str]) -> None:
    # Given a minutely schedule that nobody looked after for five minutes
    schedule = make(db, owner, cron="* * * * *", overlap="queue", missed=missed)
    if datetime.now(UTC).second > 57:
        time.sleep(3)  # the minute must not end in the middle of the test
    with db.begin() as connection:
        connection.execute(
            text(
                "update schedules set next_due = date_trunc('minute', now()) - interval '5 minutes',"
                " window_s = case missed when 'all' then 210 + extract(second from now())::int end"
            )
        )
    # When a beat comes by
    ticks.tick(db)
    # Then what was missed is treated by policy, and the tick of this minute ran in any case
    found = history(db, schedule)
    assert states(found) == [*expected, "submitted"]
    assert len(jobs_of(db, owner)) == states(found).count("submitted")
    assert found[-1].reason is None
    assert all("missed" in (run.reason or "") for run in found[:-1])


# ---- overlap ----------------------------------------------------------------------------------------------------


def test_overlap_skip_waits_for_the_end_of_the_earlier_job(db: Database, owner: Owner) -> None:
    schedule = make(db, owner, overlap="skip")
    for _ in range(2):
        move(db, schedule)
        ticks.tick(db)
    end(db)
    move(db, schedule)
    ticks.tick(db)
    first, second, third = history(db, schedule)
    assert states([first, second, third]) == ["submitted", "skipped", "submitted"]
    assert second.reason == f"The job of an earlier run, {first.job_id}, has not ended yet."


def test_overlap_queue_lets_them_line_up(db: Database, owner: Owner) -> None:
    schedule = make(db, owner, overlap="queue")
    for _ in range(3):
        move(db, schedule)
        ticks.tick(db)
    assert states(history(db, schedule)) == ["submitted"] * 3
    assert [job.params["mark"][-1] for job in jobs_of(db, owner)] == ["1", "2", "3"]


def test_overlap_cancel_old_makes_room(db: Database, owner: Owner) -> None:
    # Given one job that runs and one that waits, of runs of their own
    schedule = make(db, owner, overlap="queue")
    for _ in range(2):
        move(db, schedule)
        ticks.tick(db)
    running = claims.claim(db, HERE, lease_s=30)
    assert running is not None
    schedules.change(db, owner, schedule.id, {"overlap": "cancel_old"})
    # When the next is due
    move(db, schedule)
    ticks.tick(db)
    # Then both are cancelled, and the new one is there
    old, waiting, new = jobs_of(db, owner)
    assert (old.id, old.cancel_requested) == (running.id, True)
    assert [waiting.state, new.state] == [JobState.CANCELLED, JobState.QUEUED]


def test_another_schedules_jobs_and_ones_own_by_hand_are_no_overlap(db: Database, owner: Owner) -> None:
    jobs.submit(db, owner, "probe", {})
    for schedule in [make(db, owner), make(db, owner)]:
        move(db, schedule)
        ticks.tick(db)
        assert states(history(db, schedule)) == ["submitted"]


# ---- exactly once -----------------------------------------------------------------------------------------------


def test_many_beats_make_one_run_of_each_due_tick(db: Database, owner: Owner) -> None:
    # Given twenty schedules that are due over and over
    made = [make(db, owner, overlap="queue") for _ in range(20)]
    with ThreadPoolExecutor(4) as pool:
        for round_ in range(1, 6):
            for schedule in made:
                move(db, schedule)
            # When four beats tick at once
            for _ in pool.map(lambda _: ticks.tick(db), range(4)):
                pass
            ticks.tick(db)  # what a beat skipped because another held it
            # Then each due tick is one run and one job
            found = [history(db, schedule) for schedule in made]
            assert {tuple(states(runs)) for runs in found} == {("submitted",) * round_}
            assert sorted(run.job_id or "" for runs in found for run in runs) == [job.id for job in _all_jobs(db)]


def _all_jobs(db: Database) -> list[Job]:
    with db.begin() as connection:
        ids = connection.execute(text("select id, owner_id from jobs order by id")).all()
    return [listing.get(db, row.owner_id, row.id) for row in ids]


def test_a_crash_between_the_phases_loses_nothing(db: Database, owner: Owner) -> None:
    # Given a beat that died after it had written the run down
    schedule = make(db, owner)
    move(db, schedule)
    assert ticks.write_down(db) == 1
    assert states(history(db, schedule)) == ["due"]
    assert jobs_of(db, owner) == []
    # When others come by
    ticks.tick(db)
    ticks.tick(db)
    # Then it is submitted once
    assert states(history(db, schedule)) == ["submitted"]
    assert len(jobs_of(db, owner)) == 1


def test_a_crash_between_submit_and_mark_doubles_nothing_though_the_template_changed(
    db: Database, owner: Owner
) -> None:
    # Given a beat that died after the submit, before the run was marked
    schedule = make(db, owner)
    move(db, schedule)
    ticks.tick(db)
    (job,) = jobs_of(db, owner)
    with db.begin() as connection:
        connection.execute(text("update runs set state = 'due', job_id = null"))
    schedules.change(db, owner, schedule.id, {"template": {"job": {"kind": "probe", "params": {"steps": 5}}}})
    # When another comes by
    ticks.tick(db)
    # Then the run has found its job
    (run,) = history(db, schedule)
    assert (run.state, run.job_id) == (RunState.SUBMITTED, job.id)
    assert len(jobs_of(db, owner)) == 1


# ---- refusals ---------------------------------------------------------------------------------------------------


def test_a_full_queue_fails_the_run_and_not_the_schedule(db: Database) -> None:
    small = owners.ensure(db, "small", cap_queued=1)
    schedule = make(db, small, overlap="queue")
    for _ in range(5):
        move(db, schedule)
        ticks.tick(db)
    found = history(db, schedule)
    assert states(found) == ["submitted", *["failed"] * 4]
    assert found[1].reason == "1 of your jobs are waiting already, which is the most at one time."
    assert schedules.get(db, small.id, schedule.id).paused_at is None


def test_a_schedule_whose_model_is_gone_is_paused_after_three_refusals(db: Database, owner: Owner) -> None:
    # Given a schedule whose model was taken away, beside a healthy one
    library.add(db, None, name="voice", task="text-to-speech", source="hub:demo/voice", revision="a" * 40)
    speech = {"kind": "generate_speech", "params": {"text": "It is {time}.", "model": "voice"}}
    schedule, healthy = make(db, owner, job=speech), make(db, owner, overlap="queue")
    library.remove(db, None, "voice")
    # When both are due three times
    for _ in range(3):
        move(db, schedule)
        move(db, healthy)
        ticks.tick(db)
    # Then the one is paused with the reason, and the other never noticed
    assert states(history(db, schedule)) == ["failed"] * 3
    paused = schedules.get(db, owner.id, schedule.id)
    assert paused.paused_at is not None
    assert paused.next_due is None
    assert paused.pause_reason is not None
    assert "3 runs in a row were refused." in paused.pause_reason
    assert "There is no model 'voice' in the library." in paused.pause_reason
    assert states(history(db, healthy)) == ["submitted"] * 3
    # And it cannot be resumed before the model is back
    with pytest.raises(Invalid):
        schedules.resume(db, owner, schedule.id)
    library.add(db, None, name="voice", task="text-to-speech", source="hub:demo/voice", revision="a" * 40)
    assert schedules.resume(db, owner, schedule.id).failures == 0


def test_a_row_that_cannot_be_reckoned_is_paused_and_stops_no_other(db: Database, owner: Owner) -> None:
    broken, odd, healthy = make(db, owner), make(db, owner), make(db, owner)
    for schedule in (broken, odd, healthy):
        move(db, schedule)
    with db.begin() as connection:
        connection.execute(text("update schedules set zone = 'Mars/Base' where id = :id"), {"id": broken.id})
        connection.execute(text("update schedules set template = '{}' where id = :id"), {"id": odd.id})
    ticks.tick(db)
    with db.begin() as connection:
        reason = connection.execute(text("select pause_reason from schedules where id = :id"), {"id": broken.id})
        assert "There is no time zone “Mars/Base”." in reason.scalar_one()
        state = connection.execute(text("select state from runs where schedule_id = :id"), {"id": odd.id})
        assert state.scalar_one() == "failed"
    assert states(history(db, healthy)) == ["submitted"]


# ---- the owner's verbs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"zone": "Mars/Base"}, "zone"),
        ({"job": {"kind": "nope"}}, "template.job.kind"),
        ({"job": {"params": {"steps": -1}}}, "template.job.params.steps"),
        ({"job": {"params": {"mark": "{colour}"}}}, "template.job.params.mark"),
        ({"job": {"device": "mars/cuda:0"}}, "template.job.device"),
        ({"job": {"kind": "generate_speech", "params": {"text": "a", "model": "x"}}}, "template.job.params.model"),
    ],
)
def test_a_schedule_is_checked_as_its_next_run_would_be(
    db: Database, owner: Owner, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        make(db, owner, **wrong)
    assert refused.value.field == field
    assert refused.value.errors[0]["field"] == field
    kept = make(db, owner)
    job = wrong.pop("job", None)
    changes = wrong | ({"template": {"job": {"kind": "probe"} | job}} if job else {})
    with pytest.raises(Invalid) as refused:
        schedules.change(db, owner, kept.id, changes)
    assert refused.value.field == field
    assert schedules.get(db, owner.id, kept.id) == kept
    assert jobs_of(db, owner) == []


def test_one_key_is_one_schedule_however_many_ask_at_once(db: Database, owner: Owner, stranger: Owner) -> None:
    def ask(_: int) -> str:
        return schedules.create(db, owner, terms(), idempotency_key="k").id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(ask, range(6)))) == 1
    assert len(schedules.page(db, owner.id).items) == 1
    with pytest.raises(Invalid, match="different request"):
        schedules.create(db, owner, terms(name="Other"), idempotency_key="k")
    assert schedules.create(db, stranger, terms(), idempotency_key="k").owner_id == stranger.id


def test_a_change_of_cron_counts_from_now(db: Database, owner: Owner) -> None:
    schedule = make(db, owner, missed="all", window_s=3600)
    move(db, schedule, 600)
    changed = schedules.change(db, owner, schedule.id, {"cron": "@hourly", "missed": "once", "name": "Hourly"})
    assert (changed.terms.cron, changed.terms.missed, changed.terms.window_s) == ("0 * * * *", "once", None)
    assert changed.next_due is not None
    assert changed.next_due > datetime.now(UTC)
    ticks.tick(db)
    assert history(db, schedule) == []
    assert schedules.change(db, owner, schedule.id, {"missed": "all"}).terms.window_s == 86_400


def test_a_paused_schedule_is_never_due_and_resumes_from_now(db: Database, owner: Owner) -> None:
    # Given a schedule that was due when it was paused
    schedule = make(db, owner)
    move(db, schedule)
    paused = schedules.pause(db, owner.id, schedule.id, "Holidays")
    again = schedules.pause(db, owner.id, schedule.id, "Longer holidays")
    assert (again.paused_at, again.pause_reason, again.next_due) == (paused.paused_at, "Longer holidays", None)
    # When beats come by, its cron changes, and it is resumed
    ticks.tick(db)
    assert schedules.change(db, owner, schedule.id, {"cron": "0 0 1 1 *"}).next_due is None
    resumed = schedules.resume(db, owner, schedule.id)
    # Then nothing has run, and the next due tick is to come
    assert (resumed.paused_at, resumed.pause_reason) == (None, None)
    assert resumed.next_due is not None
    assert resumed.next_due > datetime.now(UTC)
    ticks.tick(db)
    assert history(db, schedule) == []
    assert schedules.resume(db, owner, schedule.id) == resumed


def test_run_now_runs_even_while_paused_and_by_the_overlap_policy(db: Database, owner: Owner) -> None:
    schedule = make(db, owner)
    schedules.pause(db, owner.id, schedule.id)
    now = schedules.run_now(db, owner.id, schedule.id)
    assert (now.run.state, now.run.manual, now.run.number, now.pools) == (RunState.SUBMITTED, True, 1, {"accelerated"})
    time.sleep(1.1)  # twice within a second would be one run
    again = schedules.run_now(db, owner.id, schedule.id)
    assert again.run.state is RunState.SKIPPED
    assert now.run.job_id in (again.run.reason or "")
    assert schedules.get(db, owner.id, schedule.id).paused_at is not None


def test_run_now_pressed_twice_is_one_run(db: Database, owner: Owner) -> None:
    schedule = make(db, owner, overlap="queue")
    with ThreadPoolExecutor(8) as pool:
        pressed = list(pool.map(lambda _: schedules.run_now(db, owner.id, schedule.id).run, range(8)))
    moments = {run.due_at for run in pressed}
    assert len(moments) <= 2  # a second may have ended in between
    assert len(jobs_of(db, owner)) == len(moments) == len(history(db, schedule))


def test_a_deleted_schedule_leaves_its_jobs(db: Database, owner: Owner) -> None:
    schedule = make(db, owner)
    move(db, schedule)
    ticks.tick(db)
    schedules.delete_schedule(db, owner.id, schedule.id)
    assert len(jobs_of(db, owner)) == 1
    with pytest.raises(NotFound):
        schedules.get(db, owner.id, schedule.id)
    assert ticks.tick(db) == set()


def test_another_owners_schedule_is_not_there(db: Database, owner: Owner, stranger: Owner) -> None:
    schedule = make(db, owner)
    for attempt in (
        lambda: schedules.get(db, stranger.id, schedule.id),
        lambda: schedules.change(db, stranger, schedule.id, {"name": "mine"}),
        lambda: schedules.pause(db, stranger.id, schedule.id),
        lambda: schedules.resume(db, stranger, schedule.id),
        lambda: schedules.run_now(db, stranger.id, schedule.id),
        lambda: schedules.runs(db, stranger.id, schedule.id),
        lambda: schedules.delete_schedule(db, stranger.id, schedule.id),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert schedules.page(db, stranger.id).items == []
    assert schedules.get(db, owner.id, schedule.id) == schedule


def test_lists_and_histories_are_paged(db: Database, owner: Owner) -> None:
    made = [make(db, owner, overlap="queue") for _ in range(5)]
    first = schedules.page(db, owner.id, limit=3)
    rest = schedules.page(db, owner.id, limit=3, cursor=first.next)
    assert [each.id for each in first.items + rest.items] == [each.id for each in made[::-1]]
    assert rest.next is None

    for _ in range(5):
        move(db, made[0])
        ticks.tick(db)
    newer = schedules.runs(db, owner.id, made[0].id, limit=3)
    older = schedules.runs(db, owner.id, made[0].id, limit=3, cursor=newer.next)
    assert [run.number for run in newer.items + older.items] == [5, 4, 3, 2, 1]
    assert older.next is None
    for wrong in ("x", "2026-01-01"):
        with pytest.raises(Invalid):
            schedules.runs(db, owner.id, made[0].id, cursor=wrong)
        with pytest.raises(Invalid):
            schedules.page(db, owner.id, cursor=wrong)


def test_an_old_history_is_forgotten_but_what_is_still_due_is_not(db: Database, owner: Owner) -> None:
    schedule = make(db, owner, overlap="queue")
    for _ in range(2):
        move(db, schedule)
        ticks.tick(db)
    move(db, schedule)
    ticks.write_down(db)
    with db.begin() as connection:
        connection.execute(text("update runs set created_at = now() - interval '91 days' where number <> 2"))
    ticks.forget(db)
    assert [run.number for run in history(db, schedule)] == [2, 3]


# ---- batches ----------------------------------------------------------------------------------------------------

BATCH = {
    "kind": "probe",
    "params": {"mark": "{date}"},
    "vary": {"mark": ["{run} a", "{run} b"], "steps": [1, 2]},
    "title": "{schedule} {run}",
}


def make_batch(db: Database, owner: Owner, **changed: Any) -> Schedule:
    asked = {"name": "Grid", "cron": NEVER, "template": {"batch": BATCH}} | changed
    return schedules.create(db, owner, Terms.model_validate(asked))


def test_a_due_tick_becomes_one_batch(db: Database, owner: Owner) -> None:
    schedule = make_batch(db, owner)
    move(db, schedule)
    assert ticks.tick(db) == {"accelerated"}
    assert ticks.tick(db) == set()
    (run,) = history(db, schedule)
    assert (run.state, run.job_id, run.batch_state) == (RunState.SUBMITTED, None, BatchState.RUNNING)
    assert run.batch_id is not None
    batch = batch_listing.get(db, owner.id, run.batch_id)
    assert (batch.title, batch.total) == ("Grid 1", 4)
    assert [(job.params["mark"], job.params["steps"]) for job in jobs_of(db, owner)] == [
        ("1 a", 1),
        ("1 a", 2),
        ("1 b", 1),
        ("1 b", 2),
    ]


def test_a_crash_between_submit_and_mark_finds_its_batch_again(db: Database, owner: Owner) -> None:
    schedule = make_batch(db, owner)
    move(db, schedule)
    ticks.tick(db)
    (before,) = history(db, schedule)
    with db.begin() as connection:
        connection.execute(text("update runs set state = 'due', batch_id = null"))
    ticks.tick(db)
    assert history(db, schedule) == [before]
    assert len(jobs_of(db, owner)) == 4


@pytest.mark.parametrize(("overlap", "states_", "queued"), [("skip", "skipped", 4), ("queue", "submitted", 8)])
def test_the_overlap_policy_looks_at_all_jobs_of_a_batch(
    db: Database, owner: Owner, overlap: str, states_: str, queued: int
) -> None:
    schedule = make_batch(db, owner, overlap=overlap)
    for _ in range(2):
        move(db, schedule)
        ticks.tick(db)
    first, second = history(db, schedule)
    assert (first.state, second.state) == (RunState.SUBMITTED, states_)
    assert len(jobs_of(db, owner)) == queued
    if overlap == "skip":
        assert first.batch_id in (second.reason or "")
        for _ in range(4):
            end(db)
        move(db, schedule)
        ticks.tick(db)
        assert history(db, schedule)[-1].state is RunState.SUBMITTED


def test_cancel_old_cancels_the_rest_of_the_batch(db: Database, owner: Owner) -> None:
    schedule = make_batch(db, owner, overlap="cancel_old")
    move(db, schedule)
    ticks.tick(db)
    end(db)
    move(db, schedule)
    ticks.tick(db)
    first, second = history(db, schedule)
    assert (first.batch_state, second.batch_state) == (BatchState.PARTIAL, BatchState.RUNNING)
    found = [job.state for job in jobs_of(db, owner)]
    assert (found.count(JobState.CANCELLED), found.count(JobState.QUEUED)) == (3, 4)


def test_a_template_is_a_job_or_a_batch_when_it_is_read_again(db: Database, owner: Owner) -> None:
    schedule = make_batch(db, owner)
    assert schedule.terms.template.model_dump(mode="json").keys() == {"batch"}
    changed = schedules.change(db, owner, schedule.id, {"template": {"job": {"kind": "probe"}}})
    assert changed.terms.template.model_dump(mode="json").keys() == {"job"}
