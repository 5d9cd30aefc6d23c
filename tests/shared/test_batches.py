"""Batches against real Postgres: every source, every refusal, and what becomes of their jobs."""

import io
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from shared import attempts, batch_listing, batches, claims, jobs, library, listing, owners
from shared.batch import Batch, BatchState
from shared.batch_files import JsonLines, Table
from shared.claims import Claimant
from shared.db import Database
from shared.devices import Report, report
from shared.drafts import Placement
from shared.errors import Conflict, Invalid, NotFound, TooMany
from shared.job import Job, JobState, Progress
from shared.owners import Owner
from shared.sources import MAX_ITEMS, Listed, Source
from shared.variations import Varied

HERE = Claimant("wkr_a", "host/cpu:0", ("cpu", "accelerated"))


def submit(db: Database, owner: Owner, source: Source | int, **options: Any) -> Batch:
    if isinstance(source, int):
        source = Varied({}, {"steps": list(range(source))})
    return batches.submit(db, owner, "probe", source, **options).batch


def jsonl(content: str | bytes, **params: Any) -> JsonLines:
    return JsonLines(params, io.BytesIO(content.encode() if isinstance(content, str) else content), "jobs.jsonl")


def table(content: str | bytes, kind: str = "probe", **params: Any) -> Table:
    return Table(kind, params, io.BytesIO(content.encode() if isinstance(content, str) else content), "jobs.csv")


def items(db: Database, batch: Batch) -> list[Job]:
    return [job for page in batch_listing.every_item(db, batch) for job in page]


def params(db: Database, batch: Batch, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(job.params.get(name) for name in names) for job in items(db, batch)]


def counts(db: Database, batch: Batch) -> dict[str, int]:
    return {state.value: count for state, count in batch_listing.tally(db, batch).counts.items() if count}


def claim(db: Database) -> Job:
    job = claims.claim(db, HERE, lease_s=30)
    assert job is not None
    return job


def succeed(db: Database) -> Job:
    job = claim(db)
    assert attempts.finish(db, job, [], progress=Progress(), metrics={}) is JobState.SUCCEEDED
    return job


def fail(db: Database) -> Job:
    job = claim(db)
    assert attempts.fail(db, job, "probe", "No.") is JobState.FAILED
    return job


def refused(db: Database, owner: Owner, source: Source, kind: str = "probe") -> Invalid:
    """The refusal of a source; nothing of it is queued."""
    with pytest.raises(Invalid) as refusal:
        batches.submit(db, owner, kind, source)
    assert listing.page(db, owner.id).items == []
    assert batch_listing.page(db, owner.id).items == []
    return refusal.value


# ---- sources ---------------------------------------------------------------------------------------------------


def test_a_list_is_laid_over_what_all_have_in_common(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, Listed({"steps": 3}, [{"at_step": 1}, {"steps": 9}, {}]), title="Three")
    assert (batch.total, batch.title, batch.pool) == (3, "Three", "accelerated")
    assert params(db, batch, "steps", "at_step") == [(3, 1), (9, 0), (3, 0)]
    assert [job.batch_index for job in items(db, batch)] == [1, 2, 3]
    assert len({job.seed for job in items(db, batch)}) == 3


def test_a_product_has_every_combination_and_its_last_field_changes_fastest(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, Varied({"seed": 7}, {"steps": [1, 2], "at_step": [3, 4, 5]}))
    assert params(db, batch, "steps", "at_step", "seed") == [(a, b, 7) for a in (1, 2) for b in (3, 4, 5)]
    assert batch.asked == {
        "mode": "product",
        "params": {"seed": 7},
        "order": ["steps", "at_step"],
        "fields": {"steps": 2, "at_step": 3},
        "vary": {"steps": [1, 2], "at_step": [3, 4, 5]},
    }
    assert {job.seed for job in items(db, batch)} == {7}


def test_what_is_left_is_judged_by_those_that_succeeded(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, 5)
    assert batch_listing.tally(db, batch).left_s is None
    first, second = claims.claim(db, HERE, lease_s=30), claims.claim(db, HERE, lease_s=30)
    assert first is not None
    assert second is not None
    attempts.finish(db, first, [], progress=Progress(), metrics={})
    tally = batch_listing.tally(db, batch)
    assert tally.mean_s is not None
    assert tally.left_s == pytest.approx(tally.mean_s * 3.5)
    attempts.fail(db, second, "odd", "No.")
    assert batch_listing.tally(db, batch).left_s is None, "nothing runs"
    assert {number: job.state for number, job in batch_listing.numbered(db, batch, [2, 4, 9]).items()} == {
        2: JobState.FAILED,
        4: JobState.QUEUED,
    }


