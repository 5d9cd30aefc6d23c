"""Pages as a browser without a script sees them: login, errors, jobs."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shared import jobs, kinds
from shared.db import Database
from tests.kinds.shipped import SHIPPED
from tests.web.conftest import Visitor
from tests.web.driving import Driver
from web import vendor
from web.pages.assets import icon_address

PAGES = ["/", "/?kind=generate_text", "/jobs", "/docs", "/recent", "/login", "/offline"]


# ---- login ----------------------------------------------------------------------------------------------------------


def test_a_page_sends_a_stranger_to_login_and_back(client: FlaskClient, visitor: Visitor, secret: str) -> None:
    answer = client.get("/jobs?state=failed")
    assert answer.status_code == 302
    assert answer.location == "/login?next=/jobs?state%3Dfailed"
    assert visitor.post("/login", key=secret, next="/jobs?state=failed").location == "/jobs?state=failed"
    assert visitor.get("/jobs").status_code == 200


def test_the_address_of_the_console_logs_in_and_hides_the_key(client: FlaskClient, secret: str) -> None:
    answer = client.get(f"/login?key={secret}")
    assert (answer.status_code, answer.location) == (303, "/")
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "//[", ""]
)
def test_login_leads_to_this_site_only(visitor: Visitor, secret: str, wanted: str) -> None:
    assert visitor.post("/login", key=secret, next=wanted).location == "/"


def test_a_wrong_key_is_said_and_tries_are_counted(visitor: Visitor) -> None:
    answer = visitor.post("/login", key="atl_wrong")
    assert answer.status_code == 422
    assert "This key is not valid" in answer.text
    assert "atl_wrong" not in answer.text
    codes = {visitor.post("/login", key=f"atl_wrong{number}").status_code for number in range(200)}
    assert codes == {422, 429}


def test_login_begins_a_fresh_session_and_logout_ends_it(mine: Visitor, client: FlaskClient) -> None:
    with client.session_transaction() as session:
        session["planted"] = "yes"
    mine.post("/logout")
    assert client.get("/").status_code == 302
    with client.session_transaction() as session:
        assert "planted" not in session
        assert "key" not in session


def test_a_form_without_the_token_changes_nothing(mine: Visitor, client: FlaskClient, driver: Driver) -> None:
    job = driver.submit()
    for path in ("/", f"/jobs/{job.id}/cancel", f"/jobs/{job.id}/retry", "/logout", "/login"):
        assert client.post(path, data={"csrf_token": "guessed"}).status_code == 403, path
        for origin in ("https://evil.example", "http://[", "null"):
            assert client.post(path, headers={"Origin": origin}).status_code == 403, path
    assert "Queued" in mine.get(f"/jobs/{job.id}").text


def test_a_part_of_a_page_whose_session_ended_leaves_as_a_whole(client: FlaskClient) -> None:
    answer = client.get("/jobs/list", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/login")


# ---- every page -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_pages_need_no_inline_script_or_style(mine: Visitor, driver: Driver, path: str) -> None:
    driver.submit()
    answer = mine.get(path)
    assert answer.status_code == 200
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert "<script>" not in answer.text
    assert "http://" not in answer.text.replace("http://www.w3.org", "").replace("http://localhost", "")


def test_errors_are_pages(mine: Visitor, client: FlaskClient) -> None:
    for path in (
        "/nowhere",
        "/jobs/job_unknown",
        "/jobs/job_01hzzzzzzzzzzzzzzzzzzzzzzz",
        "/?kind=nothing",
        "/jobs?state=odd",
    ):
        answer = mine.get(path)
        assert answer.status_code == 404, path
        assert "Not found" in answer.text
    assert mine.get("/jobs?cursor=odd").status_code == 422
    assert client.delete("/jobs").status_code == 405


def test_an_error_page_shows_nothing_of_the_inside(app: Flask, client: FlaskClient, secret: str) -> None:
    def broken() -> str:
        raise RuntimeError("the secret inside")

    broken.needs = "public"  # type: ignore[attr-defined]
    app.add_url_rule("/broken", view_func=broken)
    answer = client.get("/broken")
    assert answer.status_code == 500
    assert "secret inside" not in answer.text
    assert "it was noted as" in answer.text


def test_the_theme_is_remembered(mine: Visitor, client: FlaskClient) -> None:
    client.set_cookie("theme", "dark")
    assert 'data-theme="dark"' in mine.get("/").text
    client.set_cookie("theme", '"><script>')
    assert "data-theme=" not in mine.get("/").text


def test_every_icon_of_the_pages_is_in_the_sprite(app: Flask) -> None:
    with app.test_request_context():
        for name in (*vendor.PAGE_ICONS, *(kinds.params_class(kind).icon for kind in SHIPPED)):
            assert icon_address(name).endswith(f"#{name}"), f"run python -m web.vendor: {name} is missing"


# ---- one job --------------------------------------------------------------------------------------------------------

TITLE = '<script>alert("1")</script><b>bold</b> & 100%'
ESCAPED = "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;&lt;b&gt;bold&lt;/b&gt; &amp; 100%"


def test_what_people_and_models_write_is_inert(mine: Visitor, driver: Driver) -> None:
    driver.submit("generate_text", prompt=TITLE)
    job = driver.claim()
    driver.step(job, 3, note=TITLE, text=TITLE)
    for path in (f"/jobs/{job.id}", f"/jobs/{job.id}/live?once=", "/jobs", "/", "/recent", f"/?from={job.id}"):
        text = mine.get(path).text
        assert ESCAPED in text, path
        assert "<b>bold" not in text, path
        assert "<script>alert" not in text, path
    driver.finish(job, driver.file("output", "text.txt", "text/plain; charset=utf-8", TITLE.encode()))
    text = mine.get(f"/jobs/{job.id}").text
    assert text.count(ESCAPED) >= 2
    assert "<b>bold" not in text


def test_a_job_from_queue_to_result(mine: Visitor, driver: Driver) -> None:
    driver.submit(prompt="a red apple", steps=8)
    waiting = mine.get("/jobs").text
    assert "Queued" in waiting
    assert "1 queued" in waiting
    job = driver.claim()
    driver.step(job, 3, note="Step 3 of 8")
    running = mine.get(f"/jobs/{job.id}").text
    assert "Step 3 of 8" in running
    assert '<progress max="100" value="38"' in running
    assert '<noscript><meta http-equiv="refresh"' in running
    driver.finish(job, driver.file("output", "image.png", "image/png", b"\x89PNG", width=64, height=64, seed=5))
    done = mine.get(f"/jobs/{job.id}").text
    assert "Done" in done
    assert 'width="64" height="64"' in done
    assert "Tokens/s" in done
    assert "picked up by host/cpu, attempt 1" in done
    assert "hx-sse:connect" not in done
    assert "refresh" not in done


def test_each_kind_of_result_is_shown_in_place(mine: Visitor, driver: Driver) -> None:
    driver.submit("generate_code", prompt="add")
    job = driver.claim()
    driver.finish(
        job,
        driver.file("output", "code.py", "text/x-python", b"def add(a, b):\n    return a + b\n"),
        driver.file("output", "speech.wav", "audio/wav", b"RIFF"),
        driver.file("output", "model.bin", "application/octet-stream", b"bytes"),
        driver.file("output", "bad.txt", "text/plain", b"\xff\xfe not text"),
    )
    text = mine.get(f"/jobs/{job.id}").text
    assert "def add(a, b):\n    return a + b" in text
    assert "<audio controls" in text
    assert 'download="model.bin"' in text
    assert "not text" in text


def test_a_text_whose_bytes_are_gone_is_no_error_of_the_page(mine: Visitor, driver: Driver) -> None:
    driver.submit("generate_text", prompt="hello")
    job = driver.claim()
    file = driver.file("output", "text.txt", "text/plain", b"hello")
    driver.finish(job, file)
    assert driver.settings.storage_url is not None
    for path in driver.folder.rglob(file.sha256):
        path.unlink()
    answer = mine.get(f"/jobs/{job.id}")
    assert answer.status_code == 200
    assert "cannot be read just now" in answer.text


def test_a_failure_says_what_happened_and_what_to_do(mine: Visitor, driver: Driver) -> None:
    driver.submit(prompt="poster", width=2048, height=2048)
    job = driver.claim()
    driver.fail(
        job,
        "out_of_memory",
        "It needs 19 GB; the device has 16.",
        driver.file("log", "error.txt", "text/plain", b"trace"),
    )
    text = mine.get(f"/jobs/{job.id}").text
    for words in (
        "The device ran out of memory",
        "It needs 19 GB",
        "Ask for less at once",
        "trace",
        'download="error.txt"',
    ):
        assert words in text
    again = mine.post(f"/jobs/{job.id}/retry")
    assert again.status_code == 303
    assert again.location != f"/jobs/{job.id}"
    assert "Queued" in mine.get(again.location).text


def test_cancelling_goes_back_to_where_the_button_was(mine: Visitor, driver: Driver) -> None:
    first, second = driver.submit(), driver.submit()
    assert mine.post(f"/jobs/{first.id}/cancel").location == f"/jobs/{first.id}"
    assert mine.post(f"/jobs/{second.id}/cancel", next="/jobs?q=apple").location == "/jobs?q=apple"
    assert "Cancelled" in mine.get(f"/jobs/{first.id}").text
    assert mine.post(f"/jobs/{first.id}/cancel", next="https://evil.example").location == f"/jobs/{first.id}"


def test_a_strangers_job_is_not_there(theirs: Visitor, driver: Driver) -> None:
    job = driver.submit(prompt="my secret plan")
    for path in (f"/jobs/{job.id}", f"/jobs/{job.id}/live", f"/jobs/{job.id}/live?once=", f"/?from={job.id}"):
        assert theirs.get(path).status_code == 404, path
    for verb in ("cancel", "retry"):
        assert theirs.post(f"/jobs/{job.id}/{verb}").status_code == 404
    assert "secret plan" not in theirs.get("/jobs").text + theirs.get("/").text


def test_the_live_panel_ends_with_done(mine: Visitor, driver: Driver, client: FlaskClient) -> None:
    driver.submit("generate_text", prompt="one\r\ntwo")
    job = driver.claim()
    driver.step(job, 3, text="line one\nline two")
    version = f"{job.id}-"
    assert version in mine.get(f"/jobs/{job.id}/live?once=").text
    driver.finish(job)
    stream = client.get(f"/jobs/{job.id}/live")
    assert stream.mimetype == "text/event-stream"
    panel, done, rest = stream.text.split("\n\n")
    assert rest == ""
    assert panel.startswith("id: ")
    assert all(line.startswith(("id: ", "data: ")) for line in panel.split("\n"))
    assert "event: done" in done


def test_without_a_seat_the_page_polls(mine: Visitor, app: Flask, client: FlaskClient, driver: Driver) -> None:
    job = driver.submit()
    watcher = app.extensions["atelier"].watcher
    while watcher.sit():
        pass
    assert client.get(f"/jobs/{job.id}/live").status_code == 204
    assert client.get(f"/jobs/{job.id}/live", headers={"Last-Event-ID": "1"}).status_code == 503
    answer = client.get(f"/jobs/{job.id}/live?once=")
    assert answer.status_code == 200
    version = _between(answer.text, "live?once=", '"')
    assert client.get(f"/jobs/{job.id}/live?once={version}").status_code == 204


# ---- all jobs -------------------------------------------------------------------------------------------------------


def test_jobs_by_state_kind_and_words(mine: Visitor, driver: Driver, db: Database) -> None:
    apple = driver.submit(prompt="a red apple")
    poem = driver.submit("generate_text", prompt="a poem about 100% rain")
    jobs.cancel(db, driver.owner.id, poem.id)

    def shown(query: str) -> set[str]:
        text = mine.get(f"/jobs?{query}").text
        return {job.id for job in (apple, poem) if f"row-{job.id}" in text}

    assert shown("") == {apple.id, poem.id}
    assert shown("state=queued") == {apple.id}
    assert shown("state=cancelled") == {poem.id}
    assert shown("kind=generate_text") == {poem.id}
    assert shown("q=RAIN") == {poem.id}
    assert shown("q=100%25") == {poem.id}
    assert shown(f"q={apple.id}") == {apple.id}
    assert shown("q=nothing") == set()
    assert "No jobs match" in mine.get("/jobs?q=nothing").text


def test_pages_of_jobs(mine: Visitor, driver: Driver) -> None:
    made = [driver.submit(prompt=f"apple number {number}") for number in range(30)]
    first = mine.get("/jobs").text
    assert made[29].id in first
    assert made[0].id not in first
    older = _between(first, "cursor=", '"')
    assert made[0].id in mine.get(f"/jobs?cursor={older}").text


def test_an_unchanged_list_is_not_sent_again(mine: Visitor, client: FlaskClient, driver: Driver) -> None:
    job = driver.submit()
    for path in ("/jobs/list", "/recent"):
        version = _between(client.get(path).text, "seen=", '"')
        assert client.get(f"{path}?seen={version}").status_code == 204
    driver.step(driver.claim(), 1)
    for path in ("/jobs/list", "/recent"):
        assert client.get(f"{path}?seen={version}").status_code == 200
    assert job.id in client.get("/jobs/list").text


def test_a_job_of_a_kind_that_is_gone_is_still_shown(
    mine: Visitor, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = driver.submit("generate_text", prompt="hello")
    left = [name for name in kinds.names() if name != "generate_text"]
    monkeypatch.setattr(kinds, "names", lambda: left)
    kinds.params_class.cache_clear()
    try:
        for path in (f"/jobs/{job.id}", "/jobs", "/"):
            assert mine.get(path).status_code == 200, path
        assert mine.get(f"/?from={job.id}").status_code == 404
    finally:
        kinds.params_class.cache_clear()


def _between(text: str, before: str, after: str) -> str:
    return text.split(before, 1)[1].split(after, 1)[0]
