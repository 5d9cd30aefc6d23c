"""A search on its page, in its form and over the API: its trials live, what it would try, and of whom a trial is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from shared import gallery, jobs, listing
from shared.db import Database
from shared.job import Job
from shared.owners import Owner
from tests.web.browsing import PHONE, assert_accessible, assert_fits
from tests.web.conftest import Visitor
from tests.worker.searching import Shop, open_shop


@pytest.fixture
def shop(db: Database, owner: Owner, tmp_path: Path) -> Shop:
    return open_shop(db, tmp_path, owner)


@pytest.fixture
def searching(shop: Shop) -> Job:
    """A search whose first trial is done, whose second failed, and whose third waits."""
    job = shop.submit(space=["learning_rate: 1e-4 to 1e-1, log", "cell: lstm, gru"])
    shop.look(shop.claimed())
    shop.learn(shop.claimed())
    shop.look(shop.claimed())
    shop.fail(shop.claimed(), "It went <wrong>.")
    shop.look(shop.claimed())
    return job


def test_the_page_lists_the_trials_as_they_stand(mine: Visitor, shop: Shop, searching: Job) -> None:
    page = mine.get(f"/jobs/{searching.id}").text
    assert "2 of 4 trials, best " in page
    assert "with learning_rate 0.003, cell lstm" in page
    assert "Searching" in page
    assert page.count("<tr") >= 4
    for trial in shop.trials(searching):
        assert f'href="/jobs/{trial.job.id}">{trial.number}</a>' in page
    assert page.count(">Best<") == 1
    assert "It went &lt;wrong&gt;." in page
    assert "began the trials 1" in page
    assert "Waiting for a device" not in page
    # and at its end what was made, with the curves compared
    shop.work_off()
    page = mine.get(f"/jobs/{searching.id}").text
    assert "Compare curves" in page
    assert "search.json" in page
    assert mine.get(f"/jobs/{searching.id}/live?once=x").status_code == 200


def test_a_trial_says_of_which_search_it_is(mine: Visitor, theirs: Visitor, shop: Shop, searching: Job) -> None:
    first = shop.trials(searching)[0].job
    page = mine.get(f"/jobs/{first.id}").text
    assert "Trial 1 of the search" in page
    assert f'href="/jobs/{searching.id}#trials"' in page
    assert "Its model enters the library if it is the best when the search ends." in page
    assert theirs.get(f"/jobs/{searching.id}").status_code == 404


def test_a_trial_that_was_given_up_says_so(mine: Visitor, shop: Shop, searching: Job) -> None:
    shop.prune(shop.claimed())
    third = shop.trials(searching)[2].job
    assert "It was given up early" in mine.get(f"/jobs/{third.id}").text
    assert "given up early" in mine.get(f"/jobs/{searching.id}").text


def test_trials_do_not_drown_what_else_there_is(mine: Visitor, db: Database, shop: Shop, searching: Job) -> None:
    assert len(listing.page(db, shop.owner.id, trials=False).items) == 2
    assert len(listing.page(db, shop.owner.id).items) == 5
    recent = mine.get("/recent").text
    assert searching.id in recent
    assert shop.trials(searching)[0].job.id not in recent
    assert gallery.newer(db, shop.owner.id, "art_0") == 0


def test_the_api_tells_trials_and_filters_by_their_search(
    client: FlaskClient, secret: str, shop: Shop, searching: Job
) -> None:
    def get(path: str) -> Any:
        return client.get(path, headers={"Authorization": f"Bearer {secret}"}).json

    found = get(f"/api/jobs?searched_by={searching.id}")["jobs"]
    assert [(each["trial"], each["searched_by"]) for each in found] == [(n, searching.id) for n in (3, 2, 1)]
    assert get(f"/api/jobs/{searching.id}")["trial"] is None
    wrong = client.post(
        "/api/jobs",
        json={
            "kind": "search_hyperparameters",
            "params": {"training": "train_rnn_lm", "params": {"name": "a", "dataset": "texts"}, "space": ["x: 1, 2"]},
        },
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert wrong.status_code == 422
    assert wrong.json["errors"][0]["field"] == "space.0"


def test_the_form_takes_json_and_lines_and_says_what_is_wrong(mine: Visitor, db: Database, shop: Shop) -> None:
    form = mine.get("/?kind=search_hyperparameters").text
    assert "Train labels for texts" in form
    sent = {"kind": "search_hyperparameters", "training": "train_rnn_lm", "trials": "2", "at_once": "1"}
    params = json.dumps({"name": "a", "dataset": "texts"})
    wrong = mine.post("/", **sent, params=params, space="learning_rate: 1 to 2\nwidth: 0, 8")
    assert wrong.status_code == 422
    assert "Line 2, “width”: 0 is not possible." in wrong.text
    assert "width: 0, 8" in wrong.text, "what was typed is kept"
    wrong = mine.post("/", **sent, params="{name}", space="")
    assert "This is not JSON" in wrong.text
    wrong = mine.post("/", **sent, params=json.dumps({"name": "a", "dataset": "nobody"}), space="")
    assert "You have no dataset “nobody”" in wrong.text

    assert mine.post("/", **sent, params=params, space="learning_rate: 1e-3 to 1e-2, log").status_code == 303
    (job,) = listing.page(db, shop.owner.id, kind="search_hyperparameters").items
    assert job.params["params"] == {"name": "a", "dataset": "texts@1"}
    # and it can be remixed
    again = mine.get(f"/?from={job.id}").text
    assert "learning_rate: 1e-3 to 1e-2, log" in again
    assert "&#34;dataset&#34;: &#34;texts@1&#34;" in again


def test_what_would_be_tried_is_told_while_it_is_typed(mine: Visitor) -> None:
    sent = {"kind": "search_hyperparameters", "training": "train_rnn_lm", "trials": "2"}
    params = json.dumps({"name": "a", "dataset": "texts"})
    told = mine.post("/create/space", **sent, params=params, space="").text
    assert "It would try:" in told
    assert "0.0003 to 0.03, log" in told
    assert '<span class="mono">width</span>' in told
    assert "Line 1, “width”" in mine.post("/create/space", **sent, params=params, space="width: 4").text
    assert mine.post("/create/space", kind="search_hyperparameters", training="nonsense").status_code == 200


def test_in_a_browser(
    open_page: Callable[..., Page], shop: Shop, searching: Job, db: Database, owner: Owner, tmp_path: Path
) -> None:
    page = open_page("/?kind=search_hyperparameters")
    page.get_by_label("Settings of every trial").fill('{"name": "a", "dataset": "texts"}')
    page.get_by_label("What to try").fill("rank: 4, x")
    expect(page.locator("#space")).to_contain_text("“x” is not a number")
    page.get_by_label("What to try").fill("rank: 4, 8")
    expect(page.locator("#space")).to_contain_text("Rank 4, 8")
    assert_accessible(page)
    assert_fits(page)

    page.goto(page.url.partition("?")[0] + f"jobs/{searching.id}")
    expect(page.locator("#trials tbody tr")).to_have_count(3)
    shop.learn(shop.claimed())
    shop.look(shop.claimed())
    expect(page.locator("#trials tbody tr")).to_have_count(4)
    assert_accessible(page)
    assert_fits(page)
    page.set_viewport_size(PHONE)
    assert_fits(page)
    jobs.cancel(db, owner.id, searching.id)
    expect(page.locator("#panel")).to_have_attribute("data-state", "cancelled")
