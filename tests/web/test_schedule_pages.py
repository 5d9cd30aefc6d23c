"""The pages of schedules without a script: made, changed, paused, run, deleted; errors that keep what was typed."""

import re

import pytest
from flask.testing import FlaskClient

from shared import listing, schedules
from shared.db import Database
from shared.owners import Owner
from shared.schedule import Schedule, Terms
from tests.web.conftest import Visitor
from web.pages.repeats import cron_of, fields_of

FORM = {
    "kind": "generate_image",
    "prompt": "a red apple on {weekday}",
    "steps": "9",
    "s-name": "Morning",
    "s-repeat": "weekdays",
    "s-time": "07:30",
    "s-zone": "Asia/Shanghai",
    "s-overlap": "queue",
    "s-missed": "all",
    "s-hours": "2",
}
BATCH = {"kind": "generate_image", "params": {"prompt": "{date}"}, "vary": {"steps": [4, 8]}}


GRID = {"s-what": "batch", "vary.steps": "4\n8", "vary.prompt": "{date}\n{{a}} b"}


def make(db: Database, owner: Owner, **changed: object) -> Schedule:
    asked = {"name": "Grid", "cron": "0 9 * * *", "template": {"batch": BATCH}} | changed
    return schedules.create(db, owner, Terms.model_validate(asked))


def all_of(db: Database, owner: Owner) -> list[Schedule]:
    return schedules.page(db, owner.id).items


def test_an_empty_list_has_one_button(mine: Visitor) -> None:
    page = mine.get("/schedules").text
    assert "No schedules yet" in page
    assert page.split("<main")[1].count('href="/schedules/new"') == 1


def test_a_schedule_is_made_shown_and_changed(mine: Visitor, db: Database, owner: Owner) -> None:
    answer = mine.post("/schedules/new", **FORM)
    assert answer.status_code == 303, answer.text
    (made,) = all_of(db, owner)
    assert (made.terms.name, made.terms.cron, made.terms.zone) == ("Morning", "30 7 * * 1-5", "Asia/Shanghai")
    assert (made.terms.overlap, made.terms.missed, made.terms.window_s) == ("queue", "all", 7200)
    assert made.terms.template.content.params["prompt"] == "a red apple on {weekday}"
    assert made.terms.template.content.params["steps"] == 9
    page = mine.get(answer.location).text
    assert "At 07:30 from Monday to Friday." in page
    assert page.count("UTC+8") >= 5
    assert "Morning" in mine.get("/schedules").text

    edit = mine.get(f"/schedules/{made.id}/edit").text
    assert re.search(r'value="weekdays" checked', edit)
    assert 'value="07:30"' in edit
    changed = mine.post(f"/schedules/{made.id}/edit", **FORM | {"s-repeat": "monthly", "s-day": "L"})
    assert changed.status_code == 303, changed.text
    assert all_of(db, owner)[0].terms.cron == "30 7 L * *"


@pytest.mark.parametrize(
    ("wrong", "field", "told"),
    [
        ({"s-name": " "}, "s-name", "This is needed."),
        ({"s-repeat": "custom", "s-cron": "61 * * * *"}, "s-cron", "does not fit the minute"),
        ({"s-time": "25:00"}, "s-time", "Write a time of day like 09:00."),
        ({"s-repeat": "hourly", "s-minute": "60"}, "s-minute", "from 0 to 59"),
        ({"s-zone": "Berlin"}, "s-zone", "Did you mean Europe/Berlin?"),
        ({"s-hours": "x"}, "s-hours", "Write a number of hours from 0.02, which is a minute, to 744."),
        ({"s-hours": "0"}, "s-hours", "Write a number of hours from 0.02"),
        ({"s-hours": "745"}, "s-hours", "to 744."),
        ({"s-hours": "nan"}, "s-hours", "Write a number of hours"),
        ({"prompt": ""}, "f-prompt", "This is needed."),
        ({"prompt": "{colour}"}, "f-prompt", "There is no variable {colour}"),
        ({"steps": "many"}, "f-steps", "Must be a whole number."),
        ({"model": "nobody"}, "f-model", "There is no model"),
        ({**GRID, "vary.steps": "4\nmany"}, "v-steps", "many: Must be a whole number."),
        ({**GRID, "vary.prompt": "{colour}"}, "v-prompt", "There is no variable {colour}"),
        ({**GRID, "batch.title": "x" * 201}, "title", "Must be 200 characters or fewer."),
        ({**GRID, "batch.title": "\0"}, "title", "cannot be stored"),
        ({**GRID, "vary.prompt": "{date", "s-name": ""}, "s-name", "This is needed."),
        ({"s-name": "", "s-time": "", "s-zone": "Mars"}, "s-name", "This is needed."),
        ({"s-name": "x" * 201}, "s-name", "Must be 200 characters or fewer."),
        ({"s-overlap": "odd"}, "s-overlap", "Must be one of"),
    ],
)
def test_a_wrong_field_is_named_focused_and_everything_is_kept(
    mine: Visitor, db: Database, owner: Owner, wrong: dict[str, str], field: str, told: str
) -> None:
    answer = mine.post("/schedules/new", **FORM | wrong)
    assert answer.status_code == 422
    text = answer.text.replace("&#39;", "'")
    assert re.findall(r'id="([^"]+)"[^>]*\sautofocus', text) == [field]
    assert told in text.split(f'id="{field}-error"')[1].split("</p>")[0]
    if wrong.get("prompt") is None:
        assert "a red apple on {weekday}" in text
    assert all_of(db, owner) == []


