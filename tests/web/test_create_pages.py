"""Create beyond its form: starting points, the API call of what is typed, what a job has to expect."""

import contextlib
import io
import json
import re
import subprocess
from html import unescape
from typing import Any

import pytest
from sqlalchemy import text

from shared import kinds, library, listing
from shared.db import Database
from shared.devices import Report, report
from shared.owners import Owner
from tests.web.conftest import Visitor
from tests.web.driving import Driver

PART = {"HX-Request": "true"}
NASTY = "it's $HOME `id` \"q\" \\ ünïcode 雪 <script>alert(1)</script>\nsecond 'line' {brace} %s"


def block(page: str, name: str) -> str:
    """The text of one of the two programs."""
    found = re.search(rf'<pre[^>]*id="{name}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found is not None
    return unescape(found[1])


def call(mine: Visitor, **fields: str) -> str:
    token = re.search(r'name="csrf_token" value="([^"]+)"', mine.get("/").text)
    assert token is not None
    answer = mine.client.post("/create/api-call", data={"csrf_token": token[1], **fields}, headers=PART)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    return answer.text


def sent_by_curl(program: str) -> tuple[list[str], dict[str, Any]]:
    """What a shell makes of the command: its arguments, and the body as JSON."""
    shell = "curl() { printf '%s\\0' \"$@\"; }\nexport ATELIER_API_KEY=the-key\n" + program
    words = subprocess.run(["sh", "-c", shell], check=True, capture_output=True).stdout.decode().split("\0")[:-1]
    body: dict[str, Any] = json.loads(words[words.index("-d") + 1])
    return words, body


def sent_by_python(program: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, Any]]:
    """The request that the program makes, and its body."""
    seen: list[Any] = []

    def urlopen(request: Any) -> Any:
        seen.append(request)
        return contextlib.nullcontext(io.StringIO('{"id": "job_1"}'))

    monkeypatch.setenv("ATELIER_API_KEY", "the-key")
    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    exec(compile(program, "shown", "exec"), {})
    return seen[0], json.loads(seen[0].data)


# ---- the API call ---------------------------------------------------------------------------------------------------


#: What a complete form says of the switches that are not in it and are on by default.
OFF = {"previews": False, "safety_filter": False, "content_credentials": False}


