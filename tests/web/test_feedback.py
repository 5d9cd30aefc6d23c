"""Thumbs and edits: said, replaced and taken back by the owner alone, and collected with what they are about."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shared import feedback
from shared.db import Database
from shared.owners import Owner
from tests.web.conftest import Visitor
from tests.web.driving import Driver


@dataclass
class Asking:
    """Requests with a key."""

    client: FlaskClient
    key: str

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        return self.client.open(path, method=method, headers={"Authorization": f"Bearer {self.key}"}, **options)


@pytest.fixture
def text(driver: Driver, app: Flask, secret: str) -> str:
    """The id of a text that a job wrote."""
    job = driver.submit("generate_text", prompt="Write a greeting.")
    log = driver.file("log", "log.txt", "text/plain", b"oops")
    driver.finish(driver.claim(), driver.file("output", "text.txt", "text/plain", b"Helo!"), log)
    found = Asking(app.test_client(), secret)("GET", f"/api/jobs/{job.id}").json["artifacts"]
    return str(next(each["id"] for each in found if each["role"] == "output"))


def test_what_is_said_of_a_result_is_kept_replaced_and_taken_back(app: Flask, secret: str, text: str):
    ask = Asking(app.test_client(), secret)
    address = f"/api/artifacts/{text}/feedback"
    assert ask("GET", address).json == {"thumb": None, "edit": None, "given_at": None}

    said = ask("PUT", address, json={"thumb": "down", "edit": "Hello!"})
    assert (said.status_code, said.json["thumb"], said.json["edit"]) == (200, "down", "Hello!")
    assert ask("PUT", address, json={"thumb": "up"}).json["edit"] is None
    assert ask("GET", address).json["thumb"] == "up"
    assert ask("PUT", address, json={}).json == {"thumb": None, "edit": None, "given_at": None}
    assert ask("GET", address).json["given_at"] is None


@pytest.mark.parametrize("wrong", [{"thumb": "sideways"}, {"edit": 3}, {"stars": 5}, {"edit": "x" * 100_001}])
def test_rubbish_is_refused_and_changes_nothing(app: Flask, secret: str, text: str, wrong: dict[str, Any]):
    ask = Asking(app.test_client(), secret)
    ask("PUT", f"/api/artifacts/{text}/feedback", json={"thumb": "up"})

    assert ask("PUT", f"/api/artifacts/{text}/feedback", json=wrong).status_code == 422
    assert ask("GET", f"/api/artifacts/{text}/feedback").json["thumb"] == "up"


def test_nobody_else_may_judge_or_see_it(app: Flask, stranger_secret: str, text: str):
    ask = Asking(app.test_client(), stranger_secret)

    assert ask("PUT", f"/api/artifacts/{text}/feedback", json={"thumb": "up"}).status_code == 404
    assert ask("GET", f"/api/artifacts/{text}/feedback").status_code == 404


def test_it_is_collected_with_what_it_is_about(db: Database, owner: Owner, text: str):
    feedback.give(db, owner.id, text, "down", "  Hello, \x00you!  ")
    (judged,) = feedback.collected(db, owner.id)

    assert (judged.kind, judged.params["prompt"], judged.media_type) == (
        "generate_text",
        "Write a greeting.",
        "text/plain",
    )
    assert (judged.feedback.thumb, judged.feedback.edit) == ("down", "  Hello, \ufffdyou!  ")
    assert feedback.collected(db, owner.id, since=judged.feedback.given_at) == [judged]
    assert feedback.of(db, owner.id, [text, "art_none"]) == {text: judged.feedback}


def test_the_page_of_a_job_takes_thumbs_and_edits_without_a_script(
    mine: Visitor, db: Database, owner: Owner, text: str
):
    feedback.give(db, owner.id, text, "up", None)
    page = re.search(r'href="(/jobs/job_[0-9a-z]+)"', mine.get("/jobs").text)
    assert page is not None
    shown = mine.get(page[1]).text
    assert f'id="judge-{text}"' in shown
    assert "Helo!</textarea>" in shown

    assert mine.post(f"/artifacts/{text}/feedback", edit="Hello!\r\nYou").status_code == 303
    assert (said := feedback.of(db, owner.id, [text])[text]).edit == "Hello!\nYou"
    assert said.thumb == "up"
    mine.post(f"/artifacts/{text}/feedback", thumb="up")
    assert feedback.of(db, owner.id, [text])[text].thumb is None
    assert "Hello!\nYou</textarea>" in mine.get(page[1]).text
    assert mine.post(f"/artifacts/{text}/feedback", thumb="sideways").status_code == 422


def test_a_stranger_cannot_judge_by_the_page(theirs: Visitor, text: str):
    assert theirs.post(f"/artifacts/{text}/feedback", thumb="up").status_code == 404
