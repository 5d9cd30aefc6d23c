"""The pages of batches as a browser without a script sees them."""

import re
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from flask import Flask

from shared import batch_listing, batches, jobs
from shared.batch import Batch
from shared.db import Database
from shared.job import JobState
from shared.owners import Owner
from shared.sources import Listed
from shared.variations import Varied
from tests.web.conftest import Visitor
from tests.web.driving import Driver
from web.pages import batch as batch_page
from web.pages import new_batch
from web.pages.batch_grid import MOST, grid_of

KIND = "generate_image"
NASTY = '<script>alert("1")</script>'


def vary(driver: Driver, fields: dict[str, list[Any]], mode: Any = "product", **params: Any) -> Batch:
    source = Varied({"prompt": "a red apple"} | params, fields, mode)
    return batches.submit(driver.db, driver.owner, KIND, source).batch


def listed(driver: Driver, *prompts: str) -> Batch:
    source = Listed({}, [{"prompt": each} for each in prompts])
    return batches.submit(driver.db, driver.owner, KIND, source).batch


def jobs_of(db: Database, batch: Batch) -> list[Any]:
    return batch_listing.items(db, batch, limit=200).items


def newest(db: Database, owner: Owner) -> Batch | None:
    found = batch_listing.page(db, owner.id).items
    return found[0] if found else None


# ---- the list -------------------------------------------------------------------------------------------------------


def test_without_batches_there_is_one_button(mine: Visitor) -> None:
    text = mine.get("/batches").text.split("<main")[1].split("</main>")[0]
    assert "No batches yet" in text
    assert re.findall(r'class="button[^"]*" href="([^"]+)"', text) == ["/batches/new"]
    assert mine.get("/batches/").request.path == "/batches"


def test_the_list_is_newest_first_with_counts_in_words(mine: Visitor, driver: Driver) -> None:
    first = listed(driver, "one", "two", "three")
    second = vary(driver, {"steps": [1, 2], "guidance": [3.0, 4.0]})
    driver.fail(driver.claim(), "out_of_memory", "No.")
    text = mine.get("/batches").text
    assert text.index(second.id) < text.index(first.id)
    assert "1 failed · 2 queued" in text
    assert "4 queued" in text
    assert "2 × 2: Steps, Guidance" in text
    assert "a list of 3" in text
    assert text.count('<svg class="counts"') == 2