def test_a_zip_goes_side_by_side(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, Varied({}, {"steps": [1, 2], "at_step": [3, 4]}, "zip"))
    assert params(db, batch, "steps", "at_step") == [(1, 3), (2, 4)]


def test_json_lines_may_have_a_mark_blank_lines_and_windows_ends(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, jsonl(b'\xef\xbb\xbf{"steps": 1}\r\n\r\n  \n{"mark": "a\\tb\\\\n\\n\\u00e9"}', steps=5))
    assert params(db, batch, "steps", "mark") == [(1, ""), (5, "a\tb\\n\n\u00e9")]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_cells_are_read_as_a_form_reads_them(db: Database, owner: Owner, mark: bytes, separator: str) -> None:
    lines = ["steps,step_s,deaf,mark", '4,0.5,true,"two\nlines"', "", ",,,", "5,,,007", "6"]
    content = "\r\n".join(line.replace(",", separator) for line in lines)
    batch = submit(db, owner, table(mark + content.encode(), step_s=0.25))
    assert params(db, batch, "steps", "step_s", "deaf", "mark") == [
        (4, 0.5, True, "two\nlines"),
        (5, 0.25, False, "007"),
        (6, 0.25, False, ""),
    ]


def test_csv_cells_may_hold_lists_choices_and_models(db: Database, owner: Owner) -> None:
    library.add(db, None, name="m", task="text-generation", source="hub:a/m", revision="0" * 40)
    content = 'prompt,model,stop,temperature\nhello,m,"[""a"",""b""]",1\n'
    batch = batches.submit(db, owner, "generate_text", table(content, "generate_text")).batch
    assert params(db, batch, "prompt", "stop", "temperature") == [("hello", ["a", "b"], 1.0)]
    assert items(db, batch)[0].model == "m"


# ---- refusals --------------------------------------------------------------------------------------------------


def test_one_wrong_line_of_fifty_thousand_is_named_and_nothing_is_queued(db: Database, owner: Owner) -> None:
    lines = ['{"steps": 1}\n'] * 50_000
    lines[40_000] = '{"steps": -1}\n'
    error = refused(db, owner, jsonl("".join(lines)))
    assert error.errors == [{"line": 40_001, "field": "steps", "message": "Must be 0 or more."}]
    assert str(error) == "Line 40,001, steps: Must be 0 or more. Nothing was queued."


def test_all_wrong_lines_are_named_up_to_a_hundred_and_the_rest_are_counted(db: Database, owner: Owner) -> None:
    good, wrong = '{"steps": 1}\n', '{"steps": "x", "colour": 1}\n'
    error = refused(db, owner, jsonl((good + wrong) * 20))
    assert [each["line"] for each in error.errors] == [line for line in range(2, 41, 2) for _ in range(2)]
    assert "20 are wrong." in str(error)
    error = refused(db, owner, jsonl((good + wrong) * 300))
    assert len(error.errors) == 100
    assert "300 are wrong; the first 100 faults are listed." in str(error)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "This is not JSON"),
        ("nonsense", "This is not JSON"),
        ("[1]", "Must be an object"),
        ('{"steps": NaN}', "This is not JSON"),
        ('{"mark": "\\u0000"}', "cannot be stored"),
        ('{"mark": "\\ud800"}', "cannot be stored"),
        ('{"steps": 1, "steps": 2}', "names a field twice"),
        ('{"steps": ' + "9" * 5000 + "}", "This is not JSON"),
        ('{"steps": 1', "at character 12"),
        ('{"steps": 1.5}', "Must be a whole number."),
        ('{"steps": "1"}', "Must be a whole number."),
        ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", "This is not JSON"),
        ('{"deed": "kill all"}', "Must be one of"),
    ],
)
def test_each_wrong_json_line_says_what_is_wrong(db: Database, owner: Owner, line: str, told: str) -> None:
    error = refused(db, owner, jsonl(f'{{"steps": 1}}\n\n{line}\n'))
    assert [each["line"] for each in error.errors] == [3]
    assert told in error.errors[0]["message"]