def test_both_programs_send_what_was_typed(mine: Visitor, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    page = call(mine, kind="generate_image", prompt=NASTY, steps="9", previews="", guidance="2.5", images="1")
    # A switch that is not in a complete form is off.
    wanted = {
        "kind": "generate_image",
        "params": {"model": "emoji", "prompt": NASTY, "steps": 9, "guidance": 2.5} | OFF,
    }
    words, body = sent_by_curl(block(page, "curl"))
    assert body == wanted
    assert words[0] == "http://localhost/api/jobs"
    assert "Authorization: Bearer the-key" in words
    request, body = sent_by_python(block(page, "python"), monkeypatch)
    assert body == wanted
    assert request.full_url == "http://localhost/api/jobs"
    assert request.headers["Authorization"] == "Bearer the-key"
    assert "<script>alert" not in page
    assert secret not in page


@pytest.mark.parametrize("kind", ["generate_text", "generate_code", "generate_speech", "generate_image"])
def test_the_api_takes_every_preset_as_it_is_shown(
    mine: Visitor, kind: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = mine.get(f"/?kind={kind}").text
    starts = page[page.index('aria-label="Starting points"') :]
    addresses = re.findall(r'class="chip" href="([^"]+)"', starts[: starts.index("</nav>")])
    assert len(addresses) == len(kinds.params_class(kind).presets)
    for address, preset in zip(addresses, kinds.params_class(kind).presets, strict=True):
        filled = mine.get(unescape(address)).text
        assert f'aria-current="true">{preset.title}</a>' in filled
        _, body = sent_by_python(block(filled, "python"), monkeypatch)
        assert kinds.validate(kind, body["params"]) == kinds.validate(kind, preset.params)
        answer = mine.client.post("/api/jobs", json=body, headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 202


def test_a_conversation_is_shown_as_the_api_takes_it(mine: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = {"messages.0.role": "user", "messages.0.content": "Name a fruit.", "stop": "END\n\\n"}
    page = call(mine, kind="generate_text", **turns)
    _, body = sent_by_python(block(page, "python"), monkeypatch)
    assert body["params"]["messages"] == [{"role": "user", "content": "Name a fruit."}]
    assert body["params"]["stop"] == ["END", "\n"]
    assert sent_by_curl(block(page, "curl"))[1] == body


def test_a_form_that_is_not_right_yet_is_shown_with_a_warning(mine: Visitor) -> None:
    page = call(mine, kind="generate_image", prompt="", steps="9", guidance="99", width="wide")
    assert "not right yet" in page
    _, body = sent_by_curl(block(page, "curl"))
    assert body["params"] == {"steps": 9, "guidance": 99, "width": "wide"} | OFF
    assert "not right yet" not in call(mine, kind="generate_image", prompt="apple")


def test_without_a_script_a_button_shows_the_call_and_keeps_the_form(mine: Visitor, db: Database, owner: Owner) -> None:
    answer = mine.post("/create/api-call", kind="generate_image", prompt="a <b>pear</b>", token="mine")
    assert answer.status_code == 200
    assert 'id="api-call" open' in answer.text
    assert 'name="token" value="mine"' in answer.text
    assert "a &lt;b&gt;pear&lt;/b&gt;" in answer.text
    assert sent_by_curl(block(answer.text, "curl"))[1]["params"]["prompt"] == "a <b>pear</b>"
    assert listing.page(db, owner.id).items == []
    assert mine.client.post("/create/api-call", data={"kind": "generate_image"}).status_code == 403
    assert mine.post("/create/api-call", kind="nothing").status_code == 404


# ---- starting points and remix --------------------------------------------------------------------------------------


def test_a_preset_whose_model_is_missing_is_not_offered(mine: Visitor, db: Database) -> None:
    assert "Handwritten digit" in mine.get("/?kind=generate_image").text
    library.remove(db, None, "digits")
    page = mine.get("/?kind=generate_image").text
    assert "Handwritten digit" not in page
    assert "One picture" in page


def test_what_the_address_changes_of_a_job_is_named(mine: Visitor, driver: Driver) -> None:
    job = driver.submit(prompt="poster", width=2048)
    page = mine.get(f"/?from={job.id}&width=1024&images=1").text
    assert "Changed for you: Width, Images." in page
    assert 'value="1024"' in page
    assert "Changed for you" not in mine.get(f"/?from={job.id}").text


def test_a_prompt_of_a_megabyte_is_refused_and_nothing_is_lost(mine: Visitor, db: Database, owner: Owner) -> None:
    prompt = "0123456789" * 100_000 + "the end"
    answer = mine.post("/", kind="generate_text", prompt=prompt)
    assert answer.status_code == 422
    assert 'id="f-prompt-error"' in answer.text
    assert prompt in answer.text
    assert re.findall(r'id="([^"]+)"[^>]*autofocus', answer.text) == ["f-prompt"]
    # A browser would cut what is pasted at a maxlength, and say nothing.
    assert "maxlength" not in answer.text.split('id="f-prompt"')[1].split(">")[0]
    assert listing.page(db, owner.id).items == []


# ---- what it has to expect ------------------------------------------------------------------------------------------


def expected(mine: Visitor, model: str = "emoji") -> str:
    answer = mine.post("/create/estimate", kind="generate_image", model=model)
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", "", answer.text).split())


def test_what_nobody_knows_is_not_said(mine: Visitor) -> None:
    assert expected(mine) == "No device is up just now; the job waits until one is."
    assert "about" not in expected(mine, "nobody")


def test_the_estimate_follows_the_model(mine: Visitor, db: Database, driver: Driver) -> None:
    driver.submit()
    driver.finish(driver.claim())
    with db.begin() as connection:
        connection.execute(text("update costs set seconds = 12.4"))
    report(db, Report("host/cpu", "host", "cpu", "CPU", "cpu", "wkr_x", "idle", 1, 0))
    assert expected(mine) == "Usually about 12 s. Nobody is ahead of you."
    assert expected(mine, "digits") == "Nobody is ahead of you."
    for _ in range(3):
        driver.submit()
    assert expected(mine, "digits") == "3 jobs are ahead. It starts in about 37 s."
    assert "Usually about 12 s." in mine.get("/?kind=generate_image").text
    assert "Usually about" not in mine.get("/?kind=generate_image&model=digits").text
