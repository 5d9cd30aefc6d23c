"""A training on its page, over the API and on the command line: curves, pause, resume, keep, runs compared."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from cli.__main__ import atelier
from cli.training import sparkline
from shared import attempts, curves, jobs, kinds, listing, pauses
from shared.db import Database
from shared.job import Job, JobState
from tests.web.browsing import PHONE, assert_accessible, assert_fits
from tests.web.conftest import Visitor
from tests.web.driving import Driver

PROBES = Path(__file__).parents[1] / "probe"

NARROW = {"width": 320, "height": 640}


@pytest.fixture(autouse=True)
def _probes() -> Iterator[None]:
    """The kind `learn`, as if this installation had it."""
    there = str(PROBES / "shared") in kinds.__path__
    kinds.extend(PROBES)
    yield
    if not there:
        kinds.__path__.remove(str(PROBES / "shared"))
        for cached in (kinds.names, kinds.training, kinds.without_works, kinds.params_class):
            cached.cache_clear()


@dataclass(frozen=True)
class Api:
    """A client that sends its key."""

    client: FlaskClient
    secret: str

    def get(self, path: str) -> Any:
        return self.client.get(path, headers={"Authorization": f"Bearer {self.secret}"})

    def post(self, path: str) -> Any:
        return self.client.post(path, headers={"Authorization": f"Bearer {self.secret}"})


@pytest.fixture
def api(client: FlaskClient, secret: str) -> Api:
    return Api(client, secret)


@pytest.fixture
def training(driver: Driver, db: Database) -> Job:
    """A training in its fortieth step."""
    return trained(driver, db)


def trained(driver: Driver, db: Database, steps: int = 40, **params: object) -> Job:
    driver.submit("learn", **{"steps": 100, **params})
    job = driver.claim()
    told = {("loss", step): 2 * math.exp(-step / 12) + 0.1 for step in range(1, steps + 1)}
    told |= {("validation_loss", step): 2 * math.exp(-step / 12) + 0.2 for step in range(10, steps + 1, 10)}
    told |= {("learning_rate", step): 0.05 for step in range(1, steps + 1)}
    curves.write(db, job, told)
    driver.step(job, steps, 100, "Loss 0.2")
    return job


# ---- the API and the command line ----


def test_the_owner_pauses_resumes_and_keeps_over_the_api(api: Api, training: Job) -> None:
    paused = api.post(f"/api/jobs/{training.id}/pause")
    assert (paused.status_code, paused.json["wish"], paused.json["held"]) == (200, "pause", False)
    assert api.post(f"/api/jobs/{training.id}/resume").json["wish"] is None
    assert api.post(f"/api/jobs/{training.id}/keep").json["wish"] == "keep"
    assert api.post(f"/api/jobs/{'job_' + '0' * 26}/pause").status_code == 404


def test_what_does_not_train_says_so(api: Api, driver: Driver) -> None:
    job = driver.submit()
    refused = api.post(f"/api/jobs/{job.id}/pause")
    assert (refused.status_code, refused.json["code"]) == (409, "not_training")


def test_points_come_by_name_and_step(api: Api, training: Job) -> None:
    found = api.get(f"/api/jobs/{training.id}/points").json
    assert [step for step, _ in found["loss"]] == list(range(1, 41))
    some = api.get(f"/api/jobs/{training.id}/points?names=validation_loss&since=20").json
    assert {name: [step for step, _ in points] for name, points in some.items()} == {"validation_loss": [30, 40]}


def test_points_of_another_owner_are_not_there(theirs: Visitor, training: Job) -> None:
    assert theirs.get(f"/api/jobs/{training.id}/points").status_code == 404
    assert theirs.get(f"/compare-runs?jobs={training.id}").status_code == 404


@pytest.mark.parametrize(
    ("values", "shape"), [([1.0], "▁"), ([1.0, 1.0], "▁▁"), ([0, 1, 2, 3, 4, 5, 6, 7.0], "▁▂▃▄▅▆▇█")]
)
def test_a_curve_in_a_terminal(values: list[float], shape: str) -> None:
    assert sparkline(values) == shape
    assert len(sparkline([float(value) for value in range(1000)])) == 32


def test_a_training_from_the_command_line(url: str, secret: str, training: Job, db: Database) -> None:
    def run(*words: str) -> str:
        result = CliRunner().invoke(atelier, [*words, training.id, "--url", url, "--key", secret])
        return str(result.output)

    shown = run("curves")
    assert "validation_loss" in shown
    assert "█" in shown
    assert run("pause") == "running; it pauses at the end of its step\n"
    attempts.release(db, training, "it was paused")
    assert run("pause") == "paused\n"
    assert "no checkpoint yet" in run("keep")
    assert run("resume") == "queued\n"


# ---- the page without a script ----


def test_the_page_shows_curves_as_a_picture_and_a_table(mine: Visitor, training: Job) -> None:
    page = mine.get(f"/jobs/{training.id}").text
    assert page.count("<polyline") == 3
    assert page.count('<figure class="chart">') == 2, "training and validation loss are on one"
    assert "Validation loss" in page
    assert 'id="pause"' in page
    assert 'id="keep"' in page


def test_the_buttons_do_what_they_say(mine: Visitor, training: Job, db: Database) -> None:
    assert mine.post(f"/jobs/{training.id}/pause").status_code == 303
    assert "pausing as soon as this step is done" in mine.get(f"/jobs/{training.id}").text
    attempts.release(db, training, "it was paused")
    page = mine.get(f"/jobs/{training.id}").text
    assert '<span class="state paused">Paused</span>' in page
    assert "until you resume it" in page
    assert '<span class="state paused">Paused</span>' in mine.get("/jobs").text
    mine.post(f"/jobs/{training.id}/resume")
    assert '<span class="state queued">Queued</span>' in mine.get(f"/jobs/{training.id}").text
    assert mine.post(f"/jobs/{training.id}/keep").status_code == 409, "nothing is stored yet"
    mine.post(f"/jobs/{training.id}/cancel")
    assert listing.get(db, training.owner_id, training.id).state is JobState.CANCELLED


def test_a_job_that_does_not_train_has_no_such_buttons(mine: Visitor, driver: Driver) -> None:
    page = mine.get(f"/jobs/{driver.submit().id}").text
    assert 'id="pause"' not in page
    assert 'id="curves"' not in page


def test_runs_are_compared_by_their_curves_and_what_differs(mine: Visitor, driver: Driver, db: Database) -> None:
    first = trained(driver, db, rate=0.1)
    second = trained(driver, db, rate=0.2, steps=30)
    page = mine.get(f"/compare-runs?jobs={first.id},{second.id}").text
    assert page.count('<figure class="chart">') == 3
    assert page.count("<polyline") == 6
    assert "Learning rate</th>" in page
    assert '<td class="num">0.2</td>' in page
    assert f'value="{first.id}" checked' in page
    assert mine.get("/compare-runs").status_code == 200
    assert mine.get(f"/compare-runs?jobs={','.join(['job_' + str(n) * 26 for n in range(7)])}").status_code == 422


# ---- the page in a browser ----


def test_curves_are_drawn_live(open_page: Callable[..., Page], training: Job, driver: Driver, db: Database) -> None:
    page = open_page(f"/jobs/{training.id}")
    expect(page.locator("#live-charts canvas")).to_have_count(2)
    assert not page.locator(".drawn").is_visible()
    legend = page.locator("#live-charts .u-legend").first
    page.evaluate("window.sameDocument = true")
    curves.write(db, training, {("loss", step): 0.1 for step in range(41, 61)} | {("accuracy", 50): 0.5})
    driver.step(training, 60, 100, "Loss 0.1")
    expect(page.locator("#live-charts canvas")).to_have_count(3)
    expect(legend).to_contain_text("Validation loss")
    page.locator("#log-scale").check()
    page.locator("#smoothing").fill("0.9")
    expect(page.locator("#live-charts canvas")).to_have_count(3)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#sentence")).to_contain_text("pausing")


@pytest.mark.parametrize("size", [PHONE, NARROW])
def test_the_pages_fit_and_are_accessible(
    open_page: Callable[..., Page], training: Job, driver: Driver, db: Database, size: dict[str, int]
) -> None:
    attempts.pulse(db, training, 600)
    page = open_page(f"/jobs/{training.id}", viewport=size)
    expect(page.locator("#live-charts canvas")).to_have_count(2)
    assert_fits(page)
    if size is not NARROW:
        assert_accessible(page)
    pauses.ask(db, training.owner_id, training.id, "pause")
    other = trained(driver, db, rate=0.2)
    page = open_page(f"/compare-runs?jobs={training.id},{other.id}", viewport=size)
    expect(page.locator("#live-charts canvas")).to_have_count(3)
    assert_fits(page)
    if size is not NARROW:
        assert_accessible(page)
    jobs.cancel(db, other.owner_id, other.id)