@pytest.mark.parametrize(
    ("content", "line", "field", "told"),
    [
        (b"steps,colour\n1,red\n", 1, "colour", "no such setting"),
        (b"steps,,mark\n1,2,3\n", 1, "", "Column 2 has no name"),
        (b"steps,mark,steps\n1,2,3\n", 1, "steps", "Column 3 has the name of an earlier one"),
        (b"\n\n", 1, "", "must name the fields"),
        (b"steps\n1\n\nmany\n", 4, "steps", "whole number"),
        (b"steps\n1\n2,3\n", 3, "", "2 cells"),
        (b"steps\n1\n\xff\xfe\n", 3, "", "not UTF-8"),
        ("steps\n1\n".encode("utf-16"), 1, "", "not UTF-8"),
        (b'mark\n"a"b\n', 2, "", "cannot be read as CSV"),
        (b'mark\n"never ends\n', 2, "", "cannot be read as CSV"),
        (b"mark\na\x00b\n", 2, "", "cannot be stored"),
    ],
)
def test_each_wrong_csv_says_where_and_what(
    db: Database, owner: Owner, content: bytes, line: int, field: str, told: str
) -> None:
    error = refused(db, owner, table(content))
    assert [(each["line"], each["field"]) for each in error.errors] == [(line, field)]
    assert told in error.errors[0]["message"]


@pytest.mark.parametrize(
    "source", [Listed({}, []), jsonl(""), jsonl("\n\n"), table("steps\n"), table(""), table("steps\n,\n")]
)
def test_an_empty_batch_is_refused(db: Database, owner: Owner, source: Source) -> None:
    assert refused(db, owner, source).code in {"empty_batch", "unreadable_file"}


def test_a_batch_of_too_many_is_refused(db: Database, owner: Owner) -> None:
    assert refused(db, owner, jsonl("{}\n" * (MAX_ITEMS + 1))).code == "too_many_items"
    assert refused(db, owner, Listed({}, [{}] * (MAX_ITEMS + 1))).code == "too_many_items"
    with pytest.raises(Invalid, match="50,000"):
        Varied({}, {"steps": list(range(1000)), "at_step": list(range(51))})


