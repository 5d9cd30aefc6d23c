"""The form of a new batch as a browser without a script sees it: three ways in, every refusal, nothing lost."""

import re
from io import BytesIO
from typing import Any

import pytest

from shared import batch_listing, batches
from tests.web.conftest import Visitor
from tests.web.driving import Driver
from tests.web.test_batch_pages import KIND, NASTY, jobs_of, newest
from web.pages import new_batch


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


def test_line_40001_is_named(mine: Visitor, driver: Driver) -> None:
    lines = [b'{"prompt": "a"}'] * 40_002
    lines[40_000] = b'{"prompt": ""}'
    answer = send(mine, b"\n".join(lines), "a.jsonl")
    assert answer.status_code == 422
    assert 'Line 40001</span>, <span class="mono">prompt' in answer.text
    assert newest(driver.db, driver.owner) is None


def test_an_upload_that_stops_midway_queues_nothing(mine: Visitor, driver: Driver) -> None:
    token = re.search(r'name="csrf_token" value="([^"]+)"', mine.get("/batches/new").text)
    assert token is not None
    fields = {"csrf_token": token[1], "kind": KIND, "batch.way": "file"}
    head = "".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields)
    file = '--b\r\nContent-Disposition: form-data; name="batch.file"; filename="a.jsonl"\r\n\r\n{"prompt": "one"}\n'
    answer = mine.client.post(
        "/batches/new",
        input_stream=BytesIO((head + file).encode()),
        content_type="multipart/form-data; boundary=b",
        environ_overrides={"CONTENT_LENGTH": str(len(head + file) + 1000), "wsgi.input_terminated": True},
    )
    assert (answer.status_code, "midway" in answer.text) == (400, True), answer.text
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
