"""The native API: what a client sends and what it gets, on real Postgres."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from shared import artifacts, attempts, claims, keys
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.job import Job, Progress
from shared.owners import Owner
from shared.settings import Settings
from shared.storage import Storage, fingerprint
from web.app import create_app
from web.auth import needed

SPEECH = {"kind": "generate_speech", "params": {"text": "Hello there."}}
WORKER = Claimant("wkr_test", "host/cpu:0", ("accelerated",))


class Api:
    """A client that sends its key."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self._client, self._headers = client, {"Authorization": f"Bearer {secret}"}

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        headers = self._headers | options.pop("headers", {})
        return self._client.open(path, method=method, headers=headers, **options)

    def submit(self, **headers: str) -> dict[str, Any]:
        answer = self("POST", "/api/jobs", json=SPEECH, headers=headers)
        assert answer.status_code == 202, answer.text
        return dict(answer.json)


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


def finish(db: Database, settings: Settings, job: Job, content: bytes = b"0123456789", name: str = "a.txt") -> None:
    """End a job with one real file."""
    path = settings.home / name
    path.write_bytes(content)
    known = fingerprint(path)
    key = artifacts.blob_key(job.owner_id, known.sha256)
    artifacts.announce(db, {key: known.size})
    Storage(settings.storage).put(key, path)
    made = NewArtifact("output", name, "text/plain", known.size, known.sha256, key)
    attempts.finish(db, job, [made], progress=Progress(1, 1), metrics={"seconds": 1.0})


# ---- a job's way ----------------------------------------------------------------------------------------------


def test_a_job_is_accepted_shown_and_listed(api: Api) -> None:
    answer = api("POST", "/api/jobs", json=SPEECH)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/jobs/{answer.json['id']}"
    job = api("GET", answer.headers["Location"]).json
    assert job["state"] == "queued"
    assert job["params"]["text"] == "Hello there."
    assert isinstance(job["seed"], int)
    assert [each["id"] for each in api("GET", "/api/jobs").json["jobs"]] == [job["id"]]


def test_a_finished_job_shows_its_artifact_and_timings(api: Api, db: Database, settings: Settings) -> None:
    submitted = api.submit()
    finish(db, settings, claim(db))
    job = api("GET", f"/api/jobs/{submitted['id']}").json
    assert job["state"] == "succeeded"
    assert job["timings"]["running_s"] >= 0
    assert job["metrics"] == {"seconds": 1.0}
    (artifact,) = job["artifacts"]
    assert api("GET", artifact["url"]).data == b"0123456789"


