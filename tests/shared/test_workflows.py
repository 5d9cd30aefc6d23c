"""Workflows against real Postgres: who may start when, what a failure takes along, and what a retry uses again."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from shared import (
    attempts,
    batch_jobs,
    batch_listing,
    batches,
    claims,
    dependencies,
    jobs,
    listing,
    owners,
    workflow_listing,
    workflows,
)
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.errors import Conflict, Invalid, NotFound, TooMany
from shared.job import Job, JobState, Progress
from shared.owners import Owner
from shared.sources import Listed
from shared.steps import Asked
from shared.workflow import Standing, Workflow

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = JobState


def worker(number: int = 0) -> Claimant:
    return Claimant(f"wkr_{number}", f"host/cpu:{number}", ("cpu", "accelerated"))


def graph(**needs: str) -> Asked:
    """Steps that probe, each with the steps that it waits for, in letters."""
    steps = [{"name": name, "kind": "probe", "depends_on": list(each)} for name, each in needs.items()]
    return Asked.model_validate({"title": "A graph", "steps": steps})


DIAMOND = graph(a="", b="a", c="a", d="bc")


def submit(db: Database, owner: Owner, asked: Asked = DIAMOND, **options: Any) -> Workflow:
    return workflows.submit(db, owner, asked, **options).workflow


def claim(db: Database, number: int = 0) -> Job:
    job = claims.claim(db, worker(number), lease_s=60)
    assert job is not None
    return job


def finish(db: Database, job: Job, *files: NewArtifact, **options: Any) -> JobState | None:
    return attempts.finish(db, job, list(files), progress=Progress(1, 1), metrics={}, **options)


def fail(db: Database, job: Job) -> None:
    assert attempts.fail(db, job, "probe", "No.") is FAILED


def stands(db: Database, workflow: Workflow) -> Standing:
    return workflow_listing.standing(db, workflow)


def states(db: Database, workflow: Workflow) -> str:
    """The first letters of the steps' states, in their order; w for one that waits."""
    found = stands(db, workflow).jobs
    return "".join("w" if found[step.name].waits else found[step.name].state[0] for step in workflow.steps)


def at_once(pool: ThreadPoolExecutor, *acts: Callable[[], object]) -> None:
    together = threading.Barrier(len(acts))

    def act(number: int) -> None:
        together.wait()
        acts[number]()

    list(pool.map(act, range(len(acts))))


def types(db: Database, job: Job) -> list[str]:
    return [event.type for event in listing.events_of(db, job.owner_id, job.id)]


# ---- who may start when ---------------------------------------------------------------------------------------------


def test_a_step_starts_when_its_needs_have_succeeded_and_not_before(db: Database, owner: Owner) -> None:
    workflow = submit(db, owner)
    assert states(db, workflow) == "qwww"
    assert stands(db, workflow).state is QUEUED
    rung: list[str] = []
    a = claim(db)
    assert claims.claim(db, worker(1), lease_s=60) is None
    finish(db, a, ring=lambda *pools: rung.extend(pools))
    assert rung == ["accelerated"]
    assert states(db, workflow) == "sqqw"
    b, c = claim(db, 0), claim(db, 1)
    assert {b.step, c.step} == {"b", "c"}
    finish(db, b)
    assert states(db, workflow).endswith("w")
    assert claims.claim(db, worker(2), lease_s=60) is None
    finish(db, c)
    d = claim(db)
    assert d.step == "d"
    finish(db, d)
    assert stands(db, workflow).state is SUCCEEDED
    assert types(db, d) == ["submitted", "ready", "claimed", "succeeded"]


def test_a_job_that_waits_is_in_no_line_and_rings_no_bell(db: Database, owner: Owner) -> None:
    first = jobs.submit(db, owner, "probe", {}).job
    waiting = jobs.submit(db, owner, "probe", {}, pool="cpu", depends_on=[first.id]).job
    assert waiting.waits
    assert listing.pools_with_work(db) == ["accelerated"]
    assert listing.position(db, waiting) is None
    behind = jobs.submit(db, owner, "probe", {}, pool="cpu", priority=0).job
    assert [(depth.pool, depth.count) for depth in listing.depths(db) if depth.pool == "cpu"] == [("cpu", 1)]
    place = listing.position(db, behind)
    assert place is not None
    assert place.ahead == 0
    assert [need.job_id for need in dependencies.unmet(db, [waiting.id])[waiting.id]] == [first.id]


