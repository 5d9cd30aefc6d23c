"""A search in the queue, against real Postgres: its trials are submitted once each, whatever breaks off in between.

The search does its own work here; its trials are played: a figure for the rate that they were given.
"""

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from shared import artifacts, attempts, datasets, jobs, kinds, library, owners, pauses
from shared import versions as library_versions
from shared.db import Database
from shared.errors import AwaitsTrials, Conflict, Invalid, NotFound, Pruned
from shared.job import Job, JobState
from shared.storage import Storage
from tests.engines.trainees import Line
from tests.worker.searching import HERE, SPACE, Shop, open_shop
from worker import ends
from worker.engines.training import loop
from worker.engines.training.plan import Plan
from worker.kinds import run_function


@pytest.fixture
def shop(db: Database, tmp_path: Path) -> Shop:
    return open_shop(db, tmp_path, owners.ensure(db, "owner"))


# ---- from the beginning to the end ----


def test_on_one_device_trials_and_search_take_turns_and_the_best_is_promoted(shop: Shop) -> None:
    job = shop.submit()
    order = shop.work_off()
    assert [each.trial for each in order] == [None, 1, None, 2, None, 3, None, 4, None]
    done = shop.now(job)
    assert (done.state, done.error_message, done.attempt) == (JobState.SUCCEEDED, None, 5)

    # then the first trial is the settings as they are, and the best of them is what the name stands for
    tried = shop.trials(job)
    assert (
        tried[0].job.params["learning_rate"] == kinds.params_class("train_rnn_lm").model_fields["learning_rate"].default
    )
    best = min(tried, key=lambda each: each.figure or 0)
    (version,) = library_versions.of_model(shop.db, shop.owner.id, "scribbler")
    assert (version.job_id, version.judged) == (best.job.id, ("validation_loss", 9.0, best.figure))
    assert library.get(shop.db, shop.owner.id, "scribbler").version == 1
    # and of the others no model is left
    assert shop.models() == [best.job.id]
    # and it says what it found
    assert done.metrics["best_trial"] == best.number
    assert done.progress.note.startswith(f"4 of 4 trials, best {best.figure:.4g} with learning_rate ")
    (file,) = artifacts.of_jobs(shop.db, shop.owner.id, [job.id])[job.id]
    path = Storage(shop.store)
    told = json.loads(b"".join(path.stream(file.key)))
    assert [each["number"] for each in told["trials"]] == [1, 2, 3, 4]
    assert told["best"]["figure"] == best.figure
    assert told["importances"] == {"learning_rate": 1.0}


def test_trials_are_placed_like_their_search_and_train_on_the_same_rows(shop: Shop) -> None:
    job = jobs.submit(
        shop.db, shop.owner, "search_hyperparameters",
        {"training": "train_rnn_lm", "params": {"name": "a", "dataset": "texts"}, "at_once": 3}, priority=8,
    ).job  # fmt: skip
    assert job.params["params"]["dataset"] == "texts@1"
    assert datasets.get(shop.db, shop.owner.id, "texts")
    with pytest.raises(Conflict):
        datasets.remove(shop.db, shop.owner.id, "texts")
    shop.look(shop.claimed())
    tried = [each.job for each in shop.trials(job)]
    assert [(each.trial, each.priority, each.pool, each.title) for each in tried] == [
        (number, 8, "accelerated", f"a · {number}") for number in (1, 2, 3)
    ]
    assert {(each.params["dataset"], each.params["seed"], each.params["promote"]) for each in tried} == {
        ("texts@1", job.seed, "never")
    }
    assert shop.now(job).progress.note == "0 of 10 trials"
    assert shop.rung == ["accelerated"]


def test_every_model_can_be_kept_the_best_as_the_first(shop: Shop) -> None:
    job = shop.submit(keep_trials=True, trials=3)
    shop.work_off()
    best = min(shop.trials(job), key=lambda each: each.figure or 0)
    found = library_versions.of_model(shop.db, shop.owner.id, "scribbler")
    assert [each.number for each in found] == [3, 2, 1]
    assert found[-1].job_id == best.job.id
    assert library.get(shop.db, shop.owner.id, "scribbler").version == 1
    assert len(shop.models()) == 3


@pytest.mark.parametrize(("promote", "stands_for"), [("never", 1), ("if_better", 1), ("always", 2)])
def test_the_best_is_promoted_by_the_same_rule_as_any_training(shop: Shop, promote: str, stands_for: int) -> None:
    jobs.submit(shop.db, shop.owner, "train_rnn_lm", {"name": "scribbler", "dataset": "texts"})
    shop.learn(shop.claimed(), reached=0.1)
    shop.submit(promote=promote, trials=2)
    shop.work_off()
    assert len(library_versions.of_model(shop.db, shop.owner.id, "scribbler")) == 2
    assert library.get(shop.db, shop.owner.id, "scribbler").version == stands_for


# ---- what breaks off ----