def test_fifty_posts_with_one_idempotency_key_are_one_job(app: Flask, secret: str) -> None:
    def post(_: int) -> Any:
        return Api(app.test_client(), secret)("POST", "/api/jobs", json=SPEECH, headers={"Idempotency-Key": "one"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1


def test_an_idempotency_key_for_another_body_is_refused(api: Api) -> None:
    api.submit(**{"Idempotency-Key": "k"})
    other = {"kind": "generate_speech", "params": {"text": "Something else."}}
    answer = api("POST", "/api/jobs", json=other, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_mismatch")


def test_an_unchanged_job_is_304_and_a_changed_one_is_not(api: Api, db: Database) -> None:
    path = f"/api/jobs/{api.submit()['id']}"
    tag = api("GET", path).headers["ETag"]
    assert api("GET", path, headers={"If-None-Match": tag}).status_code == 304
    claim(db)
    assert api("GET", path, headers={"If-None-Match": tag}).status_code == 200


def test_a_long_poll_answers_when_the_job_changes(api: Api, db: Database) -> None:
    path = f"/api/jobs/{api.submit()['id']}"
    threading.Timer(0.5, lambda: claim(db)).start()
    began = time.monotonic()
    answer = api("GET", path, headers={"Prefer": "wait=20"})
    assert answer.json["state"] == "running"
    assert 0.3 < time.monotonic() - began < 10
    assert answer.headers["Preference-Applied"] == "wait=20"


def test_a_long_poll_ends_after_its_time(api: Api) -> None:
    path = f"/api/jobs/{api.submit()['id']}"
    began = time.monotonic()
    assert api("GET", path, headers={"Prefer": "wait=1"}).json["state"] == "queued"
    assert 0.9 < time.monotonic() - began < 5


@pytest.mark.parametrize("prefer", ["wait=-1", "wait=abc", "wait=9999999999999", "wait", "respond-async, wait=0"])
def test_a_strange_preference_is_ignored(api: Api, prefer: str) -> None:
    path = f"/api/jobs/{api.submit()['id']}"
    assert api("GET", path, headers={"Prefer": prefer}).status_code == 200


def test_events_follow_a_job_to_its_end_and_resume(api: Api, db: Database, settings: Settings) -> None:
    job_id = api.submit()["id"]

    def work() -> None:
        time.sleep(0.4)
        running = claim(db)
        attempts.pulse(db, running, 30, Progress(1, 2, "half"))
        time.sleep(0.4)
        finish(db, settings, running)

    threading.Thread(target=work).start()
    stream = api("GET", f"/api/jobs/{job_id}/events").text
    events = [line.split(": ", 1)[1] for line in stream.splitlines() if line.startswith("event:")]
    ids = [int(line.split(": ", 1)[1]) for line in stream.splitlines() if line.startswith("id:")]
    assert events[0] == "job"
    assert events[-1] == "done"
    assert ids == sorted(set(ids))

    again = api("GET", f"/api/jobs/{job_id}/events", headers={"Last-Event-ID": str(ids[-1])})
    assert again.status_code == 204, "a browser's EventSource comes again after anything else"


def test_cancel_and_retry(api: Api) -> None:
    job_id = api.submit()["id"]
    assert api("POST", f"/api/jobs/{job_id}/retry").status_code == 409
    assert api("POST", f"/api/jobs/{job_id}/cancel").json["state"] == "cancelled"
    again = api("POST", f"/api/jobs/{job_id}/retry")
    assert (again.status_code, again.json["parent_id"]) == (202, job_id)


def test_lists_are_filtered_and_paged(api: Api) -> None:
    made = [api.submit()["id"] for _ in range(5)]
    api("POST", f"/api/jobs/{made[0]}/cancel")
    assert len(api("GET", "/api/jobs?state=cancelled").json["jobs"]) == 1
    assert len(api("GET", "/api/jobs?state=queued&state=cancelled&kind=generate_speech&q=hello").json["jobs"]) == 5
    first = api("GET", "/api/jobs?limit=2").json
    rest = api("GET", f"/api/jobs?cursor={first['next']}").json
    assert [job["id"] for job in first["jobs"] + rest["jobs"]] == made[::-1]
    assert rest["next"] is None


# ---- files ----------------------------------------------------------------------------------------------------


@pytest.fixture
def file_url(api: Api, db: Database, settings: Settings) -> str:
    api.submit()
    job = claim(db)
    finish(db, settings, job)
    url: str = api("GET", f"/api/jobs/{job.id}").json["artifacts"][0]["url"]
    return url


@pytest.mark.parametrize(
    ("asked", "status", "body", "told"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=0-0,5-6", 200, b"0123456789", None),
        ("bytes=20-30", 416, None, "bytes */10"),
        ("nonsense", 200, b"0123456789", None),
    ],
)
def test_ranges(api: Api, file_url: str, asked: str, status: int, body: bytes | None, told: str | None) -> None:
    answer = api("GET", file_url, headers={"Range": asked})
    assert answer.status_code == status
    assert body is None or answer.data == body
    assert answer.headers.get("Content-Range") == told


def test_files_are_sent_so_that_no_browser_runs_them(api: Api, file_url: str) -> None:
    answer = api("GET", file_url)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert api("GET", file_url + "?inline=true").headers["Content-Disposition"].startswith("inline")
    assert api("GET", file_url, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_a_page_made_by_a_job_is_never_shown_inline(api: Api, db: Database, settings: Settings) -> None:
    job_id = api.submit()["id"]
    job = claim(db)
    path = settings.home / "evil.html"
    path.write_text("<script>alert(1)</script>")
    known = fingerprint(path)
    key = artifacts.blob_key(job.owner_id, known.sha256)
    artifacts.announce(db, {key: known.size})
    Storage(settings.storage).put(key, path)
    made = NewArtifact("output", "evil.html", "text/html", known.size, known.sha256, key)
    attempts.finish(db, job, [made], progress=Progress(), metrics={})
    url = api("GET", f"/api/jobs/{job_id}").json["artifacts"][0]["url"]
    assert api("GET", f"{url}?inline=true").headers["Content-Disposition"].startswith("attachment")


# ---- keys, owners, limits -------------------------------------------------------------------------------------


def test_every_route_says_who_may_use_it(app: Flask) -> None:
    unsaid = [rule.endpoint for rule in app.url_map.iter_rules() if needed(app, rule.endpoint) is None]
    assert unsaid == []


def test_without_a_key_only_health_answers(app: Flask, client: FlaskClient) -> None:
    opened = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/api", "/metrics", "/healthz", "/readyz", "/openapi"))
        and "GET" in (rule.methods or ())
        and client.get(rule.rule.replace("<job_id>", "x").replace("<artifact_id>", "x")).status_code != 401
    }
    assert opened == {"/healthz", "/readyz"}


def test_another_owners_things_are_not_there(api: Api, stranger: Api, db: Database, file_url: str) -> None:
    job_id = api.submit()["id"]
    key_id = keys.list_keys(db, keys.authenticate(db, api._headers["Authorization"].split()[1]).owner.id)[0].id
    for method, path in (
        ("GET", f"/api/jobs/{job_id}"),
        ("POST", f"/api/jobs/{job_id}/cancel"),
        ("POST", f"/api/jobs/{job_id}/retry"),
        ("GET", f"/api/jobs/{job_id}/events"),
        ("GET", file_url),
    ):
        assert stranger(method, path).status_code == 404, path
    assert stranger("DELETE", f"/api/keys/{key_id}").status_code == 403
    assert stranger("GET", "/api/jobs").json["jobs"] == []
    assert api("GET", f"/api/jobs/{job_id}").json["state"] == "queued"


@pytest.mark.parametrize("job_id", ["x", "job_", "job_" + "0" * 26, "../../etc/passwd", "job_%00", "%2e%2e", "é" * 30])
def test_ids_that_are_none_are_404_or_400(api: Api, job_id: str) -> None:
    assert api("GET", f"/api/jobs/{job_id}").status_code in {400, 404, 422}


def test_a_key_does_only_what_its_scopes_say(app: Flask, db: Database, owner: Owner) -> None:
    reader = Api(app.test_client(), keys.create(db, owner.id, "r", ("jobs:read",)).secret)
    assert reader("GET", "/api/jobs").status_code == 200
    assert reader("POST", "/api/jobs", json=SPEECH).json["code"] == "missing_scope"
    assert reader("GET", "/metrics").status_code == 403


def test_a_revoked_key_stops_within_a_second_or_so(api: Api) -> None:
    made = api("POST", "/api/keys", json={"label": "soon gone"}).json
    other = Api(api._client, made["secret"])
    assert other("GET", "/api/jobs").status_code == 200
    api("DELETE", f"/api/keys/{made['id']}")
    time.sleep(1.1)
    assert other("GET", "/api/jobs").status_code == 401


def test_an_open_stream_ends_with_its_key(api: Api) -> None:
    job = api.submit()
    made = api("POST", "/api/keys", json={"label": "soon gone"}).json
    other = Api(api._client, made["secret"])
    stream = other("GET", f"/api/jobs/{job['id']}/events").iter_encoded()
    assert b"event: job" in next(stream)
    api("DELETE", f"/api/keys/{made['id']}")
    assert b"still there" in next(stream)
    assert next(stream, None) is None


def test_a_body_that_does_not_fit_is_told_in_plain_words(api: Api) -> None:
    wrong = api("POST", "/api/jobs", json={"kind": "", "priority": 11, "colour": "red"}).json
    told = {each["field"]: each["message"] for each in wrong["errors"]}
    assert told == {
        "kind": "Write at least 1 character(s).",
        "priority": "Must be 9 or less.",
        "colour": "There is no such setting.",
    }


def test_an_admin_sees_and_ends_the_keys_that_it_made_for_others(api: Api, app: Flask) -> None:
    made = api("POST", "/api/keys", json={"label": "for a friend", "owner": "friend"}).json
    assert [key["id"] for key in api("GET", "/api/keys?owner=friend").json["keys"]] == [made["id"]]
    friend = Api(app.test_client(), made["secret"])
    assert friend("GET", "/api/jobs").status_code == 200
    assert friend("GET", "/api/keys?owner=admin").status_code == 403
    assert api("DELETE", f"/api/keys/{made['id']}").status_code == 200
    assert api("GET", "/api/keys?owner=nobody").status_code == 404


def test_a_waiting_job_knows_its_place(api: Api) -> None:
    first, second = api.submit(), api.submit()
    assert api("GET", f"/api/jobs/{first['id']}").json["position"]["ahead"] == 0
    assert api("GET", f"/api/jobs/{second['id']}").json["position"]["ahead"] == 1


def test_a_flood_of_wrong_fields_gets_a_short_answer(api: Api) -> None:
    body = {"kind": "generate_speech"} | {f"{'x' * 1000}{index}": 1 for index in range(5_000)}
    assert len(api("POST", "/api/jobs", json=body).data) < 10_000


def test_a_key_gives_no_more_than_it_has(app: Flask, db: Database, owner: Owner) -> None:
    small = Api(app.test_client(), keys.create(db, owner.id, "k", ("keys:write", "jobs:read")).secret)
    assert small("POST", "/api/keys", json={"label": "x", "scopes": ["admin"]}).status_code == 403
    assert small("POST", "/api/keys", json={"label": "x", "owner": "else"}).status_code == 403
    assert small("POST", "/api/keys", json={"label": "x", "scopes": ["jobs:read"]}).status_code == 201


def test_secrets_are_shown_once(api: Api) -> None:
    secret = api("POST", "/api/keys", json={"label": "k"}).json["secret"]
    assert secret not in api("GET", "/api/keys").text


def test_too_many_requests_are_told_when_to_come_back(app: Flask, db: Database, owner: Owner) -> None:
    slow = Api(app.test_client(), keys.create(db, owner.id, "slow", rate_per_minute=3).secret)
    answers = [slow("GET", "/api/jobs") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_guessing_keys_is_slowed_down(client: FlaskClient) -> None:
    answers = [client.get("/api/jobs", headers={"Authorization": "Bearer wrong"}).status_code for _ in range(300)]
    assert set(answers) == {401, 429}


def test_a_full_queue_is_429(app: Flask, db: Database) -> None:
    from shared import owners

    small = owners.ensure(db, "small", cap_queued=1)
    api = Api(app.test_client(), keys.create(db, small.id, "k").secret)
    api.submit()
    answer = api("POST", "/api/jobs", json=SPEECH)
    assert (answer.status_code, answer.json["code"]) == (429, "queue_full")
    assert "Retry-After" in answer.headers


def test_only_our_names_are_answered(app: Flask, secret: str) -> None:
    client = app.test_client()
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.get("/api/jobs", headers=headers, base_url="http://evil.example").status_code == 403
    assert client.get("/api/jobs", headers=headers, base_url="http://192.0.2.7:8000").status_code == 200


# ---- bad input ------------------------------------------------------------------------------------------------

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"\xff\xfe\x00", 400),
        (b"\xef\xbb\xbf{}", 400),
        ('{"kind": "generate_speech", "params": {"text": "a"}}'.encode("utf-16"), 400),
        (b'{"kind": "generate_speech", "kind": "generate_text", "params": {"text": "a"}}', 400),
        (b'{"kind": "generate_speech", "params": {"text": "a", "seed": ' + b"9" * 5000 + b"}}", 400),
        (DEEP.encode(), 400),
        (b'{"kind": "generate_speech", "params": ' + DEEP.encode() + b"}", 400),
        (b'{"kind": "nope", "params": {}}', 422),
        (b'{"kind": 7}', 422),
        (b'{"kind": "generate_speech"}', 422),
        (b'{"kind": "generate_speech", "params": []}', 422),
        (b'{"kind": "generate_speech", "params": {"text": ""}}', 422),
        (b'{"kind": "generate_speech", "params": {"text": 7}}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a", "speed": "fast"}}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a", "speed": NaN}}', 400),
        (b'{"kind": "generate_speech", "params": {"text": "a", "speed": 1e999}}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a", "seed": 99999999999999999999999}}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a", "seed": -1}}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a", "surprise": 1}}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a\\u0000b"}}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "\\ud800"}}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a", "model": "no/such"}}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a", "model": "emoji"}}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a", "model": "../../x"}}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a"}, "priority": 10}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a"}, "priority": 1e30}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a"}, "device": "\\u0000"}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a"}, "device": "mars/cuda:0"}', 422),
        (b'{"kind": "generate_speech", "params": {"text": "a"}, "extra": true}', 422),
        (b'{"kind": "generate_speech\\u0000", "params": {"text": "a"}}', 422),
        (b'{"kind": "' + b"x" * 5000 + b'", "params": {}}', 422),
    ],
)
def test_bad_bodies_are_named_and_none_is_a_server_error(api: Api, body: bytes, status: int) -> None:
    answer = api("POST", "/api/jobs", data=body, content_type="application/json")
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.json["detail"]
    assert api("GET", "/api/jobs").json["jobs"] == []


def test_an_error_names_every_wrong_field(api: Api) -> None:
    body = {"kind": "generate_image", "params": {"prompt": "x", "steps": 0, "width": 7}}
    answer = api("POST", "/api/jobs", json=body)
    assert {error["field"] for error in answer.json["errors"]} == {"steps", "width"}
    assert answer.json["field"] in {"steps", "width"}


@pytest.mark.parametrize(
    "query",
    [
        "state=odd",
        "limit=0",
        "limit=x",
        "cursor=nope",
        "nope=1",
        "q=%00",
        "limit=9999999999999",
    ],
)
def test_bad_queries_are_refused(api: Api, query: str) -> None:
    assert api("GET", f"/api/jobs?{query}").status_code in {400, 422}


@pytest.mark.parametrize("query", ["q=%ff", "kind=%ed%a0%80", "q=%25%5f", "q=" + "é" * 100])
def test_odd_bytes_in_a_query_only_find_nothing(api: Api, query: str) -> None:
    api.submit()
    assert api("GET", f"/api/jobs?{query}").json["jobs"] == []


def test_other_content_types_methods_and_addresses(api: Api) -> None:
    assert api("POST", "/api/jobs", data="a=b", content_type="application/x-www-form-urlencoded").status_code == 415
    assert api("PUT", "/api/jobs", json={}).status_code == 405
    assert api("GET", "/api/nowhere").status_code == 404
    for answer in (api("PUT", "/api/jobs", json={}), api("GET", "/api/nowhere")):
        assert answer.content_type == "application/problem+json"


def test_a_body_over_the_limit_is_413(settings: Settings, db: Database, secret: str) -> None:
    app = create_app(settings.model_copy(update={"max_body_mb": 1}))
    large = {"kind": "generate_speech", "params": {"text": "a" * (2 << 20)}}
    answer = Api(app.test_client(), secret)("POST", "/api/jobs", json=large)
    assert answer.status_code == 413
    app.extensions["atelier"].db.dispose()


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "ü"])
def test_bad_idempotency_keys_are_refused(api: Api, key: str) -> None:
    assert api("POST", "/api/jobs", json=SPEECH, headers={"Idempotency-Key": key}).status_code == 422