@pytest.mark.parametrize("first", ["b", "c", "both"])
def test_two_needs_that_end_at_the_same_moment_wake_what_waits_for_both(db: Database, owner: Owner, first: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in range(30):
            workflow = submit(db, owner)
            finish(db, claim(db))
            found = {job.step: job for job in (claim(db, 0), claim(db, 1))}
            order = ["c", "b"] if first == "c" else ["b", "c"]
            at_once(pool, *(partial(finish, db, found[step]) for step in order))
            assert states(db, workflow) == "sssq"
            finish(db, claim(db))


def test_one_need_that_fails_as_the_other_succeeds_leaves_nothing_waiting(db: Database, owner: Owner) -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            workflow = submit(db, owner, graph(a="", b="", c="ab", d="c"))
            a, b = claim(db, 0), claim(db, 1)
            at_once(pool, partial(finish, db, a), partial(fail, db, b))
            assert states(db, workflow)[2:] == "cc"


# ---- what a failure takes along -------------------------------------------------------------------------------------


def test_a_failure_in_the_middle_cancels_what_hangs_on_it_and_nothing_else(db: Database, owner: Owner) -> None:
    workflow = submit(db, owner, graph(a="", b="a", c="a", d="b", e="d", f="c"))
    finish(db, claim(db))
    b, c = sorted([claim(db, 0), claim(db, 1)], key=lambda job: job.step or "")
    fail(db, b)
    found = stands(db, workflow)
    assert {name: job.state for name, job in found.jobs.items()} == {
        "a": SUCCEEDED, "b": FAILED, "c": RUNNING, "d": CANCELLED, "e": CANCELLED, "f": QUEUED,
    }  # fmt: skip
    e = found.jobs["e"]
    assert e.error_code == "step_failed"
    assert e.error_message == "The step “b”, which this one waited for, failed."
    assert types(db, e) == ["submitted", "cancelled"]
    assert found.state is RUNNING
    finish(db, c)
    finish(db, claim(db))
    assert stands(db, workflow).state is FAILED


def test_a_passing_failure_takes_nothing_along(db: Database, owner: Owner) -> None:
    workflow = submit(db, owner, graph(a="", b="a"))
    assert attempts.fail(db, claim(db), "net", "Away.", retryable=True, retry_s=0.01) is QUEUED
    assert states(db, workflow) == "qw"


def test_a_running_step_that_is_cancelled_takes_the_rest_along_when_it_stops(db: Database, owner: Owner) -> None:
    workflow = submit(db, owner, graph(a="", b="a", c="b"))
    a = claim(db)
    jobs.cancel(db, owner.id, a.id)
    assert states(db, workflow) == "rww"
    assert finish(db, a) is CANCELLED
    assert states(db, workflow) == "ccc"
    assert stands(db, workflow).jobs["c"].error_message == "The step “a”, which this one waited for, was cancelled."


def test_a_waiting_step_that_is_cancelled_takes_its_own_along(db: Database, owner: Owner) -> None:
    workflow = submit(db, owner)
    jobs.cancel(db, owner.id, stands(db, workflow).jobs["b"].id)
    assert states(db, workflow) == "qcwc"


def test_the_rest_of_a_workflow_is_cancelled_at_once(db: Database, owner: Owner, stranger: Owner) -> None:
    workflow = submit(db, owner)
    outside = jobs.submit(db, owner, "probe", {}, depends_on=[stands(db, workflow).jobs["d"].id]).job
    a = claim(db)
    with pytest.raises(NotFound):
        workflows.cancel(db, stranger.id, workflow.id)
    workflows.cancel(db, owner.id, workflow.id)
    workflows.cancel(db, owner.id, workflow.id)
    assert states(db, workflow) == "rccc"
    assert listing.get(db, owner.id, outside.id).state is CANCELLED
    assert attempts.pulse(db, a, 30).cancel
    attempts.stop(db, a)
    assert stands(db, workflow).state is CANCELLED


def test_what_has_ended_by_itself_cannot_be_cancelled(db: Database, owner: Owner) -> None:
    workflow = submit(db, owner, graph(a=""))
    finish(db, claim(db))
    with pytest.raises(Conflict, match="nothing left to cancel"):
        workflows.cancel(db, owner.id, workflow.id)
    with pytest.raises(Conflict, match="has failed or was cancelled"):
        workflows.retry(db, owner, workflow.id)


def test_a_lost_worker_takes_nothing_along_until_it_is_poison(db: Database, owner: Owner) -> None:
    workflow = submit(db, owner, graph(a="", b="a"))
    for expected in ("qw", "fc"):
        claims.claim(db, worker(), lease_s=-1)
        attempts.sweep(db)
        assert states(db, workflow) == expected


def test_a_crash_between_the_end_of_a_step_and_what_follows_undoes_both(
    db: Database, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = submit(db, owner, graph(a="", b="a"))
    a = claim(db)
    with monkeypatch.context() as broken:
        broken.setattr(dependencies, "follow_end", _die)
        with pytest.raises(KeyboardInterrupt):
            finish(db, a)
    assert states(db, workflow) == "rw"
    assert finish(db, a) is SUCCEEDED
    assert states(db, workflow) == "sq"


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_sweep_repairs_what_was_missed(db: Database, owner: Owner) -> None:
    ready, doomed = submit(db, owner, graph(a="", b="a")), submit(db, owner, graph(a="", b="a", c="b"))
    for workflow, state in ((ready, "succeeded"), (doomed, "failed")):
        with db.begin() as connection:
            # As it would be if a process of an older release had ended them.
            connection.execute(
                text("update jobs set state = :state, finished_at = now() where workflow_id = :id and step = 'a'"),
                {"state": state, "id": workflow.id},
            )
    attempts.sweep(db)
    assert (states(db, ready), states(db, doomed)) == ("sq", "fcc")


# ---- retry ----------------------------------------------------------------------------------------------------------


def test_a_retry_makes_new_jobs_for_what_did_not_succeed_and_uses_the_rest(db: Database, owner: Owner) -> None:
    workflow = submit(db, owner)
    finish(db, claim(db))
    b, c = sorted([claim(db, 0), claim(db, 1)], key=lambda job: job.step or "")
    finish(db, c)
    fail(db, b)
    old = stands(db, workflow).jobs
    assert workflows.retry(db, owner, workflow.id) == {"accelerated"}
    new = stands(db, workflow).jobs
    assert {name for name in new if new[name].id != old[name].id} == {"b", "d"}
    assert (new["b"].parent_id, new["d"].parent_id) == (old["b"].id, old["d"].id)
    assert states(db, workflow) == "sqsw"
    assert {need.job_id for need in dependencies.needs(db, new["d"].id)} == {new["b"].id, old["c"].id}
    assert listing.get(db, owner.id, old["b"].id).state is FAILED
    with pytest.raises(Conflict):
        workflows.retry(db, owner, workflow.id)
    finish(db, claim(db))
    finish(db, claim(db))
    assert stands(db, workflow).state is SUCCEEDED


def test_a_retry_while_others_still_run_waits_for_them(db: Database, owner: Owner) -> None:
    workflow = submit(db, owner)
    finish(db, claim(db))
    b, c = claim(db, 0), claim(db, 1)
    fail(db, b)
    workflows.retry(db, owner, workflow.id)
    finish(db, c)
    assert stands(db, workflow).jobs["d"].waits
    finish(db, claim(db))
    assert not stands(db, workflow).jobs["d"].waits


def test_two_who_retry_at_once_retry_once(db: Database, owner: Owner) -> None:
    workflow = submit(db, owner, graph(a="", b="a"))
    fail(db, claim(db))
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: _tried(db, owner, workflow), range(4)))
    assert told.count(True) == 1
    assert states(db, workflow) == "qw"


