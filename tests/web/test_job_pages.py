"""One job: its phases and their times, the end of its log, and the button that repairs what failed."""

import re
from html import unescape

import pytest

from shared import attempts, library, listing
from shared.db import Database
from shared.job import Job, Progress
from tests.web.conftest import Visitor
from tests.web.driving import LEASE_S, Driver


def phases(page: str) -> list[tuple[str, str, str]]:
    """Mark, title and time of each."""
    found = re.findall(r'<li class="([^"]*)"><b>([^<]+)</b><span class="num">([^<]*)</span>', page)
    return [(mark.split()[0] if mark.split() else "", title, took) for mark, title, took in found]


def repair_of(page: str) -> tuple[str, str]:
    """Where the first button of a failure leads, and its words."""
    link = re.search(r'id="repair" href="([^"]+)">([^<]+)</a>', page)
    if link:
        return unescape(link[1]), unescape(link[2])
    button = re.search(r'id="repair">.*?</svg>\s*([^<]+)</button>', page, re.DOTALL)
    assert button is not None
    return "", unescape(button[1]).strip()


def failed(driver: Driver, code: str, message: str = "No.", kind: str = "generate_image", **params: object) -> Job:
    driver.submit(kind, **params)
    job = driver.claim()
    driver.fail(job, code, message)
    return job


# ---- phases ---------------------------------------------------------------------------------------------------------


def test_each_phase_has_its_time(mine: Visitor, driver: Driver, db: Database) -> None:
    driver.submit()
    job = driver.claim()
    driver.step(job, 0, note="Loading the model")
    page = mine.get(f"/jobs/{job.id}").text
    assert [(mark, title) for mark, title, _ in phases(page)] == [
        ("done", "Queued"),
        ("now", "Loading the model"),
        ("", "Running"),
        ("", "Saving"),
    ]
    attempts.pulse(db, job, LEASE_S, Progress(4, 8, "Step 4 of 8", None, 2.5, 3.0))
    page = mine.get(f"/jobs/{job.id}").text
    assert phases(page)[1] == ("done", "Loading the model", "2.5 s")
    assert phases(page)[2][0] == "now"
    attempts.pulse(db, job, LEASE_S, Progress(8, 8, "", None, 2.5, 6.0))
    page = mine.get(f"/jobs/{job.id}").text
    assert phases(page)[2] == ("done", "Running", "3.5 s")
    assert phases(page)[3][:2] == ("now", "Saving")
    attempts.finish(db, job, [], progress=Progress(8, 8, "", None, 2.5, 6.0), metrics={})
    assert [mark for mark, _, _ in phases(mine.get(f"/jobs/{job.id}").text)] == ["done"] * 4


def test_a_job_of_before_that_knew_no_times_is_still_shown(mine: Visitor, driver: Driver) -> None:
    driver.submit()
    job = driver.claim()
    driver.step(job, 3)
    page = mine.get(f"/jobs/{job.id}").text
    assert phases(page)[1] == ("done", "Loading the model", "")
    assert phases(page)[2][2].endswith(" s")


def test_the_log_ends_with_what_is_now_and_with_what_the_worker_wrote(mine: Visitor, driver: Driver) -> None:
    driver.submit()
    job = driver.claim()
    driver.step(job, 3, note="41 tokens/s")
    log = mine.get(f"/jobs/{job.id}").text.split('id="log"')[1].split("</ol>")[0]
    assert "Step 3 of 8" in log
    trace = "\n".join(f"line {number} <b>" for number in range(50))
    driver.fail(job, "internal", "No.", driver.file("log", "log.txt", "text/plain", trace.encode()))
    log = mine.get(f"/jobs/{job.id}").text.split('id="log"')[1].split("</ol>")[0]
    assert "line 49 &lt;b&gt;" in log
    assert "line 30" not in log, "the rest is in the download"


# ---- repairs --------------------------------------------------------------------------------------------------------