def test_the_list_pages_by_cursor(mine: Visitor, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.pages.batches.PAGE", 2)
    made = [listed(driver, f"prompt {number}") for number in range(3)]
    text = mine.get("/batches").text
    assert made[0].id not in text
    older = re.search(r'href="(/batches\?cursor=[^"]+)"', text)
    assert older is not None
    assert made[0].id in mine.get(older[1]).text
    assert mine.get("/batches?cursor=odd").status_code == 422
    assert "No older batches" in mine.get(f"/batches?cursor={made[0].id}").text


@pytest.mark.parametrize("page", ["list", "one"])
def test_a_poll_answers_204_until_something_changes(mine: Visitor, driver: Driver, page: str) -> None:
    batch = listed(driver, "one", "two")

    def poll() -> tuple[int, int]:
        text = mine.get("/batches" if page == "list" else f"/batches/{batch.id}").text
        found = re.search(r'data-poll="([^"]+)"', text)
        assert found is not None
        address = found[1].replace("&amp;", "&")
        before = mine.get(address).status_code
        driver.claim()
        return before, mine.get(address).status_code

    # A minute may end between two of the requests.
    assert (204, 200) in [poll(), poll()]


# ---- one batch ------------------------------------------------------------------------------------------------------


def test_a_product_of_two_fields_is_a_grid_with_labels(mine: Visitor, driver: Driver) -> None:
    batch = vary(driver, {"steps": [5, 10], "guidance": [2.5, 7.0, 9.0]})
    text = mine.get(f"/batches/{batch.id}").text
    assert text.count('<th scope="row">') == 2
    assert text.count('<th scope="col">') == 3
    cells = re.findall(r'id="cell-(\d+)" href="/jobs/(job_\w+)"', text)
    assert [int(number) for number, _ in cells] == [1, 2, 3, 4, 5, 6]
    assert [job.id for job in jobs_of(driver.db, batch)] == [job_id for _, job_id in cells]
    assert "Steps: 10, Guidance: 2.5" in text.split('id="cell-4"')[1][:600]
    assert text.count('<span class="state queued">Queued</span>') >= 6


def test_cells_fill_in(mine: Visitor, driver: Driver) -> None:
    batch = vary(driver, {"steps": [1, 2, 3, 4]})
    done, failed, running = driver.claim(), driver.claim(), driver.claim()
    picture = driver.file("output", "image.png", "image/png", b"PNG", width=8, height=8)
    driver.finish(done, picture)
    driver.fail(failed, "out_of_memory", "It needs 19 GB.")
    driver.step(running, 3)
    text = mine.get(f"/batches/{batch.id}").text
    for job, expected in ((done, "<img src="), (failed, "Failed"), (running, "<progress")):
        assert expected in text.split(f'id="cell-{job.batch_index}"')[1].split("</a>")[0]
    assert "1 of 4 done" in text
    assert "1 failed · 1 running · 1 queued · about" in text


def test_a_text_shows_its_first_words(mine: Visitor, driver: Driver) -> None:
    source = Varied({"prompt": "hello"}, {"seed": [1, 2]})
    batch = batches.submit(driver.db, driver.owner, "generate_text", source).batch
    driver.step(driver.claim(), 3, text=NASTY)
    text = mine.get(f"/batches/{batch.id}").text
    assert '<span class="said">&lt;script&gt;' in text


def test_more_fields_are_sections(app: Flask, driver: Driver) -> None:
    fields: dict[str, list[Any]] = {
        "steps": [1, 2],
        "guidance": [3.0, 4.0],
        "seed": [7, 8],
        "scheduler": ["ddim", "euler"],
    }
    batch = vary(driver, fields)
    grid = grid_of(batch)
    assert grid is not None
    assert grid.pages == 1
    sections = grid.page(1)
    assert [each.title for each in sections][:2] == ["Seed: 7 · Scheduler: ddim", "Seed: 7 · Scheduler: euler"]
    found = jobs_of(driver.db, batch)
    for section in sections:
        for line in section.lines:
            for label, number in zip(section.columns, line.numbers, strict=True):
                params = found[number - 1].params
                assert (str(params["steps"]), f"{params['guidance']:g}") == (line.label, label)
                assert section.title == f"Seed: {params['seed']} · Scheduler: {params['scheduler']}"


@pytest.mark.parametrize("lengths", [(450,), (3, 250), (250, 3), (40, 40), (2, 3, 50), (20, 20, 3), (201, 2, 2)])
def test_pages_of_a_grid_hold_every_number_once_and_never_too_many(lengths: tuple[int, ...]) -> None:
    names = ("steps", "seed", "images")
    fields = {name: list(range(length)) for name, length in zip(names, lengths, strict=False)}
    asked = Varied({}, fields).asked
    batch = Batch("bat_x", "own_x", KIND, "", asked, 1, 5, "gpu", datetime.now(UTC))
    grid = grid_of(batch)
    assert grid is not None
    pages = [[n for section in grid.page(number) for n in section.numbers] for number in range(1, grid.pages + 1)]
    assert all(0 < len(page) <= MOST for page in pages)
    total = 1
    for length in lengths:
        total *= length
    assert sorted(n for page in pages for n in page) == list(range(1, total + 1))


def test_a_large_grid_is_paged(mine: Visitor, driver: Driver) -> None:
    batch = vary(driver, {"seed": list(range(450))})
    text = mine.get(f"/batches/{batch.id}").text
    assert text.count('class="cell ') == 150
    assert "Page 1 of 3" in text
    assert 'id="cell-450"' in mine.get(f"/batches/{batch.id}?page=3").text
    for odd in ("99", "0", "-1", "x"):
        assert mine.get(f"/batches/{batch.id}?page={odd}").status_code == 200


def test_a_list_is_a_table_that_is_paged_and_filtered(
    mine: Visitor, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_page, "PAGE", 2)
    batch = listed(driver, "one", NASTY, "three")
    driver.fail(driver.claim(), "out_of_memory", "No.")
    text = mine.get(f"/batches/{batch.id}").text
    assert text.count("<tr id=") == 2
    assert NASTY not in text
    assert 'id="row-3"' in mine.get(f"/batches/{batch.id}?cursor=2").text
    failed = mine.get(f"/batches/{batch.id}?state=failed").text
    assert re.findall(r'id="row-(\d+)"', failed) == ["1"]
    assert "out of memory" in failed
    assert "No jobs in this state" in mine.get(f"/batches/{batch.id}?state=cancelled").text
    assert mine.get(f"/batches/{batch.id}?state=odd").status_code == 404
    assert mine.get(f"/batches/{batch.id}?cursor=odd").status_code == 422


def test_a_filter_and_a_zip_show_what_sets_each_apart(mine: Visitor, driver: Driver) -> None:
    zipped = vary(driver, {"steps": [5, 6], "guidance": [2.5, 7.0]}, "zip")
    assert "Steps 6 · Guidance 7" in mine.get(f"/batches/{zipped.id}").text
    product = vary(driver, {"steps": [5, 6]})
    text = mine.get(f"/batches/{product.id}?state=queued").text
    assert "Steps 6" in text
    assert 'class="cell ' not in text


def test_cancel_the_rest_and_retry_the_failed(mine: Visitor, driver: Driver) -> None:
    batch = listed(driver, "one", "two", "three")
    path = f"/batches/{batch.id}"
    driver.fail(driver.claim(), "out_of_memory", "No.")
    text = mine.get(path).text
    assert "Cancel the rest" in text
    assert "Retry the failed" in text
    for _ in range(2):
        assert mine.post(f"{path}/cancel").location == path
    assert batch_listing.tally(driver.db, batch).counts[JobState.CANCELLED] == 2
    assert "Cancel the rest" not in mine.get(path).text
    for _ in range(2):
        assert mine.post(f"{path}/retry").location == path
    counts = batch_listing.tally(driver.db, batch).counts
    assert (counts[JobState.QUEUED], counts[JobState.CANCELLED], counts[JobState.FAILED]) == (1, 2, 0)
    jobs.cancel(driver.db, driver.owner.id, jobs_of(driver.db, batch)[0].id)
    assert mine.post(f"{path}/retry", state="cancelled").location == path
    assert batch_listing.tally(driver.db, batch).counts[JobState.QUEUED] == 3


def test_downloads_work_with_a_session(mine: Visitor, driver: Driver) -> None:
    batch = listed(driver, "one")
    assert "results.zip" not in mine.get(f"/batches/{batch.id}").text
    driver.finish(driver.claim(), driver.file("output", "a.txt", "text/plain", b"hello"))
    text = mine.get(f"/batches/{batch.id}").text
    for name in ("results.zip", "results.jsonl"):
        assert f'href="/api/batches/{batch.id}/{name}"' in text
        assert mine.get(f"/api/batches/{batch.id}/{name}").status_code == 200


def test_another_owners_batch_is_not_there(mine: Visitor, theirs: Visitor, driver: Driver) -> None:
    batch = listed(driver, "one")
    assert batch.id not in theirs.get("/batches").text
    assert theirs.get(f"/batches/{batch.id}").status_code == 404
    assert theirs.get(f"/batches/{batch.id}/part").status_code == 404
    for verb in ("cancel", "retry"):
        assert theirs.post(f"/batches/{batch.id}/{verb}").status_code == 404
        assert mine.client.post(f"/batches/{batch.id}/{verb}").status_code == 403, "without the token"
    assert mine.get("/batches/bat_unknown").status_code == 404


# ---- a new one ------------------------------------------------------------------------------------------------------


def test_settings_are_varied(mine: Visitor, driver: Driver) -> None:
    fields = {"vary.steps": "5\r\n\r\n10", "vary.scheduler": "ddim\neuler", "vary.guidance": "2.5"}
    answer = mine.post("/batches/new", kind=KIND, prompt="a pear", **fields, **{"batch.title": "Pears"})
    batch = newest(driver.db, driver.owner)
    assert batch is not None
    assert (answer.status_code, answer.location) == (303, f"/batches/{batch.id}")
    assert (batch.title, batch.total, batch.asked["order"]) == ("Pears", 4, ["steps", "guidance", "scheduler"])
    found = [
        (job.params["steps"], job.params["guidance"], job.params["scheduler"]) for job in jobs_of(driver.db, batch)
    ]
    assert found == [(5, 2.5, "ddim"), (5, 2.5, "euler"), (10, 2.5, "ddim"), (10, 2.5, "euler")]
    assert mine.get(answer.location).status_code == 200


def test_a_varied_field_may_be_empty_in_the_form_and_a_value_may_have_lines(mine: Visitor, driver: Driver) -> None:
    prompts = {"vary.prompt": "one\\ntwo\nthree \\\\n", "vary.previews": "on\noff", "batch.mode": "zip"}
    assert mine.post("/batches/new", kind=KIND, **prompts).status_code == 303
    batch = newest(driver.db, driver.owner)
    assert batch is not None
    found = [(job.params["prompt"], job.params["previews"]) for job in jobs_of(driver.db, batch)]
    assert found == [("one\ntwo", True), ("three \\n", False)]


def test_wrong_values_are_named_and_kept_and_nothing_is_queued(mine: Visitor, driver: Driver) -> None:
    fields = {"vary.steps": "5\nmany\n900", "vary.guidance": "2"}
    answer = mine.post("/batches/new", kind=KIND, prompt="a <b>", **fields)
    assert answer.status_code == 422
    text = answer.text
    assert "many: Must be a whole number." in text
    assert "900: Must be 200 or less." in text
    assert re.findall(r'id="([^"]+)"[^>]*autofocus', text) == ["v-steps"]
    assert "5\nmany\n900</textarea>" in text
    assert "a &lt;b&gt;</textarea>" in text
    assert newest(driver.db, driver.owner) is None
    both = mine.post("/batches/new", kind=KIND, prompt="", **fields).text
    assert re.findall(r'id="([^"]+)"[^>]*autofocus', both) == ["f-prompt"]


def test_errors_of_the_whole_stand_on_top(mine: Visitor) -> None:
    nothing = mine.post("/batches/new", kind=KIND, prompt="a")
    assert nothing.status_code == 422
    assert "Name at least one field to vary" in nothing.text
    unequal = {"vary.steps": "1\n2", "vary.guidance": "1", "batch.mode": "zip"}
    answer = mine.post("/batches/new", kind=KIND, prompt="a", **unequal)
    assert "With zip every field needs as many values: steps has 2, guidance has 1." in answer.text
    assert ">–</output>" in answer.text
    many = "\n".join(str(number) for number in range(300))
    assert (
        "50,000 jobs at most" in mine.post("/batches/new", kind=KIND, **{"vary.seed": many, "vary.prompt": many}).text
    )
    long = mine.post("/batches/new", kind=KIND, prompt="a", **{"vary.steps": "1", "batch.title": "x" * 201})
    assert (long.status_code, 'id="title-error"' in long.text) == (422, True)


def test_the_number_of_jobs_is_counted_without_a_script(mine: Visitor, driver: Driver) -> None:
    fields = {"vary.steps": "1\n2\n", "vary.seed": "1\n2\n3"}
    answer = mine.post("/batches/new", kind=KIND, prompt="kept", count="yes", **fields)
    assert answer.status_code == 200
    assert "data-made>6</output>" in answer.text
    assert "kept</textarea>" in answer.text
    assert newest(driver.db, driver.owner) is None


def test_a_list_is_pasted(mine: Visitor, driver: Driver) -> None:
    lines = '{"prompt": "one"}\r\n\r\n{"prompt": "two", "steps": 3}'
    answer = mine.post("/batches/new", kind=KIND, **{"batch.way": "list", "batch.items": lines})
    assert answer.status_code == 303, answer.text
    batch = newest(driver.db, driver.owner)
    assert batch is not None
    assert [job.params["prompt"] for job in jobs_of(driver.db, batch)] == ["one", "two"]
    assert mine.get(answer.location).text.count("<tr id=") == 2


def test_errors_of_a_list_are_listed_by_line_and_it_is_kept(mine: Visitor, driver: Driver) -> None:
    lines = f'{{"prompt": "one"}}\n{{"prompt": {NASTY}\n{{"prompt": 5, "odd": 1}}'
    answer = mine.post("/batches/new", kind=KIND, **{"batch.way": "list", "batch.items": lines})
    assert answer.status_code == 422
    assert "3 faults; nothing was queued." in answer.text
    for line in ("Line 2</span>: This is not JSON", 'Line 3</span>, <span class="mono">prompt</span>: Must be text.'):
        assert line in answer.text
    assert re.findall(r'id="([^"]+)"[^>]*autofocus', answer.text) == ["items"]
    assert NASTY not in answer.text
    assert "&lt;script&gt;" in answer.text
    empty = mine.post("/batches/new", kind=KIND, **{"batch.way": "list"})
    assert (empty.status_code, "There is nothing in this batch" in empty.text) == (422, True)
    assert newest(driver.db, driver.owner) is None


def send(mine: Visitor, content: bytes, name: str) -> Any:
    return mine.post("/batches/new", kind=KIND, **{"batch.way": "file", "batch.file": (BytesIO(content), name)})  # type: ignore[arg-type]


def test_files_are_sent(mine: Visitor, driver: Driver) -> None:
    for content, name in (
        (b'{"prompt": "one"}\n{"prompt": "two"}\n', "a.jsonl"),
        (b"prompt;steps\none;3\ntwo;\n", "a.csv"),
    ):
        assert send(mine, content, name).status_code == 303
        batch = newest(driver.db, driver.owner)
        assert batch is not None
        assert (batch.asked["file"], batch.total) == (name, 2)
        assert name in mine.get("/batches").text


def test_errors_of_a_file_are_listed_by_line(mine: Visitor, driver: Driver) -> None:
    answer = send(mine, b"prompt,steps\none,3\n,x\ntwo,900\n", "a.csv")
    assert answer.status_code == 422
    assert 'Line 3</span>, <span class="mono">prompt' in answer.text
    assert 'Line 4</span>, <span class="mono">steps</span>: Must be 200 or less.' in answer.text
    assert re.findall(r'id="([^"]+)"[^>]*autofocus', answer.text) == ["file"]
    header = send(mine, b"prompt,stepz\none,3\n", "a.csv").text
    assert "stepz" in header
    assert "has no such setting" in header
    many = send(mine, b"prompt,steps\n" + b"one,900\n" * 300, "a.csv").text
    assert many.count("Must be 200 or less.") == 100
    assert "The first 100 faults" in many
    odd = send(mine, b"GIF89a", "a.gif")
    assert (odd.status_code, "Name the file .jsonl or .csv" in odd.text) == (415, True)
    none = send(mine, b"", "")
    assert (none.status_code, "Choose a file." in none.text) == (422, True)
    assert newest(driver.db, driver.owner) is None


def test_the_sample_of_every_kind_is_a_file_that_is_taken(mine: Visitor) -> None:
    text = mine.get(f"/batches/new?kind={KIND}&batch.way=file").text
    sample = re.search(r'id="sample-csv"[^>]*>(.*?)</pre>', text, re.DOTALL)
    assert sample is not None
    assert sample[1].startswith("model,prompt,steps,seed,upscale,images\n")
    assert send(mine, sample[1].encode(), "sample.csv").status_code == 303


@pytest.mark.parametrize(
    ("way", "name"),
    [("vary", name) for name in ("batch.title", "prompt", "vary.prompt", "vary.steps")]
    + [("list", "batch.title"), ("list", "batch.items")],
)
def test_what_cannot_be_stored_is_refused(mine: Visitor, driver: Driver, way: str, name: str) -> None:
    fields = {"batch.way": way, "batch.items": '{"prompt": "a"}', "prompt": "a", "vary.steps": "1\n2"}
    fields[name] = fields.get(name, "") + "\x00"
    assert mine.post("/batches/new", kind=KIND, **fields).status_code == 422
    assert newest(driver.db, driver.owner) is None


def test_a_double_click_is_one_batch_and_a_changed_form_another(mine: Visitor, driver: Driver) -> None:
    form = {"kind": KIND, "prompt": "a", "vary.steps": "1\n2", "token": "t"}
    assert mine.post("/batches/new", **form).location == mine.post("/batches/new", **form).location
    mine.post("/batches/new", **form | {"prompt": "b"})
    mine.post("/batches/new", **form | {"token": "u"})
    assert len(batch_listing.page(driver.db, driver.owner.id).items) == 3


def test_a_batch_that_does_not_fit_the_queue_keeps_what_was_typed(
    mine: Visitor, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise new_batch.TooMany("Only 3 more fit.")

    monkeypatch.setattr(batches, "submit", full)
    answer = mine.post("/batches/new", kind=KIND, prompt="kept", **{"vary.steps": "1"})
    assert answer.status_code == 429
    assert "Only 3 more fit." in answer.text
    assert "kept</textarea>" in answer.text


def test_create_leads_there_with_what_was_typed(mine: Visitor) -> None:
    page = mine.get("/").text
    assert 'formaction="/batches/new/begin"' in page
    typed = {"prompt": "a <b> & 100%", "steps": "9", "scheduler": "euler", "seed": "5"}
    answer = mine.post("/batches/new/begin", kind=KIND, token="t", **typed)
    assert answer.status_code == 303
    assert "csrf" not in answer.location
    text = mine.get(answer.location).text
    assert "a &lt;b&gt; &amp; 100%</textarea>" in text
    assert '<option value="euler" selected>' in text
    assert 'id="f-previews" name="previews" value="true"' in text
    assert not re.search(r'id="f-previews"[^>]*checked', text), "a switch that was off stays off"
    long = mine.post("/batches/new/begin", kind=KIND, prompt="x" * 9000)
    assert (long.status_code, "x" * 9000 in long.text) == (200, True)


def test_a_conversation_and_a_job_come_along(mine: Visitor, driver: Driver) -> None:
    turns = {"messages.0.role": "system", "messages.0.content": "Be brief.", "messages.1.content": "hi"}
    answer = mine.post("/batches/new/begin", kind="generate_text", **turns)
    assert "Be brief.</textarea>" in mine.get(answer.location).text
    job = driver.submit(prompt="a blue cup", seed=5)
    text = mine.get(f"/batches/new?from={job.id}").text
    assert "a blue cup</textarea>" in text
    assert 'value="5"' not in text
    assert mine.get("/batches/new?kind=nothing").status_code == 404


@pytest.mark.parametrize("path", ["/batches", "/batches/new", "/batches/{id}"])
def test_pages_need_no_inline_script_or_style(mine: Visitor, driver: Driver, path: str) -> None:
    batch = vary(driver, {"steps": [1, 2], "guidance": [3.0, 4.0]})
    text = mine.get(path.format(id=batch.id)).text
    assert "<style" not in text
    assert " style=" not in text
    assert "<script>" not in text