def _tried(db: Database, owner: Owner, workflow: Workflow) -> bool:
    try:
        workflows.retry(db, owner, workflow.id)
    except Conflict:
        return False
    return True


def test_a_step_that_is_run_again_by_itself_stands_for_its_step(db: Database, owner: Owner) -> None:
    workflow = submit(db, owner, graph(a="", b="a"))
    a = claim(db)
    fail(db, a)
    again = jobs.retry(db, owner, a.id).job
    assert (again.workflow_id, again.step) == (workflow.id, "a")
    assert states(db, workflow) == "qc"
    workflows.retry(db, owner, workflow.id)
    assert states(db, workflow) == "qw"
    finish(db, claim(db))
    assert states(db, workflow) == "sq"


# ---- submit ---------------------------------------------------------------------------------------------------------


def test_all_steps_fit_into_the_queue_or_none_is_written(db: Database) -> None:
    small = owners.ensure(db, "small", cap_queued=5)
    submit(db, small)
    with pytest.raises(TooMany, match="4 jobs, and there is room for 1 more"):
        submit(db, small)
    assert len(workflow_listing.page(db, small.id).items) == 1
    assert sum(listing.counts(db, small.id).values()) == 4


def test_the_same_key_makes_one_workflow_however_many_ask_at_once(db: Database, owner: Owner) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: workflows.submit(db, owner, DIAMOND, idempotency_key="k"), range(16)))
    assert len({each.workflow.id for each in found}) == 1
    assert sum(each.created for each in found) == 1
    with pytest.raises(Invalid) as refused:
        workflows.submit(db, owner, graph(a=""), idempotency_key="k")
    assert refused.value.code == "idempotency_mismatch"