def test_a_search_that_is_killed_makes_no_twins(shop: Shop) -> None:
    job = shop.submit(at_once=2)
    # given a worker that died before its transaction, and one that was only slow
    dead = shop.claimed()
    slow = shop.attempt(dead)
    with pytest.raises(AwaitsTrials):
        run_function(dead.kind)(kinds.validate(dead.kind, dead.params), slow)
    attempts.reclaim(shop.db, HERE.device, "wkr_new")
    _due(shop, job)
    shop.look(shop.claimed())
    ends.await_trials(shop.db, slow, shop.ring)
    first = [each.job.params["learning_rate"] for each in shop.trials(job)]
    assert len(first) == 2
    # when it is put back again and again, then it asks for what it would have asked for anyway
    shop.learn(shop.claimed())
    for _ in range(3):
        shop.claimed()
        with shop.db.begin() as connection:
            connection.execute(text("update jobs set crashes = 0"))
        attempts.reclaim(shop.db, HERE.device, "wkr_new")
        _due(shop, job)
        with shop.db.begin() as connection:  # only the search was taken
            connection.execute(text("update jobs set run_at = now() where trial is not null"))
    shop.work_off()
    assert [each.number for each in shop.trials(job)] == [1, 2, 3, 4]
    assert shop.now(job).state is JobState.SUCCEEDED


def test_a_search_that_goes_on_asks_for_the_same_as_one_that_was_not_disturbed(shop: Shop) -> None:
    found = []
    for disturbed in (False, True):
        job = shop.submit(params={"name": f"a{disturbed:d}"})
        while (each := shop.claim()) is not None:
            if disturbed and kinds.searches(each.kind) and each.attempt == 3:
                attempts.reclaim(shop.db, HERE.device, "wkr_new")
                _due(shop, job)
                continue
            (shop.look if kinds.searches(each.kind) else shop.learn)(each)
        found.append([each.job.params["learning_rate"] for each in shop.trials(job)])
    assert found[0] == found[1]


def test_a_trial_that_ends_while_its_search_is_about_to_wait_calls_it_back(shop: Shop) -> None:
    job = shop.submit(at_once=2)
    shop.look(shop.claimed())
    one, two = shop.claimed(), shop.claimed()
    shop.learn(one)
    looking = shop.claimed()
    attempt = shop.attempt(looking)
    with pytest.raises(AwaitsTrials):
        run_function(looking.kind)(kinds.validate(looking.kind, looking.params), attempt)
    shop.learn(two)
    ends.await_trials(shop.db, attempt, shop.ring)
    assert {shop.claimed().id, shop.claimed().id} == {job.id, shop.trials(job)[2].job.id}


def test_a_waiting_search_holds_no_device_and_costs_no_budget(shop: Shop) -> None:
    job = shop.submit()
    shop.look(shop.claimed())
    waiting = shop.now(job)
    assert (waiting.state, waiting.failures, waiting.crashes, waiting.device) == (JobState.QUEUED, 0, 0, None)
    assert shop.claimed().trial == 1
    assert shop.claim() is None
    with shop.db.begin() as connection:
        connection.execute(text("update jobs set run_at = now() where id = :job"), {"job": job.id})
    assert shop.claimed().id == job.id, "it looks again now and then, though nobody called"


def test_a_failed_trial_is_told_and_the_search_goes_on(shop: Shop) -> None:
    job = shop.submit(trials=3)
    shop.look(shop.claimed())
    attempts.fail(shop.db, shop.claimed(), "boom", "It went wrong.")
    shop.work_off()
    assert [each.end for each in shop.trials(job)] == ["failed", "done", "done"]
    assert shop.now(job).state is JobState.SUCCEEDED


def test_a_search_of_which_every_trial_failed_says_why(shop: Shop) -> None:
    job = shop.submit(trials=2)
    for _ in range(2):
        shop.look(shop.claimed())
        attempts.fail(shop.db, shop.claimed(), "boom", "It went wrong.")
    shop.look(shop.claimed())
    failed = shop.now(job)
    assert (failed.state, failed.error_code) == (JobState.FAILED, "trials_failed")
    assert failed.error_message == "No trial succeeded. The first of them: It went wrong."
    # and its retry begins anew
    again = jobs.retry(shop.db, shop.owner, job.id).job
    shop.work_off()
    assert shop.now(again).state is JobState.SUCCEEDED
    assert len(shop.trials(again)) == 2


def test_a_figure_that_no_trial_has_is_named(shop: Shop) -> None:
    job = shop.submit(trials=1, metric="charm", direction="higher")
    shop.work_off()
    assert shop.now(job).error_message == "No trial has a figure charm. They have: validation_loss."


# ---- what the owner asks for ----


def test_a_cancel_takes_the_trials_along(shop: Shop) -> None:
    job = shop.submit(at_once=2)
    shop.look(shop.claimed())
    running = shop.claimed()
    assert jobs.cancel(shop.db, shop.owner.id, job.id).state is JobState.CANCELLED
    queued = shop.trials(job)[1].job
    assert (shop.now(running).cancel_requested, queued.state) == (True, JobState.CANCELLED)
    attempts.stop(shop.db, running)
    assert shop.claim() is None


