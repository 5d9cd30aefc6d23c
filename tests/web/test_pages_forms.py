"""The form of Create: every widget both ways, errors that keep what was typed, and one job for one press."""

import re
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict

from shared import keys, kinds, listing
from shared.db import Database
from shared.job import Job
from shared.owners import Owner
from tests.kinds.shipped import SHIPPED
from tests.web.conftest import Visitor
from tests.web.driving import Driver
from web import forms
from web.forms import ROLES

ODD = 'two\nlines, a tab\t, "quotes", <b>, \\n and \\, ünïcode 雪'

FULL: dict[str, dict[str, Any]] = {
    "generate_text": {
        "model": "smollm2-135m",
        "messages": [{"role": "system", "content": ODD}, {"role": "user", "content": "\n leading line"}],
        "max_new_tokens": 12,
        "temperature": 0.0,
        "top_k": 0,
        "top_p": 0.5,
        "repetition_penalty": 1.0,
        "num_sequences": 1,
        "stop": ["\n", "\\n", "END", "a\\b"],
        "raw": False,
        "seed": 2**63 - 1,
    },
    "generate_image": {
        "model": "digits",
        "prompt": ODD,
        "negative_prompt": "blur",
        "width": 64,
        "height": 128,
        "images": 3,
        "steps": 9,
        "guidance": 2.5,
        "scheduler": "euler_a",
        "upscale": 2,
        "upscaler": "realesrgan-anime",
        "previews": False,
        "seed": 0,
    },
    "generate_code": {"prompt": ODD, "language": "rust", "attempts": 1, "stop": []},
    "generate_speech": {"model": "hibari", "text": ODD, "voice": "a-b_c", "speed": 1.25},
}


def drawn(text: str) -> MultiDict[str, str]:
    """What a browser would send of the drawn form, had nobody touched it."""
    form = re.findall(r"<form[^>]*data-submit-keys.*?</form>", text, re.DOTALL)[0]
    found: MultiDict[str, str] = MultiDict()
    for tag in re.findall(r"<input[^>]*>", form):
        marks = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if "name" not in marks or (marks.get("type") in {"radio", "checkbox"} and " checked" not in tag):
            continue
        found.add(marks["name"], unescape(marks.get("value", "")))
    for name, body in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        # A browser drops the first line break, and sends line breaks as CR LF.
        found.add(name, unescape(body.removeprefix("\n")).replace("\n", "\r\n"))
    for name, body in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', body)
        first = re.search(r'<option(?: value="([^"]*)")?>([^<]*)', body)
        found_option = chosen or first
        if found_option:
            found.add(name, unescape(found_option[2] if found_option[1] is None else found_option[1]))
    return found


def _error_of(text: str, name: str) -> str:
    """The sentence beside a field."""
    found = re.search(rf'id="f-{name}-error">(.*?)</p>', text, re.DOTALL)
    return found[1] if found else ""


def all_jobs(db: Database, owner: Owner) -> list[Job]:
    return listing.page(db, owner.id).items


@pytest.mark.parametrize("kind", FULL)
def test_every_widget_there_and_back(mine: Visitor, driver: Driver, kind: str) -> None:
    """A job's params, drawn as a form by remix, and sent as they are, are the same params."""
    job = driver.submit(kind, **FULL[kind])
    page = mine.get(f"/?from={job.id}").text
    sent = drawn(page)
    assert sent["kind"] == kind
    answer = mine.client.post("/", data=sent)
    assert answer.status_code == 303, answer.text
    again = listing.get(driver.db, driver.owner.id, answer.location.removeprefix("/jobs/"))
    expected = dict(job.params)
    expected.pop("seed", None)
    assert {name: value for name, value in again.params.items() if name != "seed"} == expected
    assert "seed" not in again.params, "remix is all settings but the seed"


def test_every_widget_is_in_some_kind() -> None:
    used = {field.widget for kind in kinds.names() for field in forms.fields(kind, {})}
    assert used >= {
        "textarea",
        "slider",
        "stepper",
        "segment",
        "select",
        "size",
        "seed",
        "switch",
        "model",
        "messages",
        "lines",
    }


@pytest.mark.parametrize("kind", SHIPPED)
def test_examples_and_presets_survive_a_form(kind: str) -> None:
    cls = kinds.params_class(kind)
    shown = [*cls.examples, *(preset.params for preset in cls.presets)]
    # A file that stands for one of the reader's own is left to them.
    for example in (each for each in shown if forms.SOME_FILE not in each.values()):
        read = forms.params(kind, forms.from_params(kind, example))
        assert kinds.validate(kind, read, strict=False) == kinds.validate(kind, example)