def wrong(db: Database, owner: Owner, *steps: dict[str, Any]) -> dict[str, str]:
    asked = Asked.model_validate({"steps": [{"kind": "probe"} | step for step in steps]})
    with pytest.raises(Invalid) as refused:
        workflows.submit(db, owner, asked)
    return {each["field"]: each["message"] for each in refused.value.errors}


SPEAK = {"kind": "generate_speech", "params": {"text": {"from": "a"}}}


WRONG: list[tuple[list[dict[str, Any]], str, str]] = [
    ([{"name": "a"}, {"name": "a"}], "steps.1.name", "another step “a”"),
    ([{"name": "a", "depends_on": ["b"]}], "steps.0.depends_on.0", "no step “b”"),
    ([{"name": "a", "depends_on": ["a"]}], "steps.0.depends_on.0", "wait for itself"),
    ([{"name": "b", "depends_on": ["a"]}, {"name": "a", "depends_on": ["b"]}], "steps.0", "b → a → b"),
    ([{"name": "a", "kind": "odd"}], "steps.0.kind", "no kind “odd”"),
    ([{"name": "a", "params": {"steps": -1}}], "steps.0.params.steps", "0 or more"),
    ([{"name": "a"}, {"name": "b", "params": {"steps": {"from": "a"}}}], "steps.1.params.steps", "whole number"),
    ([{"name": "a", "params": {"mark": {"from": "a"}}}], "steps.0.params.mark", "wait for itself"),
    ([{"name": "a", "params": {"mark": {"from": "x"}}}], "steps.0.params.mark", "no step “x”"),
    (
        [{"name": "a"}, {"name": "b", "params": {"mark": {"from": "a", "index": -1}}}],
        "steps.1.params.mark.index",
        "0 or more",
    ),
    (
        [{"name": "a"}, {"name": "b", "params": {"mark": {"from": "a", "role": "preview"}}}],
        "steps.1.params.mark.role",
        "one of",
    ),
    (
        [{"name": "a"}, {"name": "b", "params": {"mark": {"from": "a", "rank": 1}}}],
        "steps.1.params.mark.rank",
        "no such",
    ),
    (
        [{"name": "a", "kind": "generate_image", "params": {"prompt": "x", "model": "odd"}}],
        "steps.0.params.model",
        "model",
    ),
    (
        [{"name": "a", "kind": "generate_image", "params": {"prompt": "x"}}, {"name": "b"} | SPEAK],
        "steps.1.params.text",
        "takes text, and the step “a” makes image",
    ),
    ([{"name": "a"}, {"name": "b"} | SPEAK | {"params": {"text": "x", "model": {"from": "a"}}}],
     "steps.1.params.model", "cannot stand here"),
]  # fmt: skip


def test_what_is_wrong_is_named_as_its_author_would_look_for_it(db: Database, owner: Owner) -> None:
    for steps, field, words in WRONG:
        found = wrong(db, owner, *steps)
        assert words in found[field], field
    assert not workflow_listing.page(db, owner.id).items


def test_a_text_may_stand_where_text_is_asked_for(db: Database, owner: Owner) -> None:
    steps = [
        {"name": "later", "kind": "probe", "params": {"mark": {"from": "write", "index": 1}}},
        {"name": "write", "kind": "probe"},
    ]
    workflow = submit(db, owner, Asked.model_validate({"steps": steps}))
    assert [(step.name, step.needs) for step in workflow.steps] == [("write", ()), ("later", ("write",))]
    assert stands(db, workflow).jobs["later"].params["mark"] == {"from": "write", "index": 1}