def test_what_was_typed_on_create_comes_along_and_another_kind_keeps_the_rest(mine: Visitor) -> None:
    assert 'formaction="/schedules/new"' in mine.get("/").text
    sent = mine.post("/schedules/new", kind="generate_image", prompt="a <b>", steps="7", draw="create")
    assert sent.status_code == 303
    page = mine.get(sent.location).text
    assert "a &lt;b&gt;</textarea>" in page
    assert 'name="steps" value="7"' in page
    long = mine.post("/schedules/new", kind="generate_image", prompt="x" * 9000, draw="create")
    assert (long.status_code, "x" * 9000 in long.text) == (200, True)
    other = mine.post("/schedules/new", **FORM | {"to": "generate_speech", "model": "emoji"}).text
    assert "emoji" not in other, "a model of the other kind"
    assert 'value="Morning"' in other
    assert 'name="kind" value="generate_speech"' in other


def test_a_form_sent_twice_is_one_schedule_and_a_changed_one_another(mine: Visitor, db: Database, owner: Owner) -> None:
    token = re.search(r'name="token" value="([^"]+)"', mine.get("/schedules/new").text)
    assert token is not None
    form = FORM | {"token": token[1]}
    first, again = mine.post("/schedules/new", **form), mine.post("/schedules/new", **form)
    assert first.location == again.location
    mine.post("/schedules/new", **form | {"prompt": "a pear"})
    mine.post("/schedules/new", **form | {"token": "another"})
    assert len(all_of(db, owner)) == 3
    wrong = mine.post("/schedules/new", **form | {"s-name": ""}).text
    assert f'name="token" value="{token[1]}"' in wrong


def test_a_batch_is_made_by_the_form_and_changed_by_it(mine: Visitor, db: Database, owner: Owner) -> None:
    answer = mine.post("/schedules/new", **FORM | GRID, **{"batch.title": "Week of {date}"})
    assert answer.status_code == 303, answer.text
    batch = all_of(db, owner)[0].terms.template.batch
    assert batch is not None
    assert batch.vary == {"steps": [4, 8], "prompt": ["{date}", "{{a}} b"]}
    switches = {"previews", "safety_filter", "content_credentials", "visible_mark"}
    assert batch.params == dict.fromkeys(switches, False)
    assert (batch.mode, batch.title) == ("product", "Week of {date}")
    page = mine.get(answer.location).text
    assert "batch of 4" in page
    assert mine.post(f"{answer.location}/run").status_code == 303
    edit = mine.get(f"{answer.location}/edit").text
    for kept in ('id="s-what-batch" value="batch" checked', "\n4\n8</textarea>", "\n{date}\n{{a}} b</textarea>"):
        assert kept in edit
    assert 'value="Week of {date}"' in edit
    other = FORM | GRID | {"vary.steps": "5\n6\n7", "vary.prompt": "", "batch.mode": "zip"}
    assert mine.post(f"{answer.location}/edit", **other).status_code == 303
    batch = all_of(db, owner)[0].terms.template.batch
    assert batch is not None
    assert (batch.vary, batch.mode, batch.title) == ({"steps": [5, 6, 7]}, "zip", None)
    assert batch.params["prompt"] == "a red apple on {weekday}"
    nothing = mine.post(f"{answer.location}/edit", **other | {"vary.steps": ""})
    assert (nothing.status_code, "Name at least one field to vary" in nothing.text) == (422, True)
    assert mine.post(f"{answer.location}/edit", **FORM).status_code == 303
    assert all_of(db, owner)[0].terms.template.job is not None