def test_a_cancel_in_mid_look_submits_nothing_more(shop: Shop) -> None:
    job = shop.submit()
    looking = shop.claimed()
    attempt = shop.attempt(looking)
    with pytest.raises(AwaitsTrials):
        run_function(looking.kind)(kinds.validate(looking.kind, looking.params), attempt)
    assert jobs.cancel(shop.db, shop.owner.id, job.id).cancel_requested
    ends.await_trials(shop.db, attempt, shop.ring)
    assert (shop.now(job).state, shop.trials(job)) == (JobState.CANCELLED, [])


def test_the_sweep_cancels_the_trials_of_a_search_that_is_over(shop: Shop) -> None:
    job = shop.submit()
    shop.look(shop.claimed())
    with shop.db.begin() as connection:
        connection.execute(
            text("update jobs set state = 'failed', finished_at = now() where id = :job"), {"job": job.id}
        )
    attempts.sweep(shop.db)
    assert [each.job.state for each in shop.trials(job)] == [JobState.CANCELLED]


def test_a_cancelled_trial_calls_its_search_back(shop: Shop) -> None:
    job = shop.submit(trials=2)
    shop.look(shop.claimed())
    jobs.cancel(shop.db, shop.owner.id, shop.trials(job)[0].job.id)
    assert shop.claimed().id == job.id


def test_a_search_is_kept_with_what_it_has(shop: Shop) -> None:
    job = shop.submit(trials=9)
    shop.look(shop.claimed())
    with pytest.raises(Conflict, match="No trial of this search is done yet"):
        pauses.ask(shop.db, shop.owner.id, job.id, "keep")
    shop.learn(shop.claimed())
    shop.look(shop.claimed())
    pauses.ask(shop.db, shop.owner.id, job.id, "keep")
    shop.look(shop.claimed())
    assert shop.now(job).state is JobState.SUCCEEDED
    attempts.sweep(shop.db)
    assert [each.job.state for each in shop.trials(job)] == [JobState.SUCCEEDED, JobState.CANCELLED]
    assert library.get(shop.db, shop.owner.id, "scribbler").version == 1


def test_what_cannot_be_searched_is_said_at_submit(shop: Shop) -> None:
    for params, space, named in (
        ({"dataset": "nobody"}, SPACE, "params.dataset"),
        ({"width": 0}, SPACE, "params.width"),
        ({}, ["rank: 1, 2"], "space.0"),
    ):
        with pytest.raises(Invalid) as caught:
            shop.submit(params=params, space=space)
        assert caught.value.errors[0]["field"] == named
    stranger = owners.ensure(shop.db, "stranger")
    asked = {"training": "train_rnn_lm", "params": {"name": "a", "dataset": "texts"}}
    with pytest.raises(Invalid) as caught:
        jobs.submit(shop.db, stranger, "search_hyperparameters", asked)
    assert caught.value.field == "params.dataset"
    with pytest.raises(Invalid) as caught:
        jobs.submit(shop.db, shop.owner, "search_hyperparameters", asked | {"training": "train_classifier"})
    assert caught.value.field == "params.dataset"
    with pytest.raises(NotFound):
        library.get(shop.db, shop.owner.id, "scribbler")


# ---- giving up early ----


def test_a_trial_that_does_worse_is_given_up_and_leaves_no_model(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    job = shop.submit(trials=5)
    while len([each for each in shop.trials(job) if each.end == "done"]) < 3:
        each = shop.claimed()
        (shop.look if kinds.searches(each.kind) else shop.learn)(each)
    shop.look(shop.claimed())
    # when a real run of the fourth is judged worse after its fifth step than the others were
    trial = shop.claimed()
    attempt = shop.attempt(trial)
    learner = Line()
    monkeypatch.setattr(learner, "evaluate", lambda heed: {"validation_loss": 50.0})
    with pytest.raises(Pruned):
        loop.train(learner, Plan(batch=6, steps=25, seed=3, at_once=6, evaluate_every=5), attempt)
    ends.finish(shop.db, attempt, shop.ring, pruned=True)
    # then it has succeeded without a model, and the search, which is due, goes on
    ended = shop.trials(job)[3]
    assert (ended.job.state, ended.end, ended.job.metrics["pruned"]) == (JobState.SUCCEEDED, "pruned", 1.0)
    assert trial.id not in shop.models()
    shop.work_off()
    assert shop.now(job).state is JobState.SUCCEEDED
    assert [each.end for each in shop.trials(job)] == ["done", "done", "done", "pruned", "done"]


def test_without_pruning_nobody_is_given_up(shop: Shop) -> None:
    job = shop.submit(trials=5, prune=False)
    while len([each for each in shop.trials(job) if each.end == "done"]) < 3:
        each = shop.claimed()
        (shop.look if kinds.searches(each.kind) else shop.learn)(each)
    shop.look(shop.claimed())
    attempt = shop.attempt(shop.claimed())
    for step, value in ((0, 9.0), (5, 50.0)):
        attempt.metric("validation_loss", value, step)
    assert attempt.wish() is None


def _due(shop: Shop, job: Job) -> None:
    with shop.db.begin() as connection:
        connection.execute(text("update jobs set run_at = now() where id = :job"), {"job": job.id})