# ---- depends_on of a single job -------------------------------------------------------------------------------------


def test_a_job_may_wait_for_jobs_that_are_there(db: Database, owner: Owner, stranger: Owner) -> None:
    done, other = jobs.submit(db, owner, "probe", {}).job, jobs.submit(db, stranger, "probe", {}).job
    first = claim(db)
    finish(db, first)
    second = claim(db)
    finish(db, second)
    assert not jobs.submit(db, owner, "probe", {}, depends_on=[done.id]).job.waits
    lost = jobs.submit(db, owner, "probe", {}).job
    jobs.cancel(db, owner.id, lost.id)
    for needs, field in (([done.id, lost.id], "depends_on.1"), ([other.id], "depends_on.0"), (["zz"], "depends_on.0")):
        with pytest.raises(Invalid) as refused:
            jobs.submit(db, owner, "probe", {}, depends_on=needs)
        assert refused.value.field == field


def test_a_retry_needs_what_the_job_needed(db: Database, owner: Owner) -> None:
    first = jobs.submit(db, owner, "probe", {}).job
    behind = jobs.submit(db, owner, "probe", {}, depends_on=[first.id]).job
    finish(db, claim(db))
    fail(db, claim(db))
    again = jobs.retry(db, owner, behind.id).job
    assert ([need.job_id for need in dependencies.needs(db, again.id)], again.waits) == ([first.id], False)
    fail(db, claim(db))
    lost = jobs.submit(db, owner, "probe", {}).job
    closed = jobs.submit(db, owner, "probe", {}, depends_on=[lost.id]).job
    fail(db, claim(db))
    with pytest.raises(Invalid, match="failed, so nothing can come after it"):
        jobs.retry(db, owner, closed.id)


def test_a_key_finds_the_job_even_when_what_it_needed_has_failed_since(db: Database, owner: Owner) -> None:
    first = jobs.submit(db, owner, "probe", {}).job
    made = jobs.submit(db, owner, "probe", {}, depends_on=[first.id], idempotency_key="k")
    fail(db, claim(db))
    again = jobs.submit(db, owner, "probe", {}, depends_on=[first.id], idempotency_key="k")
    assert (again.job.id, again.created, again.job.state) == (made.job.id, False, CANCELLED)
    with pytest.raises(Invalid, match="different request"):
        jobs.submit(db, owner, "probe", {}, idempotency_key="k")


def test_a_job_that_begins_to_wait_as_its_need_ends_is_not_forgotten(db: Database, owner: Owner) -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in range(30):
            first = jobs.submit(db, owner, "probe", {}).job
            running = claim(db)
            wait = partial(jobs.submit, db, owner, "probe", {}, depends_on=[first.id])
            at_once(pool, wait, partial(finish, db, running))
            finish(db, claim(db))


def test_a_cancelled_batch_takes_along_what_waits_for_one_of_its_jobs(db: Database, owner: Owner) -> None:
    batch = batches.submit(db, owner, "probe", Listed({}, [{}, {}])).batch
    one = batch_listing.items(db, batch).items[1]
    waiting = jobs.submit(db, owner, "probe", {}, depends_on=[one.id]).job
    with db.begin() as connection:
        assert batch_jobs.cancel_rest(connection, owner.id, batch.id) == 2
    assert listing.get(db, owner.id, waiting.id).state is CANCELLED


def test_the_database_itself_refuses_circles_and_a_start_before_its_time(db: Database, owner: Owner) -> None:
    workflow = submit(db, owner, graph(a="", b="a"))
    found = stands(db, workflow).jobs
    circle = {"job": found["a"].id, "need": found["b"].id}
    with pytest.raises(Exception, match="ck_dependencies_older"), db.begin() as connection:
        connection.execute(text("insert into dependencies values (:job, :need)"), circle)
    with pytest.raises(Exception, match="ck_jobs_waits"), db.begin() as connection:
        connection.execute(text("update jobs set state = 'running', lease_until = now() where waits"))


# ---- a thousand operations ------------------------------------------------------------------------------------------