def test_out_of_memory_fills_the_form_with_less(mine: Visitor, driver: Driver) -> None:
    job = failed(driver, "out_of_memory", prompt="poster", width=2048, height=1024, images=4, seed=7, upscale=1)
    address, words = repair_of(mine.get(f"/jobs/{job.id}").text)
    assert words == "Try at 1024 × 512"
    page = mine.get(address).text
    assert "Changed for you" in page
    for name, value in (("width", "1024"), ("height", "512"), ("images", "1"), ("seed", "7")):
        assert re.search(rf'name="{name}" value="{value}"', page), name
    assert ">\nposter</textarea>" in page
    text = failed(driver, "out_of_memory", kind="generate_text", prompt="a", max_new_tokens=512, num_sequences=4)
    address, words = repair_of(mine.get(f"/jobs/{text.id}").text)
    assert words == "Try smaller settings"
    assert "max_new_tokens=256" in address
    speech = failed(driver, "out_of_memory", kind="generate_speech", text="hello")
    assert repair_of(mine.get(f"/jobs/{speech.id}").text)[1] == "Change the settings"


def test_a_time_limit_is_doubled(mine: Visitor, driver: Driver, db: Database) -> None:
    job = failed(driver, "time_limit")
    page = mine.get(f"/jobs/{job.id}").text
    assert repair_of(page) == ("", "Run again with a limit of 2.0 h")
    assert 'name="longer" value="yes"' in page
    again = mine.post(f"/jobs/{job.id}/retry", longer="yes")
    made = listing.get(db, driver.owner.id, again.location.removeprefix("/jobs/"))
    assert made.time_limit_s == 2 * job.time_limit_s
    assert made.parent_id == job.id
    plain = mine.post(f"/jobs/{job.id}/retry")
    assert listing.get(db, driver.owner.id, plain.location.removeprefix("/jobs/")).time_limit_s == job.time_limit_s


def test_a_model_that_is_missing_is_exchanged(mine: Visitor, driver: Driver, db: Database) -> None:
    job = failed(driver, "model_missing", "The model “digits” is not installed.", prompt="a", model="digits")
    address, words = repair_of(mine.get(f"/jobs/{job.id}").text)
    assert words == "Choose another model"
    assert address.endswith("#f-model")
    assert '<option value="emoji" selected>' in mine.get(address).text
    upscale = failed(
        driver, "model_broken", "The model “realesrgan-anime” is broken.", prompt="a", upscaler="realesrgan-anime"
    )
    assert repair_of(mine.get(f"/jobs/{upscale.id}").text) == ("/models", "Add another model")
    library.remove(db, None, "emoji")
    assert repair_of(mine.get(f"/jobs/{job.id}").text) == ("/models", "Add another model")


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("generate_image", "device_error", "Try again"),
        ("generate_image", "never_heard_of", "Try again"),
        ("generate_image", "poison", "Change the settings"),
        ("generate_image", "unsupported_scheduler", "Use the model’s own scheduler"),
        ("generate_speech", "unknown_voice", "Use the model’s own voice"),
    ],
)
def test_other_failures_have_their_own_button(mine: Visitor, driver: Driver, kind: str, code: str, words: str) -> None:
    given = {"text": "hello", "voice": "anna"} if kind == "generate_speech" else {"prompt": "a", "scheduler": "euler"}
    job = failed(driver, code, kind=kind, **given)
    page = mine.get(f"/jobs/{job.id}").text
    address, found = repair_of(page)
    assert found == words
    assert page.count(f'action="/jobs/{job.id}/retry"') == 1
    assert not address or mine.get(address).status_code == 200
    if "voice" in code:
        assert re.search(r'name="voice" value=""', mine.get(address).text)


def test_a_strangers_job_is_not_run_longer(theirs: Visitor, driver: Driver) -> None:
    job = failed(driver, "time_limit")
    assert theirs.post(f"/jobs/{job.id}/retry", longer="yes").status_code == 404
