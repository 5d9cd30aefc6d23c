"""Jobs: tabs with counts, filters, and many at once, as a browser without a script sees them."""

import re

import pytest
from flask.testing import FlaskClient

from shared import jobs, keys, listing
from shared.db import Database
from shared.job import Job, JobState
from shared.owners import Owner
from tests.web.conftest import Visitor
from tests.web.driving import Driver


def pick(mine: Visitor, do: str, *chosen: Job | str, **fields: str):
    ids = [each if isinstance(each, str) else each.id for each in chosen]
    return mine.post("/jobs/selection", do=do, pick=ids, **fields)  # type: ignore[arg-type]  # several of one name


def told(page: str) -> str:
    found = re.search(r'class="note told" role="status">.*?<p class="grow">(.*?)</p>', page, re.DOTALL)
    return found[1] if found else ""


def tabs(page: str) -> dict[str, str]:
    nav = page.split('class="tabs"')[1].split("</nav>")[0]
    found = re.findall(r">([^<>]+)<span class=\"dim num\">([\d,+]+)</span>", nav)
    return {name.strip(): count for name, count in found}


def test_tabs_count_and_choose(mine: Visitor, driver: Driver, db: Database) -> None:
    made = [driver.submit(prompt=f"apple {number}") for number in range(5)]
    done, failed, running = driver.claim(), driver.claim(), driver.claim()
    driver.finish(done)
    driver.fail(failed, "internal", "No.")
    jobs.cancel(db, driver.owner.id, made[4].id)
    page = mine.get("/jobs").text
    assert tabs(page) == {"All": "5", "Active": "2", "Done": "1", "Failed": "1", "Cancelled": "1"}

    def shown(state: str) -> set[str]:
        text = mine.get(f"/jobs?state={state}").text
        return {job.id for job in made if f'id="row-{job.id}"' in text}

    assert shown("active") == {running.id, made[3].id}
    assert shown("queued") == {made[3].id}
    assert shown("failed") == {failed.id}
    assert mine.get("/jobs?state=odd").status_code == 404
    assert 'aria-current="page">Active' in mine.get("/jobs?state=queued").text


