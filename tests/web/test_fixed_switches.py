"""Switches of works that an administrator has fixed: nobody chooses otherwise, by the API or by a form."""

from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared import jobs, kinds, listing
from shared.db import Database
from shared.owners import Owner
from shared.settings import Settings
from tests.web.conftest import Visitor

Send = Callable[..., TestResponse]
WISH = {"prompt": "a red apple", "safety_filter": False}
TERMS = {"name": "Daily", "cron": "0 9 * * *", "template": {"job": {"kind": "generate_image", "params": WISH}}}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """An installation where every picture is filtered, and none is marked."""
    return settings.model_copy(update={"safety_filter": "on", "visible_mark": "off"})


@pytest.fixture(autouse=True)
def _free_again() -> Iterator[None]:
    yield
    kinds.fix({})


@pytest.fixture
def send(client: FlaskClient, secret: str) -> Send:
    return lambda path, body: client.post(path, json=body, headers={"Authorization": f"Bearer {secret}"})


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/jobs", {"kind": "generate_image", "params": WISH}, "safety_filter"),
        ("/api/batches", {"kind": "generate_image", "items": [{"prompt": "a"}, WISH]}, "safety_filter"),
        ("/api/schedules", TERMS, "safety_filter"),
        ("/api/workflows", {"steps": [{"name": "a", "kind": "generate_image", "params": WISH}]}, "safety_filter"),
        ("/api/jobs", {"kind": "generate_text", "params": {"prompt": "a", "visible_mark": True}}, "visible_mark"),
    ],
)
def test_asking_for_the_opposite_is_refused_by_name(send: Send, path: str, body: dict, field: str):
    answer = send(path, body)
    assert answer.status_code == 422, answer.text
    assert answer.json is not None
    assert [error["field"].rpartition(".")[2] for error in answer.json["errors"]] == [field]
    assert "fixed by the administrator" in answer.json["errors"][0]["message"]


def test_what_is_fixed_is_kept_with_the_job_and_told_of_the_kind(send: Send, client: FlaskClient, secret: str):
    made = send("/api/jobs", {"kind": "generate_image", "params": {"prompt": "a", "safety_filter": True}})
    assert made.status_code == 202
    assert made.json is not None
    params = made.json["params"]
    assert (params["safety_filter"], params["visible_mark"], params["content_credentials"]) == (True, False, True)
    told = client.get("/api/kinds", headers={"Authorization": f"Bearer {secret}"}).json
    assert told is not None
    fixed = {each["name"]: each["fixed"] for each in told["kinds"]}
    assert fixed["generate_image"] == {"safety_filter": True, "visible_mark": False}
    assert fixed["classify_text"] == {}


def test_a_form_shows_what_is_fixed_and_sends_nothing_of_it(mine: Visitor, db: Database, owner: Owner):
    page = mine.get("/?kind=generate_image").text
    assert page.count("Fixed by the administrator.") == 2
    assert mine.post("/", kind="generate_image", prompt="a red apple", token="t").status_code == 303
    (job,) = listing.page(db, owner.id).items
    assert (job.params["safety_filter"], job.params["visible_mark"]) == (True, False)


def test_a_job_from_before_is_run_again_by_the_new_rule(client: FlaskClient, db: Database, owner: Owner):
    # given a job that was submitted while everybody chose for themselves
    kinds.fix({})
    old = jobs.submit(db, owner, "generate_image", WISH).job
    jobs.cancel(db, owner.id, old.id)
    # when it is run again under the rule
    kinds.fix({"safety_filter": True})
    again = jobs.retry(db, owner, old.id).job
    # then the rule holds
    assert again.params["safety_filter"] is True


def test_a_schema_names_the_files_and_adapters_that_a_kind_takes():
    declared = kinds.schema("generate_image")["x-kind"]
    assert declared["inputs"]["image"] == ["image"]
    assert declared["adapters"] == {"adapters": "image-adapter"}