@pytest.mark.parametrize(
    ("vary", "mode", "told"),
    [
        ({}, "product", "at least one field"),
        ({"steps": []}, "product", "at least one value"),
        ({"steps": [1, 2, 3], "at_step": [1]}, "zip", "steps has 3, at_step has 1"),
    ],
)
def test_a_template_that_makes_no_batch_is_refused(vary: dict[str, Any], mode: Any, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        Varied({}, vary, mode)


def test_a_wrong_value_is_named_once_however_many_combinations_have_it(db: Database, owner: Owner) -> None:
    error = refused(db, owner, Varied({"x": 1}, {"steps": [1, -2, -3], "at_step": list(range(50))}))
    told = {each["field"]: each["message"] for each in error.errors}
    assert told["x"] == "There is no such setting."
    assert [each["message"] for each in error.errors if each["field"] == "vary.steps"] == [
        "-2: Must be 0 or more.",
        "-3: Must be 0 or more.",
    ]
    assert len(error.errors) == 3


def test_an_unknown_model_is_named_by_line(db: Database, owner: Owner, stranger: Owner) -> None:
    library.add(db, None, name="m", task="text-generation", source="hub:a/m", revision="0" * 40)
    library.add(db, stranger.id, name="theirs", task="text-generation", source="hub:a/t", revision="0" * 40)
    library.add(db, None, name="speech", task="text-to-speech", source="hub:a/s", revision="0" * 40)
    content = "prompt,model\na,m\nb,none\nc,theirs\nd,speech\ne,m\n"
    error = refused(db, owner, table(content, "generate_text"), "generate_text")
    assert [(each["line"], each["field"]) for each in error.errors] == [(3, "model"), (4, "model"), (5, "model")]
    assert "There is no model 'theirs'" in error.errors[1]["message"]


def test_an_unknown_kind_or_device_is_refused(db: Database, owner: Owner) -> None:
    with pytest.raises(NotFound):
        batches.submit(db, owner, "nope", Listed({}, [{}]))
    with pytest.raises(Invalid, match="no device"):
        submit(db, owner, 2, placement=Placement(device="mars/cuda:0"))


@pytest.mark.parametrize("value", [float("nan"), "a\x00b", "\ud800"])
def test_common_params_that_every_item_replaces_are_stored_or_refused(db: Database, owner: Owner, value: Any) -> None:
    source = Listed({"mark": value, "step_s": 0}, [{"mark": "x"}])
    if isinstance(value, float):
        assert submit(db, owner, source).asked["params"]["mark"] is None
    else:
        refused(db, owner, source)


def test_a_batch_that_does_not_fit_is_refused_and_told_how_many_do(db: Database) -> None:
    small = owners.ensure(db, "small", cap_queued=10)
    submit(db, small, 7)
    with pytest.raises(TooMany, match="room for 3 more") as refusal:
        submit(db, small, 4)
    assert refusal.value.code == "queue_full"
    assert len(batch_listing.page(db, small.id).items) == 1
    submit(db, small, 3)
    with pytest.raises(TooMany):
        jobs.submit(db, small, "probe", {})


# ---- the same request again --------------------------------------------------------------------------------------


def test_the_same_key_makes_one_batch_however_many_ask_at_once(db: Database, owner: Owner) -> None:
    def ask(_: int) -> batches.SubmittedBatch:
        return batches.submit(db, owner, "probe", jsonl('{"steps": 1}\n' * 20), idempotency_key="k")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(16)))
    assert len({answer.batch.id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    assert listing.counts(db, owner.id)[JobState.QUEUED] == 20


@pytest.mark.parametrize(
    "other", [jsonl('{"steps": 2}\n'), jsonl('{"steps": 1}\n', deaf=True), table("steps\n1\n"), Listed({}, [{}])]
)
def test_a_key_cannot_be_used_for_another_batch(db: Database, owner: Owner, stranger: Owner, other: Source) -> None:
    submit(db, owner, jsonl('{"steps": 1}\n'), idempotency_key="k")
    with pytest.raises(Invalid) as refusal:
        submit(db, owner, other, idempotency_key="k")
    assert refusal.value.code == "idempotency_mismatch"
    assert batches.submit(db, stranger, "probe", other, idempotency_key="k").created


# ---- the queue ---------------------------------------------------------------------------------------------------


def test_a_single_job_starts_before_a_batch_that_came_hours_earlier(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, 50, placement=Placement(priority=9))
    with db.begin() as connection:
        connection.execute(text("update jobs set rank = rank - 7200, run_at = run_at - interval '2 hours'"))
    single = jobs.submit(db, owner, "probe", {}, priority=0).job
    place = listing.position(db, single)
    assert place is not None
    assert place.ahead == 0
    assert claim(db).id == single.id
    assert [claim(db).batch_index for _ in range(3)] == [1, 2, 3]
    last = listing.position(db, items(db, batch)[-1])
    assert last is not None
    assert last.ahead == 46


def test_a_single_job_starts_before_a_batch_whose_model_is_resident(db: Database, owner: Owner) -> None:
    for name in ("warm", "cold"):
        library.add(db, None, name=name, task="text-generation", source=f"hub:a/{name}", revision="0" * 40)
    batches.submit(db, owner, "generate_text", Listed({"model": "warm"}, [{"prompt": "a"}] * 5))
    single = jobs.submit(db, owner, "generate_text", {"model": "cold", "prompt": "b"}).job
    first = claims.claim(db, HERE, lease_s=30, resident=["warm"])
    assert first is not None
    assert first.id == single.id


def test_another_owner_does_not_wait_for_a_batch(db: Database, owner: Owner, stranger: Owner) -> None:
    submit(db, owner, 200)
    theirs = jobs.submit(db, stranger, "probe", {}).job
    assert theirs.id in {succeed(db).id for _ in range(2)}


def test_every_job_of_a_batch_is_logged(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, 3)
    for job in items(db, batch):
        assert [event.type for event in listing.events_of(db, owner.id, job.id)] == ["submitted"]


# ---- how it stands -----------------------------------------------------------------------------------------------


def test_a_batch_is_as_its_jobs_are(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, 3)
    seen = [batch_listing.tally(db, batch)]
    for end in (succeed, fail, succeed):
        end(db)
        seen.append(batch_listing.tally(db, batch))
    assert [tally.state for tally in seen] == [BatchState.RUNNING] * 3 + [BatchState.PARTIAL]
    assert len({tally.version for tally in seen}) == 4
    assert [tally.finished_at is not None for tally in seen] == [False] * 3 + [True]
    assert counts(db, batch) == {"succeeded": 2, "failed": 1}


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ((succeed, succeed), BatchState.SUCCEEDED),
        ((fail, fail), BatchState.FAILED),
        ((fail, succeed), BatchState.PARTIAL),
        ((fail,), BatchState.FAILED),
        ((), BatchState.CANCELLED),
        ((succeed,), BatchState.PARTIAL),
    ],
)
def test_the_state_of_a_batch_that_has_ended(db: Database, owner: Owner, ends: Any, state: BatchState) -> None:
    batch = submit(db, owner, 2)
    for end in ends:
        end(db)
    if len(ends) < 2:
        batches.cancel(db, owner.id, batch.id)
    assert batch_listing.tally(db, batch).state is state