def test_a_count_that_was_not_taken_to_its_end_says_that_there_are_more(
    mine: Visitor, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNTED", 2)
    for _ in range(3):
        driver.submit()
    assert tabs(mine.get("/jobs").text) == {"All": "2+", "Active": "2+", "Done": "0", "Failed": "0", "Cancelled": "0"}


def test_filters_by_model_day_and_batch(mine: Visitor, driver: Driver) -> None:
    emoji = driver.submit(prompt="apple")
    digit = driver.submit(prompt="a photo of seven", model="digits")

    def shown(query: str) -> set[str]:
        text = mine.get(f"/jobs?{query}").text
        return {job.id for job in (emoji, digit) if f'id="row-{job.id}"' in text}

    assert shown("model=digits") == {digit.id}
    assert shown("model=digits&kind=generate_text") == set()
    assert shown("until=2001-01-01") == set()
    assert shown("until=2999-01-01") == shown("until=no-day") == shown("until=9999-12-31") == {emoji.id, digit.id}
    assert shown("batch=bat_01hzzzzzzzzzzzzzzzzzzzzzzz") == set()
    assert 'value="gone" selected' in mine.get("/jobs?model=gone").text
    assert "No jobs match" in mine.get("/jobs?until=2001-01-01").text
    page = mine.get("/jobs?model=digits&q=photo").text
    assert "/jobs?state=failed&amp;model=digits&amp;q=photo" in page, "a tab keeps the filters"


def test_cancelling_many_says_how_many_and_why_not(mine: Visitor, driver: Driver, db: Database) -> None:
    ended = driver.submit(prompt="ended")
    driver.finish(driver.claim())
    running = driver.submit(prompt="running")
    driver.claim()
    first, second = driver.submit(prompt="one"), driver.submit(prompt="two")
    answer = pick(mine, "cancel", first, second, running, ended, next="/jobs?q=o")
    assert (answer.status_code, answer.location) == (303, "/jobs?q=o")
    page = mine.get("/jobs").text
    assert told(page) == ("2 jobs were cancelled. 1 running job was asked to stop. 1 was not: it had ended already.")
    assert told(mine.get("/jobs").text) == "", "it is said once"
    assert listing.get(db, driver.owner.id, first.id).state is JobState.CANCELLED
    assert pick(mine, "cancel", first, next="https://evil.example").location == "/jobs"


def test_retrying_many_is_done_once_for_one_page(mine: Visitor, driver: Driver, db: Database, owner: Owner) -> None:
    ended, waiting = driver.submit(prompt="ended"), driver.submit(prompt="waiting")
    jobs.cancel(db, owner.id, ended.id)
    token = re.search(r'name="token" value="([^"]+)"', mine.get("/jobs").text)
    assert token is not None
    for _ in range(2):
        assert pick(mine, "retry", ended, waiting, token=token[1]).status_code == 303
    assert told(mine.get("/jobs").text).startswith("1 job was submitted again. 1 was not: it has not ended yet.")
    again = [job for job in listing.page(db, owner.id).items if job.parent_id]
    assert [job.parent_id for job in again] == [ended.id]


def test_nothing_chosen_is_said_and_what_was_ticked_is_kept(mine: Visitor, driver: Driver) -> None:
    job = driver.submit()
    answer = pick(mine, "cancel")
    assert answer.status_code == 422
    assert "Select at least one job." in answer.text
    assert 'role="alert" tabindex="-1" autofocus' in answer.text
    assert 'action="/jobs/selection?q=apple"' in mine.get("/jobs?q=apple").text
    kept = mine.post("/jobs/selection?kind=generate_image&q=apple", do="cancel")
    assert 'value="apple"' in kept.text, "the filters stay"
    many = pick(mine, "cancel", job, *(f"job_{number}" for number in range(300)))
    assert many.status_code == 422
    assert re.search(rf'value="{job.id}"[^>]* checked', many.text)


def test_without_a_script_a_link_ticks_all(mine: Visitor, driver: Driver) -> None:
    made = [driver.submit(prompt=f"apple {number}") for number in range(3)]
    page = mine.get("/jobs").text
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "checked" not in page.split("<table")[1].split("</table>")[0]
    page = mine.get("/jobs?all=yes").text
    assert page.count(" checked>") >= len(made)
    assert 'http-equiv="refresh"' not in page, "a reload would take the ticks away"


def test_a_stranger_reaches_none_of_them(mine: Visitor, theirs: Visitor, driver: Driver, db: Database) -> None:
    job = driver.submit()
    for do in ("cancel", "retry"):
        assert pick(theirs, do, job).status_code == 303
        assert "1 was not: it is not there." in told(theirs.get("/jobs").text)
    assert listing.get(db, driver.owner.id, job.id).state is JobState.QUEUED
    assert mine.client.post("/jobs/selection", data={"do": "cancel", "pick": job.id}).status_code == 403


def test_a_key_that_may_only_read_changes_none(client: FlaskClient, db: Database, owner: Owner, driver: Driver) -> None:
    job = driver.submit()
    reader = Visitor(client)
    reader.post("/login", key=keys.create(db, owner.id, "reader", ("jobs:read",)).secret)
    assert pick(reader, "cancel", job).status_code == 403


def test_the_list_before_there_is_a_job(mine: Visitor) -> None:
    page = mine.get("/jobs").text
    assert "No jobs yet" in page
    assert 'id="bulk"' not in page
    for state, words in (
        ("failed", "Nothing has failed"),
        ("active", "Nothing waits or runs"),
        ("queued", "Nothing waits"),
    ):
        assert words in mine.get(f"/jobs?state={state}").text
    assert "No jobs match" in mine.get("/jobs?state=failed&q=pear").text