def test_a_database_that_is_away_is_503_with_a_time(settings: Settings, tmp_path: Path) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:9/none"})
    client = create_app(away).test_client()
    answer = client.post("/api/jobs", json=SPEECH, headers={"Authorization": "Bearer something-long-enough"})
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert "Retry-After" in answer.headers
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_redis_away_is_reported_and_refuses_nothing(settings: Settings, db: Database, secret: str, app: Flask) -> None:
    away = create_app(settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"}))
    api = Api(away.test_client(), secret)
    began = time.monotonic()
    api.submit()
    assert time.monotonic() - began < 1.5
    assert "away" in api("GET", "/readyz").json["redis"]
    away.extensions["atelier"].db.dispose()


# ---- library, devices, description ------------------------------------------------------------------------------


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_models_are_listed_added_and_removed(api: Api, stranger: Api) -> None:
    new = {"name": "org/mine", "task": "text-generation", "source": "hub:org/mine", "revision": COMMIT}
    assert api("POST", "/api/models", json=new).status_code == 201
    assert api("POST", "/api/models", json=new).status_code == 409
    assert "org/mine" in [model["name"] for model in api("GET", "/api/models?task=text-generation").json["models"]]
    assert api("DELETE", "/api/models/org/mine").status_code == 204
    assert api("DELETE", "/api/models/org/mine").status_code == 404
    assert stranger("POST", "/api/models", json=new).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "hub:a/b"},
        {"source": "folder:relative"},
        {"source": "folder:/no/such/folder"},
        {"source": "folder:/" + "a" * 300},
        {"source": "package:__main__"},
        {"source": "hub:no-organisation", "revision": "0" * 40},
        {"source": "hub:a/b", "revision": "main"},
        {"source": "artifact:art_00000000000000000000000000"},
        {"source": "package:os/../.."},
        {"source": "package:shared/../../.."},
        {"source": "https://example.com/x"},
        {"name": "../x"},
        {"file": "../x"},
    ],
)
def test_bad_models_are_refused(api: Api, wrong: dict[str, str]) -> None:
    body = {"name": "m", "task": "text-generation", "source": "hub:a/b", "revision": COMMIT} | wrong
    if wrong == {"source": "hub:a/b"}:
        del body["revision"]
    assert api("POST", "/api/models", json=body).status_code == 422