def test_jobs_and_batches_are_listed_by_page_and_filter(db: Database, owner: Owner, stranger: Owner) -> None:
    made = [submit(db, owner, 5) for _ in range(3)]
    submit(db, stranger, 1)
    first = batch_listing.page(db, owner.id, limit=2)
    rest = batch_listing.page(db, owner.id, cursor=first.next)
    assert [batch.id for batch in first.items + rest.items] == [batch.id for batch in made[::-1]]

    fail(db)
    page = batch_listing.items(db, made[0], limit=2)
    more = batch_listing.items(db, made[0], cursor=page.next)
    assert [job.batch_index for job in page.items + more.items] == [1, 2, 3, 4, 5]
    failed = batch_listing.items(db, made[0], states=[JobState.FAILED])
    assert [job.batch_index for job in failed.items] == [1]
    assert len(listing.page(db, owner.id, batch_id=made[1].id).items) == 5
    for cursor in ("x", "-1", "9" * 12):
        with pytest.raises(Invalid):
            batch_listing.items(db, made[0], cursor=cursor)


# ---- cancelling the rest, retrying what failed -------------------------------------------------------------------


def test_cancel_ends_what_waits_and_asks_what_runs(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, 6)
    alone = jobs.submit(db, owner, "probe", {}, priority=0).job
    assert claim(db).id == alone.id
    done, running = succeed(db), claim(db)
    batches.cancel(db, owner.id, batch.id)
    assert counts(db, batch) == {"succeeded": 1, "running": 1, "cancelled": 4}
    assert attempts.pulse(db, running, 30).cancel
    assert attempts.stop(db, running) is JobState.CANCELLED
    batches.cancel(db, owner.id, batch.id)
    assert counts(db, batch) == {"succeeded": 1, "cancelled": 5}
    assert listing.get(db, owner.id, done.id).state is JobState.SUCCEEDED
    assert listing.get(db, owner.id, alone.id).state is JobState.RUNNING
    last = items(db, batch)[-1]
    assert [event.type for event in listing.events_of(db, owner.id, last.id)] == ["submitted", "cancelled"]


def test_a_batch_that_has_ended_by_itself_cannot_be_cancelled(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, 1)
    succeed(db)
    with pytest.raises(Conflict):
        batches.cancel(db, owner.id, batch.id)


def test_only_what_failed_is_retried_with_a_parent_at_its_number(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, 4)
    failed = [succeed(db), fail(db), succeed(db), fail(db)][1::2]
    assert batches.retry(db, owner, batch.id) == 2
    assert counts(db, batch) == {"succeeded": 2, "queued": 2}
    assert batch_listing.tally(db, batch).state is BatchState.RUNNING
    again = [items(db, batch)[1], items(db, batch)[3]]
    assert [job.parent_id for job in again] == [job.id for job in failed]
    assert [job.params for job in again] == [job.params for job in failed]
    assert [event.type for event in listing.events_of(db, owner.id, again[0].id)] == ["submitted"]
    succeed(db), fail(db)
    assert batches.retry(db, owner, batch.id) == 1
    succeed(db)
    assert batch_listing.tally(db, batch).state is BatchState.SUCCEEDED
    with pytest.raises(Conflict):
        batches.retry(db, owner, batch.id)


def test_retrying_twice_at_once_retries_once(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, 5)
    for _ in range(5):
        fail(db)

    def ask(_: int) -> int:
        try:
            return batches.retry(db, owner, batch.id)
        except Conflict:
            return 0

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(ask, range(6))) == [0, 0, 0, 0, 0, 5]
    assert listing.counts(db, owner.id)[JobState.QUEUED] == 5


def test_what_was_cancelled_is_retried_when_asked_for(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, 3)
    fail(db)
    batches.cancel(db, owner.id, batch.id)
    assert batches.retry(db, owner, batch.id, [JobState.FAILED, JobState.CANCELLED]) == 3
    assert counts(db, batch) == {"queued": 3}
    with pytest.raises(Invalid):
        batches.retry(db, owner, batch.id, [JobState.SUCCEEDED])


def test_a_job_of_a_batch_that_is_retried_alone_counts_in_the_batch(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, 2)
    failed = fail(db)
    succeed(db)
    again = jobs.retry(db, owner, failed.id).job
    assert (again.batch_id, again.batch_index, again.parent_id) == (batch.id, 1, failed.id)
    succeed(db)
    assert batch_listing.tally(db, batch).state is BatchState.SUCCEEDED


