"""The API of batches: what a client sends and what it gets, on real Postgres and a real object store."""

import hashlib
import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flask import Flask
from flask.testing import FlaskClient

from shared import artifacts, attempts, claims, keys, owners
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.job import Job, Progress
from shared.owners import Owner
from shared.settings import Settings
from shared.storage import Storage, fingerprint
from web.app import create_app

WORKER = Claimant("wkr_test", "host/cpu:0", ("accelerated",))
SPEECH = {"kind": "generate_speech", "params": {"speed": 1.5}, "items": [{"text": "one"}, {"text": "two"}]}
LINES = b'{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n'
UPLOAD = "/api/batches/upload?kind=generate_speech"


class Api:
    """A client that sends its key."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self._client, self._headers = client, {"Authorization": f"Bearer {secret}"}

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        headers = self._headers | options.pop("headers", {})
        return self._client.open(path, method=method, headers=headers, **options)

    def submit(self, body: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        answer = self("POST", "/api/batches", json=body or SPEECH, headers=headers)
        assert answer.status_code == 202, answer.text
        return dict(answer.json)

    def upload(self, content: bytes, name: str, **fields: str) -> Any:
        data = fields | {"file": (io.BytesIO(content), name)}
        return self("POST", "/api/batches/upload", data=data, content_type="multipart/form-data")

    def nothing_queued(self) -> bool:
        return self("GET", "/api/jobs").json["jobs"] == [] and self("GET", "/api/batches").json["batches"] == []


@pytest.fixture
def api(client: FlaskClient, secret: str) -> Api:
    return Api(client, secret)


@pytest.fixture
def stranger(app: Flask, stranger_secret: str) -> Api:
    return Api(app.test_client(), stranger_secret)


def claim(db: Database) -> Job:
    job = claims.claim(db, WORKER, lease_s=30)
    assert job is not None
    return job


def finish(db: Database, settings: Settings, files: dict[str, bytes]) -> Job:
    """Run the next job to its end with these real files."""
    job, made = claim(db), []
    for name, content in files.items():
        path = settings.home / "made"
        path.write_bytes(content)
        known = fingerprint(path)
        key = artifacts.blob_key(job.owner_id, known.sha256)
        artifacts.announce(db, {key: known.size})
        Storage(settings.storage).put(key, path)
        media_type = "text/plain" if name.endswith(".txt") else "audio/wav"
        role = "log" if name == "log.txt" else "output"
        made.append(NewArtifact(role, name, media_type, known.size, known.sha256, key))  # type: ignore[arg-type]
    attempts.finish(db, job, made, progress=Progress(1, 1), metrics={})
    return job


# ---- a batch's way ---------------------------------------------------------------------------------------------


def test_a_list_is_accepted_shown_and_listed(app: Flask, api: Api) -> None:
    answer = api("POST", "/api/batches", json=SPEECH | {"title": "Two words", "priority": 3})
    assert answer.status_code == 202
    batch = answer.json
    assert answer.headers["Location"] == f"/api/batches/{batch['id']}"
    assert (batch["title"], batch["state"], batch["total"], batch["priority"]) == ("Two words", "running", 2, 3)
    assert batch["counts"] == {"queued": 2, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0}
    assert api("GET", answer.headers["Location"]).json == batch
    assert api("GET", "/api/batches").json == {"batches": [batch], "next": None}

    found = api("GET", batch["links"]["jobs"]).json
    assert [(job["batch_index"], job["params"]["text"]) for job in found["jobs"]] == [(1, "one"), (2, "two")]
    assert {job["params"]["speed"] for job in found["jobs"]} == {1.5}
    assert len(api("GET", f"/api/jobs?batch={batch['id']}").json["jobs"]) == 2

    document = api("GET", "/openapi.json").json
    for name, body in (("BatchBody", batch), ("BatchJobsBody", found)):
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.validate(body, schema)
    assert set(document["paths"]["/api/batches/upload"]["post"]["requestBody"]["content"]) == {
        "multipart/form-data",
        "application/x-ndjson",
        "text/csv",
    }


def test_a_template_is_varied(api: Api) -> None:
    body = {"kind": "generate_speech", "params": {"text": "Hi."}, "vary": {"speed": [1, 1.5], "seed": [1, 2, 3]}}
    batch = api.submit(body)
    assert (batch["total"], batch["asked"]["fields"]) == (6, {"speed": 2, "seed": 3})
    side_by_side = body | {"mode": "zip", "vary": {"speed": [1, 1.5], "seed": [1, 2]}}
    assert api.submit(side_by_side)["total"] == 2


@pytest.mark.parametrize("name", ["jobs.jsonl", "JOBS.NDJSON"])
def test_json_lines_are_uploaded_by_form(api: Api, name: str) -> None:
    answer = api.upload(LINES, name, kind="generate_speech", params='{"speed": 2}', priority="7")
    assert answer.status_code == 202, answer.text
    assert (answer.json["total"], answer.json["title"], answer.json["priority"]) == (3, "one", 7)
    assert answer.json["asked"] == {"mode": "file", "format": "jsonl", "file": name, "params": {"speed": 2}}


def test_csv_is_uploaded_by_form(api: Api) -> None:
    answer = api.upload(b'text,speed\r\none,1.5\r\n"two, too",\r\n', "jobs.csv", kind="generate_speech")
    assert answer.status_code == 202, answer.text
    found = api("GET", answer.json["links"]["jobs"]).json["jobs"]
    assert [(job["params"]["text"], job["params"]["speed"]) for job in found] == [("one", 1.5), ("two, too", 1.0)]


@pytest.mark.parametrize("lines", [3, 10_000])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_form_sent_twice_is_one_batch_held_in_memory_or_on_disk(api: Api, lines: int, suffix: str) -> None:
    line = b"a" * 90 + b"\n" if suffix == "csv" else b'{"text": "%s"}\n' % (b"a" * 90)
    content = (b"text\n" if suffix == "csv" else b"") + line * lines

    def post() -> Any:
        data = {"kind": "generate_speech", "file": (io.BytesIO(content), f"jobs.{suffix}")}
        headers = {"Idempotency-Key": "k"}
        return api("POST", "/api/batches/upload", data=data, headers=headers, content_type="multipart/form-data")

    first, second = post(), post()
    assert (first.json["id"], first.json["total"]) == (second.json["id"], lines)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [(LINES, "application/x-ndjson"), (LINES, "application/jsonl"), (b"text\na\nb\nc\n", "text/csv; charset=utf-8")],
)
def test_a_file_is_uploaded_as_the_body_itself(api: Api, content: bytes, content_type: str) -> None:
    answer = api("POST", f"{UPLOAD}&priority=2&title=Mine", data=content, content_type=content_type)
    assert answer.status_code == 202, answer.text
    assert (answer.json["total"], answer.json["title"], answer.json["priority"]) == (3, "Mine", 2)


def test_a_browsers_form_needs_its_token(app: Flask, secret: str, mine: Any) -> None:
    def post(**fields: Any) -> Any:
        data = {"file": (io.BytesIO(LINES), "jobs.jsonl"), "kind": "generate_speech"} | fields
        return mine.client.post("/api/batches/upload", data=data, content_type="multipart/form-data")

    assert post().status_code == 403
    page = mine.get("/login").text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    assert post(csrf_token=token).status_code == 202


def test_the_same_key_makes_one_batch(api: Api) -> None:
    first = api.submit(**{"Idempotency-Key": "k"})
    again = api("POST", "/api/batches", json=SPEECH, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json["id"]) == (202, first["id"])
    assert again.headers["Idempotent-Replayed"] == "true"
    other = api("POST", "/api/batches", json=SPEECH | {"priority": 1}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.json["code"]) == (422, "idempotency_mismatch")
    sent = api("POST", UPLOAD, data=LINES, content_type="application/x-ndjson", headers={"Idempotency-Key": "k"})
    assert (sent.status_code, sent.json["code"]) == (422, "idempotency_mismatch")


def test_an_unchanged_batch_is_304_and_a_changed_one_is_not(api: Api, db: Database) -> None:
    path = f"/api/batches/{api.submit()['id']}"
    tag = api("GET", path).headers["ETag"]
    assert api("GET", path, headers={"If-None-Match": tag}).status_code == 304
    claim(db)
    answer = api("GET", path, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.json["counts"]["running"]) == (200, 1)


def test_cancel_the_rest_and_retry_what_failed(api: Api, db: Database) -> None:
    batch = api.submit()
    assert api("POST", batch["links"]["retry"]).json["code"] == "nothing_to_retry"
    attempts.fail(db, claim(db), "probe", "No.")
    ended = api("POST", batch["links"]["cancel"]).json
    assert (ended["state"], ended["counts"]["failed"], ended["counts"]["cancelled"]) == ("failed", 1, 1)
    again = api("POST", batch["links"]["retry"])
    assert (again.status_code, again.json["state"], again.json["counts"]["queued"]) == (202, "running", 1)
    assert api("POST", batch["links"]["retry"]).status_code == 409
    assert api("POST", f"{batch['links']['retry']}?state=failed&state=cancelled").json["counts"]["queued"] == 2
    assert api("POST", f"{batch['links']['retry']}?state=succeeded").status_code == 422


def test_batches_are_paged(api: Api) -> None:
    made = [api.submit()["id"] for _ in range(3)]
    first = api("GET", "/api/batches?limit=2").json
    rest = api("GET", f"/api/batches?cursor={first['next']}").json
    assert [each["id"] for each in first["batches"] + rest["batches"]] == made[::-1]


# ---- results ----------------------------------------------------------------------------------------------------


@pytest.fixture
def made(api: Api, db: Database, settings: Settings) -> dict[str, Any]:
    """A batch of four: two with files, one failed, one still waiting."""
    batch = api.submit(SPEECH | {"items": [{"text": text} for text in "abcd"]})
    finish(db, settings, {"speech.wav": b"RIFF" + bytes(3_000_000), "log.txt": b"log"})
    finish(db, settings, {"../s/päch:?.wav": b"one", "same.txt": b"two" * 1000, "..": b"three"})
    attempts.fail(db, claim(db), "probe", "No.")
    return batch


def test_results_are_a_line_for_each_number(api: Api, made: dict[str, Any]) -> None:
    answer = api("GET", made["links"]["results_jsonl"])
    assert answer.mimetype == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["index"] for line in lines] == [1, 2, 3, 4]
    assert [line["state"] for line in lines] == ["succeeded", "succeeded", "failed", "queued"]
    assert [line["params"]["text"] for line in lines] == ["a", "b", "c", "d"]
    assert lines[2]["error"] == {"code": "probe", "message": "No."}
    for file in lines[1]["artifacts"]:
        content = api("GET", file["url"]).data
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert len(content) == file["size"]


def test_results_are_packed_with_a_manifest(api: Api, made: dict[str, Any], tmp_path: Path) -> None:
    answer = api("GET", made["links"]["results_zip"])
    assert answer.mimetype == "application/zip"
    assert answer.headers["Content-Disposition"] == f"attachment; filename={made['id']}.zip"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as packed:
        assert packed.testzip() is None
        names = packed.namelist()
        assert names == [
            "00001-speech.wav",
            "00002-1-_s_päch__.wav",
            "00002-2-same.txt",
            "00002-3-file",
            "manifest.jsonl",
        ]
        manifest = [json.loads(line) for line in packed.read("manifest.jsonl").splitlines()]
        files = [file for line in manifest for file in line["artifacts"]]
        assert [file["file"] for file in files] == [names[0], None, *names[1:4]]
        for file in files:
            if file["file"]:
                assert hashlib.sha256(packed.read(file["file"])).hexdigest() == file["sha256"]
        kept = {info.filename: info.compress_type for info in packed.infolist()}
        assert kept["00001-speech.wav"] == zipfile.ZIP_STORED
        assert kept["00002-2-same.txt"] == zipfile.ZIP_DEFLATED
        packed.extractall(tmp_path / "out")


def test_a_file_that_is_gone_is_left_out_and_said_so(
    api: Api, made: dict[str, Any], settings: Settings, db: Database, owner: Owner
) -> None:
    first = api("GET", made["links"]["jobs"]).json["jobs"][0]
    sha256 = first["artifacts"][0]["sha256"]
    Storage(settings.storage).delete(artifacts.blob_key(owner.id, sha256))
    with zipfile.ZipFile(io.BytesIO(api("GET", made["links"]["results_zip"]).data)) as packed:
        assert "00001-speech.wav" not in packed.namelist()
        assert json.loads(packed.read("manifest.jsonl").splitlines()[0])["artifacts"][0]["file"] is None


def test_large_results_are_packed_in_little_memory(api: Api, db: Database, settings: Settings) -> None:
    links = api.submit()["links"]
    finish(db, settings, {"large.wav": bytes(range(256)) * (64 << 12)})
    tracemalloc.start()
    answer = api("GET", links["results_zip"], buffered=False)
    size = sum(len(chunk) for chunk in answer.iter_encoded())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 64 << 20
    assert peak < 16 << 20


# ---- who may ----------------------------------------------------------------------------------------------------


def test_another_owners_batch_is_not_there(api: Api, stranger: Api) -> None:
    links = api.submit()["links"]
    for method, name in (
        ("GET", "self"),
        ("GET", "jobs"),
        ("POST", "cancel"),
        ("POST", "retry"),
        ("GET", "results_jsonl"),
        ("GET", "results_zip"),
    ):
        answer = stranger(method, links[name])
        assert (answer.status_code, answer.json["detail"]) == (404, "There is no such batch."), name
    assert stranger("GET", "/api/batches").json["batches"] == []
    own = links["self"].rpartition("/")[2]
    assert stranger("GET", f"/api/jobs?batch={own}").json["jobs"] == []
    assert api("GET", links["self"]).json["counts"]["queued"] == 2


def test_a_key_does_only_what_its_scopes_say(app: Flask, api: Api, db: Database, owner: Owner) -> None:
    links = api.submit()["links"]
    reader = Api(app.test_client(), keys.create(db, owner.id, "r", ("jobs:read",)).secret)
    assert reader("GET", links["results_jsonl"]).status_code == 200
    for path in ("/api/batches", UPLOAD, links["cancel"], links["retry"]):
        assert reader("POST", path, json=SPEECH).json["code"] == "missing_scope"
    assert app.test_client().post(UPLOAD, data=LINES, content_type="application/x-ndjson").status_code == 401


# ---- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"items": None}, ""),
        ({"vary": {"speed": [1]}}, ""),
        ({"items": []}, "items"),
        ({"items": [1]}, "items.0"),
        ({"items": [{"text": "a"}, {"text": ""}]}, "items.1.text"),
        ({"items": [{"text": "a", "colour": 1}]}, "items.0.colour"),
        ({"items": [{"text": "a"}] * 50_001}, "items"),
        ({"items": [{"text": "a\0"}]}, ""),
        ({"items": None, "vary": {"text": ["a", 7]}}, "vary.text"),
        ({"items": None, "vary": {}}, "vary"),
        ({"items": None, "vary": {"text": []}}, "vary.text"),
        ({"items": None, "vary": {"text": ["a", "b"], "seed": [1]}, "mode": "zip"}, "vary"),
        ({"items": None, "vary": {"text": ["a"] * 300, "seed": [1] * 300}}, "vary"),
        ({"mode": "random"}, "mode"),
        ({"kind": "nope"}, "kind"),
        ({"priority": 10}, "priority"),
        ({"pool": "moon"}, "pool"),
        ({"device": "mars/cuda:0"}, "device"),
        ({"title": ""}, "title"),
        ({"surprise": 1}, "surprise"),
        ({"params": {"text": "a", "model": "emoji"}, "items": [{}]}, "items.0.model"),
    ],
)
def test_bad_bodies_are_named_and_queue_nothing(api: Api, change: dict[str, Any], field: str) -> None:
    body = {name: value for name, value in (SPEECH | change).items() if value is not None}
    answer = api("POST", "/api/batches", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json["errors"][0]["field"] == field, answer.text
    assert answer.json["detail"]
    assert api.nothing_queued()


def test_line_40001_of_an_upload_is_named_and_nothing_is_queued(api: Api) -> None:
    lines = [b'{"text": "a"}'] * 50_000
    lines[40_000] = b'{"text": ""}'
    answer = api.upload(b"\n".join(lines), "jobs.jsonl", kind="generate_speech")
    assert (answer.status_code, answer.json["field"]) == (422, "text")
    assert answer.json["errors"] == [{"line": 40_001, "field": "text", "message": "Write something here."}]
    assert api.nothing_queued()


@pytest.mark.parametrize(
    ("content", "name", "fields", "status", "code"),
    [
        (b"text,colour\na,b\n", "a.csv", {}, 422, "bad_header"),
        (b"", "a.csv", {}, 422, "unreadable_file"),
        (b"", "a.jsonl", {}, 422, "empty_batch"),
        (LINES, "a.jsonl", {"kind": ""}, 422, "invalid"),
        (LINES, "a.jsonl", {"kind": "nope"}, 422, "unknown_kind"),
        (LINES, "a.jsonl", {"params": "{"}, 422, "invalid"),
        (LINES, "a.jsonl", {"params": "[]"}, 422, "invalid"),
        (LINES, "a.jsonl", {"params": '{"text": "\\u0000"}'}, 422, "invalid"),
        (LINES, "a.jsonl", {"priority": "high"}, 422, "invalid"),
        (LINES, "a.jsonl", {"surprise": "1"}, 422, "invalid"),
        (LINES, "a.xlsx", {}, 415, "unsupported_media_type"),
        (LINES * 20_000, "a.jsonl", {}, 422, "too_many_items"),
        (b"PK\x03\x04" + bytes(range(256)), "a.csv", {}, 422, "unreadable_file"),
    ],
)
def test_bad_uploads_are_named_and_queue_nothing(
    api: Api, content: bytes, name: str, fields: dict[str, str], status: int, code: str
) -> None:
    answer = api.upload(content, name, **({"kind": "generate_speech"} | fields))
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
    assert answer.content_type == "application/problem+json"
    assert api.nothing_queued()


def test_other_bodies_are_no_uploads(api: Api) -> None:
    for options in ({"json": SPEECH}, {"data": b"x", "content_type": "application/zip"}, {}):
        assert api("POST", UPLOAD, **options).status_code == 415
    assert api("POST", UPLOAD, data={"other": "1"}, content_type="multipart/form-data").status_code == 400
    assert api("POST", "/api/batches", data=LINES, content_type="application/x-ndjson").status_code == 415


def _form(content: bytes) -> tuple[bytes, str]:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="jobs.jsonl"\r\n\r\n'
    return head + content + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"


@pytest.mark.parametrize("form", [True, False])
@pytest.mark.parametrize("terminated", [True, False])
def test_an_upload_that_stops_midway_queues_nothing(api: Api, form: bool, terminated: bool) -> None:
    body, content_type = _form(LINES) if form else (LINES, "application/x-ndjson")
    # Cut after a whole line, where what has come looks like all there is.
    half = body[: body.index(b"\n", body.index(b"one")) + 1]
    answer = api(
        "POST",
        UPLOAD,
        input_stream=io.BytesIO(half),
        environ_overrides={"CONTENT_LENGTH": str(len(body)), "wsgi.input_terminated": True}
        if terminated
        else {"CONTENT_LENGTH": str(len(body))},
        content_type=content_type,
    )
    assert answer.status_code == 400, answer.text
    assert "midway" in answer.json["detail"]
    assert api.nothing_queued()


def test_a_body_that_does_not_say_its_length_is_411(api: Api) -> None:
    answer = api(
        "POST",
        UPLOAD,
        input_stream=io.BytesIO(LINES),
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
        content_type="application/x-ndjson",
    )
    assert answer.status_code == 411


@pytest.fixture
def narrow(settings: Settings, app: Flask, secret: str) -> Iterator[Api]:
    """A site that takes uploads of two megabytes, and one of anything else."""
    small = create_app(settings.model_copy(update={"max_upload_mb": 2, "max_body_mb": 1}))
    yield Api(small.test_client(), secret)
    small.extensions["atelier"].db.dispose()


def test_an_upload_has_a_limit_of_its_own(narrow: Api) -> None:
    between, over = LINES + b"\n" * (3 << 19), LINES + b"\n" * (2 << 20)
    for content, status in ((between, 202), (over, 413)):
        assert narrow("POST", UPLOAD, data=content, content_type="application/x-ndjson").status_code == status
        assert narrow.upload(content, "a.jsonl", kind="generate_speech").status_code == status
    assert narrow("POST", "/api/batches", json=SPEECH | {"title": "x" * (3 << 19)}).status_code == 413


def test_a_batch_that_does_not_fit_is_429(app: Flask, db: Database) -> None:
    small = owners.ensure(db, "small", cap_queued=1)
    api = Api(app.test_client(), keys.create(db, small.id, "k").secret)
    answer = api("POST", "/api/batches", json=SPEECH)
    assert (answer.status_code, answer.json["code"]) == (429, "queue_full")
    assert "room for 1 more" in answer.json["detail"]
    assert api.nothing_queued()


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "cursor=nope", "nope=1"])
def test_bad_queries_are_refused(api: Api, query: str) -> None:
    path = f"/api/batches/{api.submit()['id']}/jobs"
    for each in (f"/api/batches?{query}", f"{path}?{query}", f"{path}?state=odd"):
        assert api("GET", each).status_code in {400, 422}