def test_remix_by_address(mine: Visitor) -> None:
    page = mine.get("/?kind=generate_image&prompt=a+%3Cb%3E&steps=9&previews=&scheduler=euler&unknown=1").text
    sent = drawn(page)
    assert (sent["prompt"], sent["steps"], sent["scheduler"]) == ("a <b>", "9", "euler")
    assert "previews" not in sent
    assert "<b>" not in page.split("<main")[1].replace("<b>Queued", "")


def test_a_wrong_form_names_each_field_keeps_what_was_typed_and_makes_no_job(
    mine: Visitor, db: Database, owner: Owner
) -> None:
    typed = {
        "kind": "generate_image",
        "prompt": "a <b>red</b> apple",
        "width": "65",
        "steps": "many",
        "guidance": "99",
        "scheduler": "odd",
    }
    answer = mine.post("/", **typed)
    assert answer.status_code == 422
    text = answer.text
    assert "Must be a multiple of 8." in text
    assert "Must be a whole number." in text
    assert "Must be 30 or less." in text
    assert "a &lt;b&gt;red&lt;/b&gt; apple" in text
    assert 'value="many"' in text
    assert text.count('aria-invalid="true"') >= 4
    assert re.findall(r'id="([^"]+)"[^>]*autofocus', text) == ["f-width"]
    assert '<details class="more" open>' in text
    assert all_jobs(db, owner) == []


def test_an_error_of_the_whole_form_stands_on_top(mine: Visitor) -> None:
    answer = mine.post(
        "/", kind="generate_text", prompt="hello", **{"messages.0.role": "user", "messages.0.content": "hi"}
    )
    assert answer.status_code == 422
    assert "Give either a prompt or a conversation" in answer.text
    assert 'role="alert" tabindex="-1" autofocus' in answer.text


def test_an_unknown_model_is_named_and_kept(mine: Visitor) -> None:
    answer = mine.post("/", kind="generate_speech", text="hello", model="nobody")
    assert answer.status_code == 422
    assert "There is no model" in answer.text
    assert '<option value="nobody" selected>' in answer.text


def test_a_missing_prompt_and_a_blank_one(mine: Visitor) -> None:
    assert "This is needed." in mine.post("/", kind="generate_image", prompt="").text
    assert "Write something here." in mine.post("/", kind="generate_image", prompt="  \r\n ").text
    assert mine.post("/", kind="nothing").status_code == 404


def test_text_that_cannot_be_stored_or_is_too_long(mine: Visitor) -> None:
    assert "cannot be stored" in mine.post("/", kind="generate_image", prompt="a\x00b").text
    answer = mine.post("/", kind="generate_image", prompt="x" * 1_000_000)
    assert answer.status_code == 422
    assert "20000" in _error_of(answer.text, "prompt")


def test_one_press_is_one_job(mine: Visitor, db: Database, owner: Owner) -> None:
    form = {"kind": "generate_image", "prompt": "a red apple", "token": "of-this-page"}
    first, second = mine.post("/", **form), mine.post("/", **form)
    assert first.location == second.location
    assert len(all_jobs(db, owner)) == 1
    changed = mine.post("/", **form | {"prompt": "a green apple"})
    assert changed.location != first.location, "going back to change a word makes another job"
    fresh = mine.post("/", **form | {"token": "of-another-page"})
    assert fresh.location != first.location
    assert len(all_jobs(db, owner)) == 3


def test_empty_fields_are_left_out(mine: Visitor, db: Database, owner: Owner) -> None:
    empty = {"width": "", "height": " ", "steps": "", "upscale": "", "negative_prompt": "", "seed": "", "upscaler": ""}
    assert mine.post("/", kind="generate_image", prompt="  padded ", previews="true", **empty).status_code == 303
    params = all_jobs(db, owner)[0].params
    assert not set(empty) & set(params)
    assert params["prompt"] == "  padded "
    assert params["previews"] is True


def test_a_conversation_can_grow_without_a_script(mine: Visitor) -> None:
    page = mine.get("/?kind=generate_text&messages.0.role=user&messages.0.content=hello").text
    for role in ROLES:
        assert f">{role}</option>" in page
    assert 'name="messages.1.content"' in page
    assert 'name="messages.2.content"' not in page


def test_only_models_of_the_task_are_offered(mine: Visitor) -> None:
    page = mine.get("/?kind=generate_image").text
    assert '<option value="emoji" selected>' in page
    assert "smollm2" not in page.split('id="recent"')[0]


def test_a_key_that_may_only_read_sees_the_form_and_cannot_send_it(
    client: FlaskClient, db: Database, owner: Owner
) -> None:
    reader = Visitor(client)
    reader.post("/login", key=keys.create(db, owner.id, "reader", ("jobs:read",)).secret)
    assert reader.get("/").status_code == 200
    assert reader.post("/", kind="generate_image", prompt="apple").status_code == 403
