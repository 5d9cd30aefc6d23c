"""What came of a training, on its page."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page

from shared import versions
from shared.db import Database
from shared.owners import Owner
from tests.web.browsing import PHONE, WIDE, assert_accessible, assert_fits
from tests.web.conftest import Visitor
from tests.web.driving import Driver
from tests.web.test_training_pages import NARROW, _probes, trained  # noqa: F401 - the fixture of the probe kinds

REPORT: dict[str, Any] = {
    "before": {"accuracy": 0.31, "validation_loss": 1.09}, "after": {"accuracy": 0.84, "validation_loss": 0.52},
    "judged_by": "accuracy", "less_is_better": False, "ending": "early", "steps": 120, "epochs": 2.5, "best_step": 90,
    "judged_on": "validation",
    "per_label": {"kind": {"precision": 0.9, "recall": 0.8, "f1": 0.85, "rows": 120}},
    "samples": [
        {"prompt": "Who are <you>?", "before": "I am a model.", "after": "An owl, hoo!", "expected": "An owl, hoo!"}
    ],
}  # fmt: skip


def ended(driver: Driver, db: Database, told: bytes) -> str:
    """A training that succeeded with this report; its address."""
    job = trained(driver, db)
    model = driver.file("model", "owl.zip", "application/zip", b"zip")
    about = {"name": "owl", "task": "text-generation", **{key: REPORT[key] for key in ("before", "after", "judged_by")}}
    driver.finish(job, driver.file("output", "report.json", "application/json", told), replace(model, meta=about))
    return f"/jobs/{job.id}"


def test_the_page_tells_before_and_after(mine: Visitor, driver: Driver, db: Database, owner: Owner):
    page = mine.get(ended(driver, db, json.dumps(REPORT).encode())).text

    assert "It stopped early after 120 steps" in page
    assert "The best model was that of step 90" in page
    assert page.index("0.31") < page.index("0.84")
    assert "better" in page
    assert "Who are &lt;you&gt;?" in page
    assert "An owl, hoo!" in page
    assert 'href="/models/owl"' in page
    assert versions.of_model(db, owner.id, "owl")
    # and it goes on from here: to the forms that take the model, and to the files, of which the report is one
    assert 'href="/?kind=generate_text&amp;model=owl"' in page
    assert "the whole model" in page
    assert page.count("all figures") == 1
    assert "judged_on" not in page
    # a file that only tells about the model is nothing to judge or to use
    assert 'class="judge"' not in page
    assert "Use as input" not in page


def test_a_version_that_its_name_does_not_stand_for_is_used_by_its_number(mine: Visitor, driver: Driver, db: Database):
    ended(driver, db, json.dumps(REPORT).encode())
    page = mine.get(ended(driver, db, json.dumps(REPORT).encode())).text
    assert 'href="/?kind=generate_text&amp;model=owl@2"' in page
    # and the model's page has the files of both
    model = mine.get("/models/owl").text
    assert model.count("Download version") == 2
    assert model.count("Download the report of version") == 2


def test_the_version_that_stood_and_what_must_not_be_forgotten_are_beside_it(
    mine: Visitor, driver: Driver, db: Database
):
    told = REPORT | {
        "before": {"accuracy": 0.31, "regression_accuracy": 0.5},
        "after": {"accuracy": 0.84, "regression_accuracy": 0.4},
        "rival": {"number": 7, "figures": {"accuracy": 0.79}}, "regression": "old@2", "watched": "regression_accuracy",
    }  # fmt: skip
    page = mine.get(ended(driver, db, json.dumps(told).encode())).text
    assert "Version 7" in page
    assert page.index("0.84") < page.index("0.79")
    assert page.count("what counts") == 2
    assert "worse" in page
    assert "measured on old@2" in page


def test_steps_that_were_asked_for_decide_and_not_the_epochs(mine: Visitor, driver: Driver, db: Database):
    told = REPORT | {"ending": "finished", "best_step": 120}
    page = mine.get(ended(driver, db, json.dumps(told).encode())).text
    assert "It learned for the 120 steps that were asked for: 2.5 epochs." in page


@pytest.mark.parametrize("told", [b"no json", b"[]", b'{"ending": "early"}', b'{"before": 3, "after": {}}'])
def test_a_report_that_cannot_be_read_is_left_out(mine: Visitor, driver: Driver, db: Database, told: bytes):
    page = mine.get(ended(driver, db, told))

    assert page.status_code == 200
    assert "Before and after" not in page.text
    assert "report.json" in page.text


def test_it_fits_and_is_accessible(open_page: Callable[..., Page], driver: Driver, db: Database):
    address = ended(driver, db, json.dumps(REPORT).encode())
    for viewport in (WIDE, PHONE):
        page = open_page(address, viewport=viewport)
        assert_accessible(page)
        page.set_viewport_size(NARROW)
        assert_fits(page)
