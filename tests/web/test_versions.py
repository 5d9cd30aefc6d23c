"""Versions of a trained model by API, page and command: seen, promoted, and nobody else's."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

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
def mood(driver: Driver) -> str:
    """A model in two versions; the second judges worse, so the name stands for the first."""
    for number, after in enumerate((0.8, 0.7)):
        driver.submit()
        figures = {"judged_by": "accuracy", "less_is_better": False, "before": {"accuracy": 0.5}}
        about = {"name": "mood", "task": "text-classification", "dataset": "reviews@1", "after": {"accuracy": after}}
        made = driver.file("model", "mood.zip", "application/zip", b"zip %d" % number)
        driver.finish(driver.claim(), replace(made, meta=about | figures))
    return "mood"


def test_versions_are_seen_and_promoted_by_their_owner_alone(app: Flask, mood: str, secret: str, stranger_secret: str):
    mine, theirs = Asking(app.test_client(), secret), Asking(app.test_client(), stranger_secret)

    shown = mine("GET", f"/api/models/{mood}").json
    assert (shown["version"], [each["number"] for each in shown["versions"]]) == (1, [2, 1])
    assert shown["versions"][0]["figures"]["after"] == {"accuracy": 0.7}
    assert theirs("GET", f"/api/models/{mood}").status_code == 404
    assert theirs("POST", f"/api/models/{mood}/promote", json={"version": 2}).status_code in {403, 404}

    promoted = mine("POST", f"/api/models/{mood}/promote", json={"version": 2})
    assert (promoted.status_code, promoted.json["version"]) == (200, 2)
    assert mine("POST", f"/api/models/{mood}/promote", json={"version": 2}).status_code == 409
    assert mine("POST", f"/api/models/{mood}/promote", json={"version": 9}).status_code == 404
    assert mine("POST", f"/api/models/{mood}/promote", json={"version": 0}).status_code == 422
    assert mine("GET", "/api/models/mood@1").json["version"] == 1


def test_the_page_shows_how_each_version_was_judged_and_goes_back_in_one_click(
    mine: Visitor, theirs: Visitor, mood: str
):
    page = mine.get(f"/models/{mood}").text
    assert "mood@2" in page
    assert "in use" in page
    assert "0.7" in page
    assert "reviews@1" in page

    assert mine.post(f"/models/{mood}/promote", version="2").status_code == 303
    now = mine.get(f"/models/{mood}").text
    assert now.index("mood@2") < now.index("in use") < now.index("mood@1")
    assert mine.post(f"/models/{mood}/promote", version="x").status_code == 404
    assert theirs.post(f"/models/{mood}/promote", version="1").status_code in {403, 404}
