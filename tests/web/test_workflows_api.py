"""The API and the command of workflows: what a client sends and what it gets."""

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from cli.__main__ import atelier
from tests.web.driving import Driver

SPEAK = {"kind": "generate_speech", "params": {"text": {"from": "write"}}}
WRITE = {"kind": "generate_text", "params": {"prompt": "a haiku"}}
ASKED = {"title": "A haiku, read", "steps": [{"name": "speak"} | SPEAK, {"name": "write"} | WRITE]}


class Api:
    """A client that sends its key."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self._client, self._headers = client, {"Authorization": f"Bearer {secret}"}

    def __call__(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        headers = self._headers | options.pop("headers", {})
        answer = self._client.open(path, method=method, headers=headers, **options)
        assert answer.status_code == status, answer.text
        return answer


@pytest.fixture
def api(client: FlaskClient, secret: str) -> Api:
    return Api(client, secret)


def test_a_workflow_is_submitted_followed_and_fetched(api: Api, driver: Driver) -> None:
    answer = api("POST", "/api/workflows", 202, json=ASKED)
    made = answer.json
    assert answer.headers["Location"] == f"/api/workflows/{made['id']}"
    assert (made["title"], made["state"], made["total"]) == ("A haiku, read", "queued", 2)
    write, speak = made["steps"]
    assert (write["name"], speak["name"]) == ("write", "speak")
    assert (speak["needs"], speak["waits_for"], speak["state"]) == (["write"], ["write"], "queued")
    job = api("GET", f"/api/jobs/{speak['job_id']}").json
    assert job["waits_for"] == [{"job_id": write["job_id"], "step": "write", "state": "queued"}]
    assert (job["workflow_id"], job["step"], job["position"]) == (made["id"], "speak", None)
    listed = {each["id"]: each for each in api("GET", "/api/jobs").json["jobs"]}
    assert len(listed[speak["job_id"]]["waits_for"]) == 1

    etag = api("GET", f"/api/workflows/{made['id']}").headers["ETag"]
    api("GET", f"/api/workflows/{made['id']}", 304, headers={"If-None-Match": etag})
    driver.finish(driver.claim(), driver.file("output", "text.txt", "text/plain", b"An old pond."))
    now = api("GET", f"/api/workflows/{made['id']}", headers={"If-None-Match": etag}).json
    assert [each["state"] for each in now["steps"]] == ["succeeded", "queued"]
    assert now["steps"][1]["waits_for"] == []
    assert [each["name"] for each in now["steps"][0]["artifacts"]] == ["text.txt"]
    assert now["state"] == "running"
    driver.fail(driver.claim(), "voice_missing", "No.")
    assert api("GET", "/api/workflows").json["workflows"][0]["state"] == "failed"

    packed = zipfile.ZipFile(io.BytesIO(api("GET", f"/api/workflows/{made['id']}/results.zip").data))
    assert packed.namelist() == ["01-write-0-text.txt", "manifest.jsonl"]
    lines = [json.loads(line) for line in packed.read("manifest.jsonl").splitlines()]
    assert [(line["step"], line["state"]) for line in lines] == [("write", "succeeded"), ("speak", "failed")]

    again = api("POST", f"/api/workflows/{made['id']}/retry", 202).json
    assert [each["state"] for each in again["steps"]] == ["succeeded", "queued"]
    assert api("POST", f"/api/workflows/{made['id']}/retry", 409).json["code"] == "nothing_to_retry"
    assert api("POST", f"/api/workflows/{made['id']}/cancel").json["state"] == "cancelled"


def test_the_same_key_answers_with_the_first(api: Api) -> None:
    first = api("POST", "/api/workflows", 202, json=ASKED, headers={"Idempotency-Key": "k"})
    second = api("POST", "/api/workflows", 202, json=ASKED, headers={"Idempotency-Key": "k"})
    assert (first.json["id"], second.headers["Idempotent-Replayed"]) == (second.json["id"], "true")
    other = ASKED | {"title": "Other"}
    refused = api("POST", "/api/workflows", 422, json=other, headers={"Idempotency-Key": "k"})
    assert refused.json["code"] == "idempotency_mismatch"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "steps"),
    ({"steps": []}, "steps"),
    ({"steps": [{"name": "a"}]}, "steps.0.kind"),
    ({"steps": [{"name": "", "kind": "x"}]}, "steps.0.name"),
    ({"steps": [{"name": "a/b", "kind": "x"}]}, "steps.0.name"),
    ({"steps": [{"name": "a" * 41, "kind": "x"}]}, "steps.0.name"),
    ({"steps": [{"name": "a", "kind": "x"}]}, "steps.0.kind"),
    ({"steps": [{"name": f"s{n}"} | WRITE for n in range(51)]}, "steps"),
    ({"steps": [{"name": "a", "priority": 10} | WRITE]}, "steps.0.priority"),
    ({"steps": [{"name": "a", "pool": "moon"} | WRITE]}, "steps.0.pool"),
    ({"steps": [{"name": "a", "odd": 1} | WRITE]}, "steps.0.odd"),
    ({"steps": [{"name": "a"} | SPEAK]}, "steps.0.params.text"),
    ({"steps": [{"name": "a", "kind": "generate_text", "params": {"prompt": "\u0000"}}]}, ""),
    ({"title": "", "steps": [{"name": "a"} | WRITE]}, "title"),
]


def test_what_is_wrong_is_named(api: Api) -> None:
    for body, field in WRONG:
        told = api("POST", "/api/workflows", 422, json=body).json
        assert field in [each["field"] for each in told["errors"]], body
    assert api("GET", "/api/jobs").json["jobs"] == []


def test_another_owners_workflow_is_not_there(api: Api, app: Flask, stranger_secret: str) -> None:
    made = api("POST", "/api/workflows", 202, json=ASKED).json["id"]
    stranger = Api(app.test_client(), stranger_secret)
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/results.zip")):
        stranger(method, f"/api/workflows/{made}{path}", 404)
    assert stranger("GET", "/api/workflows").json["workflows"] == []
    steps = api("GET", f"/api/workflows/{made}").json["steps"]
    body = {"kind": "generate_text", "params": {"prompt": "x"}, "depends_on": [steps[0]["job_id"]]}
    assert stranger("POST", "/api/jobs", 422, json=body).json["errors"][0]["field"] == "depends_on.0"


def test_a_job_may_wait_for_another(api: Api, driver: Driver) -> None:
    first = driver.submit()
    body = {"kind": "generate_text", "params": {"prompt": "x"}, "depends_on": [first.id]}
    made = api("POST", "/api/jobs", 202, json=body).json
    assert [each["job_id"] for each in made["waits_for"]] == [first.id]
    driver.finish(driver.claim())
    assert api("GET", f"/api/jobs/{made['id']}").json["waits_for"] == []
    assert driver.claim().id == made["id"]


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_command_submits_shows_cancels_retries_and_fetches(
    url: str, secret: str, tmp_path: Path, driver: Driver
) -> None:
    def run(*words: str) -> Result:
        return CliRunner().invoke(atelier, ["workflow", *words, "--url", url, "--key", secret])

    file = tmp_path / "haiku.json"
    file.write_text(json.dumps(ASKED))
    made = run("submit", str(file))
    assert made.exit_code == 0, made.output
    workflow_id = made.output.strip()
    assert "waits for write" in run("status", workflow_id).output
    assert "A haiku, read" in run("list").output
    driver.fail(driver.claim(), "out_of_memory", "It needs 19 GB.")
    shown = run("status", workflow_id).output
    assert "It needs 19 GB." in shown
    assert "The step “write”, which this one waited for, failed." in shown
    assert run("retry", workflow_id).output.startswith("queued")
    assert run("cancel", workflow_id).output.startswith("cancelled")
    assert run("cancel", workflow_id).exit_code == 0
    assert run("results", workflow_id, str(tmp_path / "all.zip")).exit_code == 0
    file.write_text("{")
    assert "cannot be read as JSON" in run("submit", str(file)).output
    file.write_text('{"steps": [{"name": "a", "kind": "odd"}]}')
    assert "steps.0.kind: There is no kind “odd”" in run("submit", str(file)).output
