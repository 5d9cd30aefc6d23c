"""The pages of batches as a browser without a script sees them."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from shared import batch_listing, batches, jobs, library
from shared.batch import Batch
from shared.db import Database
from shared.job import JobState
from shared.owners import Owner
from shared.sources import Listed
from shared.variations import Varied
from tests.web.conftest import Visitor
from tests.web.driving import Driver
from web.pages import batch as batch_page
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
    cells = re.findall(rf'id="cell-(\d+)" data-pick href="/batches/{batch.id}\?selected=(\d+)#selected"', text)
    assert [(int(number), int(picked)) for number, picked in cells] == [(n, n) for n in range(1, 7)]
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


def chosen(text: str) -> str:
    return text.split('id="selected"')[1].split("</aside>")[0]


def test_a_picked_cell_is_shown_large_with_what_sets_it_apart(mine: Visitor, driver: Driver) -> None:
    batch = vary(driver, {"steps": [5, 6, 7]})
    path = f"/batches/{batch.id}"
    assert "Pick a cell" in chosen(mine.get(path).text)
    failed, done = driver.claim(), driver.claim()
    picture = driver.file("output", "image.png", "image/png", b"PNG", width=900, height=8)
    driver.finish(done, picture)
    driver.fail(failed, "out_of_memory", NASTY)
    text = mine.get(path).text
    assert f'/jobs/{done.id}"' in chosen(text), "the first that has a result"
    assert 'id="cell-2"' in text.split('aria-current="true">')[1 - 1].rsplit("<a ", 1)[1]
    assert "?inline=true" in chosen(text)
    assert "/thumbnail" in text.split('id="cell-2"')[1].split("</a>")[0]
    other = chosen(mine.get(f"{path}?selected=1").text)
    assert NASTY not in other
    for words in ("&lt;script&gt;", '<dt>Steps</dt><dd class="num">5</dd>', f"/jobs/{failed.id}/retry", "Remix"):
        assert words in other
    polled = re.search(r'data-poll="([^"]+)"', mine.get(f"{path}?selected=1").text)
    assert polled is not None
    assert "selected=1" in polled[1]
    back = mine.post(f"{path}/cancel?selected=1").location
    assert back == f"{path}?selected=1", "the place is kept"
    for odd in ("99", "x", "-1", "1e9"):
        assert f'/jobs/{done.id}"' in chosen(mine.get(f"{path}?selected={odd}").text)


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


def test_a_retry_without_its_model_says_so(mine: Visitor, driver: Driver) -> None:
    library.add(driver.db, driver.owner.id, name="mine", task="text-to-image", source="hub:me/mine", revision="0" * 40)
    batch = vary(driver, {"steps": [1, 2]}, model="mine")
    driver.fail(driver.claim(), "out_of_memory", "No.")
    library.remove(driver.db, driver.owner.id, "mine")
    answer = mine.post(f"/batches/{batch.id}/retry")
    assert answer.status_code == 422
    assert "Nothing was retried. There is no model" in answer.text
    assert re.findall(r'role="alert"[^>]*autofocus', answer.text)
    assert batch_listing.tally(driver.db, batch).counts[JobState.FAILED] == 1


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


@pytest.mark.parametrize("path", ["/batches", "/batches/new", "/batches/{id}"])
def test_pages_need_no_inline_script_or_style(mine: Visitor, driver: Driver, path: str) -> None:
    batch = vary(driver, {"steps": [1, 2], "guidance": [3.0, 4.0]})
    text = mine.get(path.format(id=batch.id)).text
    assert "<style" not in text
    assert " style=" not in text
    assert "<script>" not in text