def test_a_thousand_random_operations_keep_every_promise(db: Database, owner: Owner) -> None:
    draw = random.Random(4)
    running: list[Job] = []
    made: list[Workflow] = []
    for number in range(1000):
        act = draw.choice(["submit", "behind", "claim", "claim", "claim", "end", "end", "cancel", "lose", "more"])
        _act(db, owner, draw, act, running, made)
        if number % 5 == 0:
            _check_promises(db)
    for _ in range(5000):
        running += [job] if (job := claims.claim(db, worker(), lease_s=600)) else []
        if not running:
            break
        finish(db, running.pop())
    _check_promises(db)
    with db.begin() as connection:
        left = connection.execute(text("select count(*) from jobs where finished_at is null")).scalar_one()
        ended = connection.execute(text("select state, count(*) from jobs group by state")).all()
    assert left == 0, "something waits for ever"
    assert {state for state, _ in ended} == {"succeeded", "failed", "cancelled"}


def _act(db: Database, owner: Owner, draw: random.Random, act: str, running: list[Job], made: list[Workflow]) -> None:
    match act:
        case "submit":
            names = "abcdefgh"[: draw.randint(1, 8)]
            needs = {name: "".join(draw.sample(names[:i], draw.randint(0, min(i, 3)))) for i, name in enumerate(names)}
            made.append(submit(db, owner, graph(**dict(draw.sample(list(needs.items()), len(needs))))))
        case "behind" if made:
            some = list(stands(db, draw.choice(made)).jobs.values())
            needs = [job.id for job in draw.sample(some, min(2, len(some)))]
            try:
                jobs.submit(db, owner, "probe", {}, depends_on=needs)
            except Invalid:
                assert any(job.state in {FAILED, CANCELLED} for job in some)
        case "claim":
            running += [job] if (job := claims.claim(db, worker(), lease_s=600)) else []
        case "end" if running:
            job = running.pop(draw.randrange(len(running)))
            end = draw.choice([finish, finish, finish, fail])
            if not listing.get(db, owner.id, job.id).cancel_requested:
                end(db, job)
            else:
                assert attempts.stop(db, job) is CANCELLED
        case "cancel" if made and draw.random() < 0.5:
            workflow = draw.choice(made)
            try:
                if draw.random() < 0.3:
                    workflows.cancel(db, owner.id, workflow.id)
                else:
                    jobs.cancel(db, owner.id, draw.choice(list(stands(db, workflow).jobs.values())).id)
            except Conflict:
                pass
        case "lose" if running and draw.random() < 0.3:
            job = running.pop()
            with db.begin() as connection:
                connection.execute(
                    text("update jobs set lease_until = now() - interval '1 s' where id = :id"), {"id": job.id}
                )
            attempts.sweep(db)
        case "more" if made:
            _tried(db, owner, draw.choice(made))


_BROKEN = text(
    """
    select 'started before its needs had succeeded', jobs.id
    from dependencies join jobs on jobs.id = job_id join jobs as need on need.id = needs_job_id
    where jobs.attempt > 0 and need.state <> 'succeeded'
    union all
    select 'waits for nothing', id from jobs where waits and not exists
        (select from dependencies join jobs as need on need.id = needs_job_id
         where job_id = jobs.id and need.state in ('queued', 'running'))
    union all
    select 'waits for what will never succeed', jobs.id
    from dependencies join jobs on jobs.id = job_id join jobs as need on need.id = needs_job_id
    where jobs.state in ('queued', 'running') and need.state in ('failed', 'cancelled')
    """
)


def _check_promises(db: Database) -> None:
    with db.begin() as connection:
        assert connection.execute(_BROKEN).all() == []


def test_many_workers_and_their_owner_at_once_lose_nothing(db: Database, owner: Owner) -> None:
    made = [submit(db, owner, graph(a="", b="a", c="a", d="bc", e="d", f="de")) for _ in range(20)]
    draw = random.Random(7)
    cancelled = draw.sample(made, 5)

    def work(number: int) -> None:
        idle = 0
        while idle < 20:
            job = claims.claim(db, worker(number), lease_s=60)
            if job is None:
                idle += 1
                threading.Event().wait(0.01)
                continue
            idle = 0
            if number % 2 and hash(job.id) % 7 == 0:
                attempts.fail(db, job, "probe", "No.")
            else:
                finish(db, job)
            attempts.sweep(db)

    def stop(_: int) -> None:
        for workflow in cancelled:
            try:
                workflows.cancel(db, owner.id, workflow.id)
            except Conflict:
                pass

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda number: stop(number) if number == 4 else work(number), range(5)))
    _check_promises(db)
    assert all(job.done for workflow in made for job in stands(db, workflow).jobs.values())