def test_a_retry_that_does_not_fit_is_refused(db: Database) -> None:
    small = owners.ensure(db, "small", cap_queued=3)
    batch = submit(db, small, 3)
    for _ in range(3):
        fail(db)
    jobs.submit(db, small, "probe", {})
    with pytest.raises(TooMany, match="room for 2 more"):
        batches.retry(db, small, batch.id)
    assert counts(db, batch) == {"failed": 3}


def test_a_retry_of_what_names_a_device_that_is_gone_is_refused(db: Database, owner: Owner) -> None:
    report(db, Report("host/cpu:0", "host", "cpu:0", "CPU", "cpu", "wkr_a", "idle", 1 << 30, 0))
    batch = submit(db, owner, 2, placement=Placement(device="host/cpu:0"))
    batches.cancel(db, owner.id, batch.id)
    with db.begin() as connection:
        connection.execute(text("delete from devices"))
    with pytest.raises(Invalid, match=r"Nothing was retried\. There is no device 'host/cpu:0' here\."):
        batches.retry(db, owner, batch.id, [JobState.CANCELLED])
    assert counts(db, batch) == {"cancelled": 2}


def test_another_owners_batch_is_not_there(db: Database, owner: Owner, stranger: Owner) -> None:
    batch = submit(db, owner, 2)
    with pytest.raises(NotFound):
        batch_listing.get(db, stranger.id, batch.id)
    with pytest.raises(NotFound):
        batches.cancel(db, stranger.id, batch.id)
    with pytest.raises(NotFound):
        batches.retry(db, stranger, batch.id)
    for wrong in ("", "x", "bat_", "bat_\x00", "../x"):
        with pytest.raises(NotFound):
            batch_listing.get(db, owner.id, wrong)
    assert counts(db, batch) == {"queued": 2}


def test_cancel_and_claims_at_once_lose_no_job(db: Database, owner: Owner) -> None:
    batch = submit(db, owner, 300)

    def work(number: int) -> None:
        me = Claimant(f"wkr_{number}", f"host/cpu:{number}", ("accelerated",))
        while (job := claims.claim(db, me, lease_s=30)) is not None:
            attempts.finish(db, job, [], progress=Progress(), metrics={})

    with ThreadPoolExecutor(5) as pool:
        workers = [pool.submit(work, number) for number in range(4)]
        time.sleep(0.1)
        pool.submit(batches.cancel, db, owner.id, batch.id).result()
        for each in workers:
            each.result()
    assert set(counts(db, batch)) <= {"succeeded", "cancelled"}
    assert sum(counts(db, batch).values()) == 300


# ---- large --------------------------------------------------------------------------------------------------------

_LARGE = """
import re, sys, time
from pathlib import Path
from shared import batch_listing, batches, kinds, owners
from shared.batch_files import JsonLines
from shared.db import Database
kinds.extend(Path(sys.argv[2]))
db = Database(sys.argv[1])
owner = owners.ensure(db, "owner")
def peak():
    # The kernel's own high-water mark; getrusage would include the parent's before the fork.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
def submit(path):
    with open(path, "rb") as file:
        return batches.submit(db, owner, "probe", JsonLines({}, file, "jobs.jsonl")).batch
submit(sys.argv[3])
before, began = peak(), time.monotonic()
batch = submit(sys.argv[4])
seconds, after = time.monotonic() - began, peak()
assert sum(len(page) for page in batch_listing.every_item(db, batch)) == batch.total
print(batch.total, seconds, before, after, peak())
"""


def test_ten_thousand_jobs_take_seconds_and_little_memory(database_url: str, tmp_path: Path, owner: Owner) -> None:
    small, large = tmp_path / "small.jsonl", tmp_path / "large.jsonl"
    line = json.dumps({"steps": 3, "mark": "x" * 2000}) + "\n"
    small.write_text(line)
    large.write_text(line * 10_000)
    probe = Path(__file__).parents[1] / "probe"
    command = [sys.executable, "-c", _LARGE, database_url, str(probe), str(small), str(large)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    total, seconds, before, after, read = run.stdout.split()
    print(f"{seconds} s; {before}, {after}, {read} MB")
    assert int(total) == 10_000
    assert float(seconds) < 15, "two seconds on an idle machine"
    assert int(after) - int(before) < 40, "megabytes, for a file of twenty"
    assert int(read) - int(before) < 60