def test_what_the_form_does_not_show_is_kept(mine: Visitor, db: Database, owner: Owner) -> None:
    schedule = make(db, owner, template={"batch": BATCH | {"priority": 2, "pool": "cpu", "time_limit_s": 60.0}})
    assert mine.post(f"/schedules/{schedule.id}/edit", **FORM | GRID).status_code == 303
    content = all_of(db, owner)[0].terms.template.content
    assert (content.priority, content.pool, content.time_limit_s) == (2, "cpu", 60.0)


def test_values_that_no_line_can_hold_are_kept(mine: Visitor, db: Database, owner: Owner) -> None:
    turns = [[{"role": "user", "content": words}] for words in ("hi", "It is {date}.")]
    vary = {"messages": turns, "temperature": [0.1, 0.9]}
    schedule = make(db, owner, template={"batch": {"kind": "generate_text", "params": {}, "vary": vary}})
    edit = mine.get(f"/schedules/{schedule.id}/edit").text
    assert "is varied too" in edit
    sent = {**FORM, "kind": "generate_text", "prompt": "", "s-what": "batch", "vary.temperature": "0.5"}
    assert mine.post(f"/schedules/{schedule.id}/edit", **sent).status_code == 303
    batch = all_of(db, owner)[0].terms.template.batch
    assert batch is not None
    assert batch.vary == {"messages": turns, "temperature": [0.5]}


def test_a_new_batch_leads_there_with_what_is_varied(mine: Visitor) -> None:
    assert 'name="draw" value="batch"' in mine.get("/batches/new").text
    sent = mine.post(
        "/schedules/new", kind="generate_image", draw="batch", **{"vary.steps": "1\n2", "batch.mode": "zip"}
    )
    page = mine.get(sent.location).text
    for kept in ('value="batch" checked', "\n1\n2</textarea>", 'value="zip" checked'):
        assert kept in page


def test_the_preview_reads_back_what_is_typed(mine: Visitor) -> None:
    asked = "/schedules/preview?s-repeat=custom&s-cron=0+9+*+*+1&s-zone=Asia/Kolkata"
    assert "UTC+5:30" in mine.get(asked).text
    assert "five fields" in mine.get("/schedules/preview?s-repeat=custom&s-cron=x").text


def test_pause_resume_run_now_and_delete(mine: Visitor, db: Database, owner: Owner) -> None:
    schedule = make(db, owner)
    here = f"/schedules/{schedule.id}"
    assert mine.post(f"{here}/pause", reason="<b>Holidays</b>").status_code == 303
    assert "&lt;b&gt;Holidays" in mine.get(here).text
    assert "&lt;b&gt;Holidays" in mine.get("/schedules").text
    too_long = mine.post(f"{here}/pause", reason="x" * 501)
    assert (too_long.status_code, "x" * 501 in too_long.text) == (422, True)
    assert mine.post(f"{here}/resume").status_code == 303
    assert mine.post(f"{here}/run").status_code == 303
    page = mine.get(here).text
    assert 'href="/batches/bat_' in page
    assert "by hand" in page
    assert mine.post(f"{here}/delete").status_code == 303
    assert all_of(db, owner) == []
    assert len(listing.page(db, owner.id).items) == 2


def test_an_unchanged_page_is_not_sent_again(mine: Visitor, client: FlaskClient, db: Database, owner: Owner) -> None:
    schedule = make(db, owner)
    for path in ("/schedules/list", f"/schedules/{schedule.id}/panel"):
        text = client.get(path).text
        version = text.split("seen=", 1)[1].split('"', 1)[0]
        assert client.get(f"{path}?seen={version}").status_code == 204
        mine.post(f"/schedules/{schedule.id}/pause", reason=path)
        assert client.get(f"{path}?seen={version}").status_code == 200


def test_another_owners_schedule_is_a_404(theirs: Visitor, db: Database, owner: Owner) -> None:
    here = f"/schedules/{make(db, owner).id}"
    for path in ("", "/edit", "/panel"):
        assert theirs.get(here + path).status_code == 404
    for path in ("/edit", "/pause", "/resume", "/run", "/delete"):
        assert theirs.post(here + path, **FORM).status_code == 404
    assert "Grid" not in theirs.get("/schedules").text


@pytest.mark.parametrize(
    "cron",
    ["5 * * * *", "0 9 * * *", "30 7 * * 1-5", "0 0 * * 0", "15 23 L * *", "0 6 31 * *", "*/5 1 * 2 *", "0 9,17 * * *"],
)
def test_presets_there_and_back(cron: str) -> None:
    assert cron_of(fields_of(cron)) == cron
