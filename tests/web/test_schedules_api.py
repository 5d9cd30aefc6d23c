"""Schedules and cron through the native API: what a client sends and what it gets."""

from typing import Any

import jsonschema
import pytest
from flask import Flask
from flask.testing import FlaskClient

from shared import keys
from shared.db import Database
from shared.owners import Owner

JOB = {"kind": "generate_speech", "params": {"text": "Good morning. It is {weekday}."}}
BATCH = {"kind": "generate_speech", "params": {"text": "It is {weekday}."}, "vary": {"speed": [0.8, 1.2]}}
NIGHTLY = {"name": "Nightly", "cron": "30 2 * * *", "zone": "Europe/Berlin", "template": {"job": JOB}}


class Api:
    """A client that sends its key."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self._client, self._headers = client, {"Authorization": f"Bearer {secret}"}

    def __call__(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> Any:
        return self._client.open(path, method=method, headers=self._headers | (headers or {}), **options)

    def make(self, **changed: Any) -> Any:
        answer = self("POST", "/api/schedules", json=NIGHTLY | changed)
        assert answer.status_code == 201, answer.text
        return answer.json


@pytest.fixture
def api(app: Flask, secret: str) -> Api:
    return Api(app.test_client(), secret)


@pytest.fixture
def stranger(app: Flask, stranger_secret: str) -> Api:
    return Api(app.test_client(), stranger_secret)


def test_a_schedule_is_made_shown_changed_listed_and_deleted(api: Api) -> None:
    answer = api("POST", "/api/schedules", json=NIGHTLY)
    assert answer.status_code == 201
    here = answer.headers["Location"]
    made = api("GET", here).json
    assert made == answer.json
    assert (made["name"], made["cron"], made["zone"]) == ("Nightly", "30 2 * * *", "Europe/Berlin")
    assert (made["sentence"], made["overlap"], made["missed"]) == ("At 02:30 every day.", "skip", "once")
    assert made["template"]["job"]["params"] == JOB["params"]
    assert made["next_due"] > made["created_at"]

    changed = api("PATCH", here, json={"cron": "@daily", "overlap": "queue", "missed": "all"}).json
    assert (changed["cron"], changed["overlap"], changed["window_s"]) == ("0 0 * * *", "queue", 86_400)
    assert (changed["name"], changed["template"]) == (made["name"], made["template"])
    assert [each["id"] for each in api("GET", "/api/schedules").json["schedules"]] == [made["id"]]

    assert api("DELETE", here).status_code == 204
    assert api("GET", here).status_code == 404
    assert api("GET", "/api/schedules").json == {"schedules": [], "next": None}


def test_the_same_key_makes_one_schedule(api: Api) -> None:
    def send(**changed: Any) -> Any:
        return api("POST", "/api/schedules", json=NIGHTLY | changed, headers={"Idempotency-Key": "k1"})

    assert send().json["id"] == send().json["id"]
    other = send(name="Other")
    assert (other.status_code, other.json["code"]) == (422, "idempotency_mismatch")
    assert len(api("GET", "/api/schedules").json["schedules"]) == 1


def test_it_is_paused_with_a_reason_resumed_and_run_by_hand(api: Api) -> None:
    links = api.make()["links"]
    paused = api("POST", links["pause"], json={"reason": "Holidays"}).json
    assert (paused["pause_reason"], paused["next_due"]) == ("Holidays", None)
    ran = api("POST", links["run"])
    assert (ran.status_code, ran.json["state"], ran.json["manual"]) == (202, "submitted", True)
    job = api("GET", f"/api/jobs/{ran.json['job_id']}").json
    assert job["params"]["text"].startswith("Good morning. It is ")
    assert "{" not in job["params"]["text"]
    resumed = api("POST", links["resume"]).json
    assert (resumed["paused_at"], resumed["pause_reason"]) == (None, None)
    assert resumed["next_due"]
    (run,) = api("GET", links["runs"]).json["runs"]
    assert run == ran.json
    assert run["job_state"] == "queued"


@pytest.mark.parametrize(
    ("wrong", "field", "told"),
    [
        ({"cron": "61 * * * *"}, "cron", "“61” does not fit the minute"),
        ({"cron": "0 0 0 * * *"}, "cron", "six fields"),
        ({"cron": ""}, "cron", "at least 1"),
        ({"cron": 5}, "cron", "Must be text."),
        ({"zone": "Berlin"}, "zone", "Did you mean Europe/Berlin?"),
        ({"name": "  "}, "name", "Write something here."),
        ({"name": None}, "name", "Must be text."),
        ({"overlap": "explode"}, "overlap", "Must be one of"),
        ({"missed": "often"}, "missed", "Must be one of"),
        ({"missed": "all", "window_s": 1}, "window_s", "Must be 60 or more."),
        ({"missed": "once", "window_s": 600}, None, "window_s is for missed=all only"),
        ({"colour": "red"}, "colour", "There is no such setting."),
        ({"template": {}}, "template", "Give either a job or a batch"),
        ({"template": {"job": JOB, "batch": BATCH}}, "template", "Give either a job or a batch"),
        ({"template": {"batch": {"kind": "x"}}}, "template.batch.vary", "This is needed."),
        ({"template": {"batch": BATCH | {"kind": "x"}}}, "template.batch.kind", "There is no kind “x”"),
        ({"template": {"batch": BATCH | {"vary": {}}}}, "template.batch.vary", "Name at least one field"),
        ({"template": {"batch": BATCH | {"vary": {"speed": [99]}}}}, "template.batch.vary.speed", "99: Must be"),
        ({"template": {"batch": BATCH | {"params": {"text": "{x}"}}}}, "template.batch.params.text", "no variable {x}"),
        ({"template": {"batch": BATCH | {"vary": {"text": ["{x}"]}}}}, "template.batch.vary.text.0", "no variable {x}"),
        ({"template": {"batch": BATCH | {"device": "mars/cuda:0"}}}, "template.batch.device", "There is no device"),
        ({"template": {"batch": BATCH | {"params": {}}}}, "template.batch.params.text", "This is needed."),
        ({"template": {"job": JOB | {"priority": 11}}}, "template.job.priority", "Must be 9 or less."),
        ({"template": {"job": JOB | {"kind": "nope"}}}, "template.job.kind", "There is no kind “nope”"),
        ({"template": {"job": JOB | {"params": {}}}}, "template.job.params.text", "This is needed."),
        (
            {"template": {"job": JOB | {"params": {"text": "{colour}"}}}},
            "template.job.params.text",
            "There is no variable {colour}; there are {date}, {time}",
        ),
        (
            {"template": {"job": JOB | {"params": {"text": "{"}}}},
            "template.job.params.text",
            "A lone brace: write {{ for {",
        ),
        (
            {"template": {"job": JOB | {"params": {"text": "a", "model": "emoji"}}}},
            "template.job.params.model",
            "The model 'emoji' is for text-to-image.",
        ),
        ({"template": {"job": JOB | {"device": "mars/cuda:0"}}}, "template.job.device", "There is no device"),
    ],
)
def test_what_is_wrong_is_named_with_its_field(api: Api, wrong: dict[str, Any], field: str | None, told: str) -> None:
    kept = api.make()
    for answer in (
        api("POST", "/api/schedules", json=NIGHTLY | wrong),
        api("PATCH", kept["links"]["self"], json=wrong),
    ):
        assert answer.status_code == 422, answer.text
        assert answer.json.get("field") == field
        assert told in answer.json["detail"]
    assert api("GET", kept["links"]["self"]).json == kept


@pytest.mark.parametrize("body", [b"{", b"", b"null", b"[]", b'"text"', b"\xff\xfe\x00", b'{"name": "\\u0000"}'])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_bad_bodies_are_no_server_error(api: Api, body: bytes, method: str) -> None:
    path = "/api/schedules" if method == "POST" else api.make()["links"]["self"]
    assert api(method, path, data=body, content_type="application/json").status_code in {400, 422}


@pytest.mark.parametrize("depth", [100, 300, 600, 900, 5000])
def test_deeply_nested_params_are_no_server_error(api: Api, depth: int) -> None:
    deep = ('{"a":' * depth + '"{colour}"' + "}" * depth).encode()
    body = b'{"name": "n", "cron": "@daily", "template": {"job": {"kind": "generate_speech", "params": ' + deep + b"}}}"
    assert api("POST", "/api/schedules", data=body, content_type="application/json").status_code in {400, 422}


def test_another_owners_schedule_is_not_there(api: Api, stranger: Api) -> None:
    links = api.make()["links"]
    for method, path, body in (
        ("GET", links["self"], None),
        ("PATCH", links["self"], {"name": "mine"}),
        ("POST", links["pause"], {"reason": "mine"}),
        ("POST", links["resume"], None),
        ("POST", links["run"], None),
        ("GET", links["runs"], None),
        ("DELETE", links["self"], None),
    ):
        assert stranger(method, path, json=body).status_code == 404, path
    assert stranger("GET", "/api/schedules").json["schedules"] == []
    assert api("GET", links["self"]).json["pause_reason"] is None


@pytest.mark.parametrize("schedule_id", ["x", "sch_", "sch_" + "0" * 26, "sch_%00", "é" * 30])
def test_ids_that_are_none_are_404_or_400(api: Api, schedule_id: str) -> None:
    assert api("GET", f"/api/schedules/{schedule_id}").status_code in {400, 404, 422}


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "cursor=nope", "nope=1"])
def test_bad_queries_are_refused(api: Api, query: str) -> None:
    assert api("GET", f"/api/schedules?{query}").status_code == 422
    assert api("GET", f"{api.make()['links']['runs']}?{query}").status_code == 422


def test_a_key_that_only_reads_changes_nothing(app: Flask, db: Database, owner: Owner, api: Api) -> None:
    reader = Api(app.test_client(), keys.create(db, owner.id, "r", ("jobs:read",)).secret)
    links = api.make()["links"]
    assert reader("GET", links["self"]).status_code == 200
    assert reader("GET", "/api/cron?cron=@daily").status_code == 200
    assert reader("POST", links["run"]).json["code"] == "missing_scope"
    assert reader("POST", "/api/schedules", json=NIGHTLY).status_code == 403


# ---- cron while one types ---------------------------------------------------------------------------------------


def test_cron_is_read_back_with_the_next_five_due_ticks(api: Api) -> None:
    asked = {"cron": "0 9 * * 1-5", "zone": "Asia/Shanghai"}
    english = api("GET", "/api/cron", query_string=asked).json
    chinese = api("GET", "/api/cron", query_string=asked | {"lang": "zh"}).json
    assert english["sentence"] == "At 09:00 from Monday to Friday."
    assert chinese["sentence"] == "每周一至周五，09:00。"
    assert english["next"] == chinese["next"]
    assert len(english["next"]) == 5
    assert all(each.endswith("T09:00:00+08:00") for each in english["next"])


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"cron": "* * * *"}, "cron"),
        ({"cron": "x" * 1000}, "cron"),
        ({}, "cron"),
        ({"cron": "@daily", "zone": "Nowhere"}, "zone"),
        ({"cron": "@daily", "lang": "fr"}, "lang"),
    ],
)
def test_what_cannot_be_read_back_says_why(api: Api, asked: dict[str, str], field: str) -> None:
    answer = api("GET", "/api/cron", query_string=asked)
    assert (answer.status_code, answer.json["field"]) == (422, field)
    assert answer.json["detail"]


def test_answers_are_as_described(api: Api) -> None:
    document = api("GET", "/openapi.json").json
    schedule = api.make(cron="* * * * *")
    api("POST", schedule["links"]["run"])
    for name, body in (
        ("ScheduleBody", schedule),
        ("SchedulePageBody", api("GET", "/api/schedules").json),
        ("RunPageBody", api("GET", schedule["links"]["runs"]).json),
        ("CronBody", api("GET", "/api/cron?cron=@daily").json),
    ):
        components = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.validate(body, components)