def test_kinds_devices_and_metrics(api: Api) -> None:
    names = {kind["name"] for kind in api("GET", "/api/kinds").json["kinds"]}
    assert names >= {"generate_text", "generate_code", "generate_image", "generate_speech"}
    assert api("GET", "/api/devices").json == {"devices": []}
    api.submit()
    assert 'atelier_jobs{kind="generate_speech",pool="accelerated",state="queued"} 1.0' in api("GET", "/metrics").text


def test_the_description_is_valid_and_true(app: Flask, client: FlaskClient, api: Api) -> None:
    document = api("GET", "/openapi.json").json
    assert document["openapi"] == "3.1.0"
    validate(document)
    described = {(path, method) for path, item in document["paths"].items() for method in item}
    served = {
        (rule.rule.replace("<path:", "{").replace("<", "{").replace(">", "}"), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served <= described
    _assert_fits(document, "JobBody", api.submit())
    _assert_fits(document, "KindsBody", api("GET", "/api/kinds").json)
    _assert_fits(document, "ModelsBody", api("GET", "/api/models").json)
    _assert_fits(document, "ProblemBody", api("GET", "/api/jobs/x").json)


def _assert_fits(document: dict[str, Any], name: str, body: Any) -> None:
    import jsonschema

    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema.validate(body, schema)
