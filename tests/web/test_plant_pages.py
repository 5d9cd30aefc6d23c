"""Devices, models and keys as a browser without a script sees them, and the API of draining."""

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shared import attempts, claims, devices, jobs, keys, library, owners, plant
from shared.claims import Claimant
from shared.db import Database
from shared.devices import Report, Resident
from shared.job import Job, Progress
from shared.owners import Owner
from tests.web.conftest import Visitor
from tests.web.driving import Driver

GB = 10**9
GPU = "studio/cuda:0"


def put(db: Database, id_: str = GPU, state: Any = "idle", **more: Any) -> None:
    """A device that reports now."""
    host, _, name = id_.partition("/")
    given = {"memory_total": 16 * GB, "memory_used": 9 * GB, **more}
    pool = "cpu" if name == "cpu" else "gpu"
    devices.report(db, Report(id_, host, name, "RTX 4080", pool, "wkr_x", state, **given))


def silence(db: Database, id_: str = GPU) -> None:
    """Make it as if the device had last reported ten minutes ago."""
    db.one("update devices set heartbeat_at = now() - interval '10 min' where id = %(id)s returning id", {"id": id_})


def start(db: Database, owner: Owner, prompt: str, device: str = GPU) -> Job:
    """A job of this owner that runs on the device."""
    jobs.submit(db, owner, "generate_image", {"prompt": prompt})
    job = claims.claim(db, Claimant("wkr_x", device, ("accelerated",)), lease_s=600)
    assert job is not None
    attempts.pulse(db, job, 600, Progress(2, 8, "Step 2 of 8"))
    return job


def visitor_with(app: Flask, db: Database, owner: Owner, *scopes: str) -> Visitor:
    """The owner, logged in with a key that has these scopes alone."""
    visitor = Visitor(app.test_client())
    assert visitor.post("/login", key=keys.create(db, owner.id, "few", scopes).secret).status_code == 303
    return visitor


def version(text: str) -> str:
    found = re.search(r'data-poll="[^"]*seen=([0-9a-f]+)', text)
    assert found is not None
    return found[1]


# ---- devices --------------------------------------------------------------------------------------------------------


def test_without_a_device_the_page_says_how_to_start_one(mine: Visitor) -> None:
    text = mine.get("/devices").text
    assert "No device is up" in text
    assert "python -m worker" in text
    assert '<noscript><meta http-equiv="refresh"' in text


def test_a_device_shows_its_job_and_its_memory(mine: Visitor, db: Database, owner: Owner) -> None:
    job = start(db, owner, "a red apple")
    emoji, digits = (library.get(db, owner.id, name).key for name in ("emoji", "digits"))
    put(db, state="busy", job_id=job.id, resident=(Resident(emoji, 4 * GB), Resident(digits, 2 * GB)))
    text = mine.get("/devices").text
    for words in ("1 device is up, 1 busy", "a red apple", "Busy", 'value="25"', "9.0 GB of 16.0 GB", "seen"):
        assert words in text, words
    assert f'href="/jobs/{job.id}"' in text
    widths = re.findall(r'<rect class="(shade-\w+)" x="(\d+)" width="(\d+)" height="18"', text)
    assert widths == [("shade-0", "0", "250"), ("shade-1", "250", "125"), ("shade-other", "375", "188")]
    assert "4.0 GB" in text
    assert "3.0 GB" in text
    assert " style=" not in text


def test_another_owners_job_and_model_are_not_named(mine: Visitor, theirs: Visitor, db: Database, owner: Owner) -> None:
    library.add(db, owner.id, name="my-secret", task="upscale", source="hub:me/x", revision="1" * 40)
    held = Resident(library.get(db, owner.id, "my-secret").key, GB)
    job = start(db, owner, "my secret plan")
    put(db, state="busy", job_id=job.id, resident=(held,))
    silent = start(db, owner, "my other secret", "attic/cuda:0")
    put(db, "attic/cuda:0", "busy", job_id=silent.id)
    silence(db, "attic/cuda:0")
    for path in ("/devices", "/devices/list", "/models"):
        text = theirs.get(path).text
        assert "secret" not in text, path
        assert job.id not in text, path
        assert silent.id not in text, path
    text = theirs.get("/devices").text
    assert "Another owner" in text
    assert 'value="25"' in text
    assert "A model that is not in your library" in text
    text = mine.get("/devices").text
    assert "my secret plan" in text
    assert "my-secret" in text


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        ("runs", "goes back to the queue when its lease ends"),
        ("queued", "went back to the queue."),
        ("elsewhere", "runs on attic/cuda:0 now"),
        ("done", "is done, by studio/cuda:0"),
        ("failed", "has failed"),
        ("cancelled", "was cancelled"),
        ("deleted", "has been deleted since"),
        ("none", "It ran no job."),
    ],
)
def test_a_lost_device_says_what_became_of_its_job(
    mine: Visitor, db: Database, owner: Owner, fate: str, words: str
) -> None:
    job = start(db, owner, "a lost apple")
    put(db, state="busy", job_id={"none": None, "deleted": "job_gone"}.get(fate, job.id))
    silence(db)
    if fate in {"queued", "elsewhere"}:
        assert attempts.reclaim(db, GPU, "wkr_next").requeued == 1
    if fate == "elsewhere":
        claims.claim(db, Claimant("wkr_y", "attic/cuda:0", ("accelerated",)), lease_s=600)
    if fate == "done":
        attempts.finish(db, job, [], progress=Progress(8, 8), metrics={})
    if fate == "failed":
        attempts.fail(db, job, "broken", "It broke.")
    if fate == "cancelled":
        jobs.cancel(db, owner.id, job.id)
        attempts.stop(db, job)
    text = mine.get("/devices").text
    assert "Lost" in text
    assert "10 min ago" in text
    assert words in text
    assert "No device is up" in text
    assert ("a lost apple" in text) == (fate not in {"deleted", "none"})


def test_a_quarantined_device_says_why(mine: Visitor, db: Database) -> None:
    put(db, state="quarantined", note="Failed 3 times in ten minutes; it is tried again in 4 min.")
    text = mine.get("/devices").text
    assert "Quarantined" in text
    assert "tried again in 4 min" in text


def test_the_line_of_each_pool_and_its_wait(mine: Visitor, db: Database, driver: Driver) -> None:
    for number in range(3):
        driver.submit(prompt=f"apple {number}")
    driver.submit("generate_text", prompt="hello")
    assert "no device is up for it" in mine.get("/devices").text
    put(db)
    put(db, "attic/cuda:0")
    text = mine.get("/devices").text
    assert "Any accelerator" in text
    assert "Image 3, Text 1" in text
    assert "about 2.0 s" in text
    found = plant.queues(db)
    assert [(queue.pool, queue.waiting, queue.running, queue.wait_s) for queue in found] == [("accelerated", 4, 0, 2.0)]


def test_draining_by_page_is_an_admins(mine: Visitor, theirs: Visitor, db: Database, client: FlaskClient) -> None:
    put(db)
    assert "Drain" in mine.get("/devices").text
    assert "Drain" not in theirs.get("/devices").text
    for verb in ("drain", "resume"):
        assert theirs.post(f"/devices/{GPU}/{verb}").status_code == 403
        assert client.post(f"/devices/{GPU}/{verb}", data={"csrf_token": "guessed"}).status_code == 403
        assert mine.post(f"/devices/none/cpu/{verb}").status_code == 404
    assert not devices.get(db, GPU).drain_requested
    answer = mine.post(f"/devices/{GPU}/drain")
    assert (answer.status_code, answer.location) == (303, "/devices")
    text = mine.get("/devices").text
    assert "Drained" in text
    assert "Take jobs again" in text
    mine.post(f"/devices/{GPU}/resume")
    assert not devices.get(db, GPU).drain_requested
    assert "Idle" in mine.get("/devices").text


def test_a_device_that_drains_still_runs_its_job(mine: Visitor, db: Database, owner: Owner) -> None:
    job = start(db, owner, "the last one")
    put(db, state="busy", job_id=job.id)
    devices.drain(db, GPU)
    text = mine.get("/devices").text
    assert "Draining" in text
    assert "the last one" in text


def test_draining_by_api(client: FlaskClient, secret: str, stranger_secret: str, db: Database) -> None:
    put(db)

    def post(path: str, key: str) -> Any:
        return client.post(f"/api/devices/{path}", headers={"Authorization": f"Bearer {key}"})

    assert post(f"{GPU}/drain", secret).json["drain_requested"] is True
    assert devices.get(db, GPU).drain_requested
    assert post(f"{GPU}/resume", secret).json["drain_requested"] is False
    assert post(f"{GPU}/drain", stranger_secret).status_code == 403
    assert post("nowhere/cpu/drain", secret).status_code == 404
    assert not devices.get(db, GPU).drain_requested


def test_unchanged_lists_are_not_sent_again(mine: Visitor, client: FlaskClient, db: Database, owner: Owner) -> None:
    put(db, memory_total=18 * GB)
    for path in ("/devices/list", "/models/-/list", "/keys/list"):
        seen = version(client.get(path).text)
        # The minute is a part of what is seen, and may just have changed.
        if client.get(f"{path}?seen={seen}").status_code != 204:
            seen = version(client.get(path).text)
            assert client.get(f"{path}?seen={seen}").status_code == 204, path
    seen = version(client.get("/devices/list").text)
    put(db, memory_total=18 * GB, memory_used=9 * GB + 1000)
    assert client.get(f"/devices/list?seen={seen}").status_code == 204
    put(db, memory_total=18 * GB, memory_used=10 * GB)
    assert client.get(f"/devices/list?seen={seen}").status_code == 200


# ---- models ---------------------------------------------------------------------------------------------------------


def test_models_by_task_and_by_words(mine: Visitor, db: Database, owner: Owner) -> None:
    put(db, resident=(Resident(library.get(db, owner.id, "emoji").key, GB),))
    text = mine.get("/models").text
    assert text.index("Text generation") < text.index("Text to image") < text.index("Enlarging pictures")
    assert "7 models in the library" in text
    assert GPU in text
    assert 'href="/models/emoji"' in text

    def shown(words: str) -> set[str]:
        return set(re.findall(r'href="/models/([\w-]+)"', mine.get(f"/models?q={words}").text))

    assert shown("EMOJI") == {"emoji"}
    assert shown("text-to+demo") == {"emoji", "digits", "hibari", "latent-walk"}
    assert shown("nothing") == set()
    assert "No models match" in mine.get("/models?q=nothing").text


def test_an_empty_library_says_what_it_is_for(mine: Visitor, db: Database, owner: Owner) -> None:
    for model in library.list_models(db, owner.id):
        library.remove(db, None, model.name)
    assert "No models yet" in mine.get("/models").text


def test_a_models_page(mine: Visitor, db: Database, owner: Owner, driver: Driver) -> None:
    pinned = "a" * 40
    add = {"task": "text-to-image", "source": "hub:me/x", "revision": pinned}
    library.add(db, owner.id, name="me/base", licence="OpenRAIL-M", base="elsewhere", **add)
    library.add(db, owner.id, name="me/harbor/v3", base="me/base", title="Harbor <3", **add)
    library.add(db, owner.id, name="me/child", base="me/harbor/v3", **add)
    put(db, resident=(Resident(library.get(db, owner.id, "me/harbor/v3").key, GB),))
    driver.submit(prompt="x", model="me/harbor/v3")
    driver.finish(driver.claim())
    text = mine.get("/models/me/harbor/v3").text
    for words in (
        "Harbor &lt;3",
        "hub:me/x",
        pinned,
        "OpenRAIL-M",
        "inherited from",
        "measured on 1 job",
        GPU,
        "yours",
    ):
        assert words in text, words
    for address in ("/models/me/base", "/models/me/child", "/?kind=generate_image&amp;model=me/harbor/v3"):
        assert f'href="{address}"' in text, address
    assert "not in the library" in text
    form = mine.get("/?kind=generate_image&model=me/harbor/v3").text
    assert re.search(r'<option value="me/harbor/v3" selected', form)


def test_a_base_that_leads_in_a_circle_ends(mine: Visitor, db: Database, owner: Owner) -> None:
    add = {"task": "upscale", "source": "hub:me/x", "revision": "a" * 40}
    library.add(db, owner.id, name="one", base="two", **add)
    library.add(db, owner.id, name="two", base="one", **add)
    library.add(db, owner.id, name="self", base="self", **add)
    for name in ("one", "two", "self"):
        assert mine.get(f"/models/{name}").status_code == 200


def test_another_owners_model_is_not_there(theirs: Visitor, db: Database, owner: Owner) -> None:
    library.add(db, owner.id, name="mine", task="upscale", source="hub:me/x", revision="a" * 40)
    assert theirs.get("/models/mine").status_code == 404
    assert "hub:me/x" not in theirs.get("/models").text


def test_adding_a_model_keeps_what_is_typed_until_it_is_right(mine: Visitor, db: Database, owner: Owner) -> None:
    typed = {"name": "harbor/v1", "task": "text-to-image", "source": "hub:me/harbor", "licence": 'MIT "or" <so>'}
    answer = mine.post("/models/-/add", **typed)
    assert answer.status_code == 422
    assert "needs a pinned revision" in answer.text
    assert re.search(r'name="revision"[^>]*aria-invalid="true" autofocus', answer.text)
    for words in ("harbor/v1", "hub:me/harbor", "MIT &#34;or&#34; &lt;so&gt;", '"text-to-image" selected'):
        assert words in answer.text, words
    made = mine.post("/models/-/add", **typed, revision="a" * 40)
    assert (made.status_code, made.location) == (303, "/models/harbor/v1")
    assert mine.get(made.location).status_code == 200
    again = mine.post("/models/-/add", **typed, revision="a" * 40)
    assert again.status_code == 422
    assert re.search(r'name="name"[^>]*aria-invalid="true" autofocus', again.text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "../x"),
        ("name", "a/../b"),
        ("name", "a//b"),
        ("name", "a/"),
        ("name", "x" * 101),
        ("task", "No Such"),
        ("source", ""),
        ("source", "ftp:x"),
        ("source", "folder:relative"),
        ("source", "artifact:art_none"),
        ("file", "a/b"),
        ("licence", "x" * 101),
        ("title", "\x00"),
    ],
)
def test_what_is_wrong_with_a_model_is_named(mine: Visitor, field: str, value: str) -> None:
    typed = {"name": "x", "task": "upscale", "source": "hub:me/x", "revision": "a" * 40} | {field: value}
    answer = mine.post("/models/-/add", **typed)
    assert answer.status_code == 422
    assert re.search(rf'name="{field}"[^>]*aria-invalid="true" autofocus', answer.text), answer.text


def test_the_admins_part_of_the_library(app: Flask, mine: Visitor, db: Database, owner: Owner) -> None:
    few = visitor_with(app, db, owner, "jobs:read", "models:write")
    form = {"name": "here", "task": "upscale", "source": "folder:/tmp"}
    refused = few.post("/models/-/add", **form)
    assert refused.status_code == 422
    assert "Only an admin key" in refused.text
    assert few.post("/models/-/add", **form | {"source": "hub:me/x", "revision": "a" * 40}).status_code == 303
    assert library.get(db, owner.id, "here").owner_id == owner.id
    assert "popover" not in few.get("/models/emoji").text
    assert few.post("/models/emoji/remove").status_code == 403
    assert few.post("/models/here/remove").status_code == 303
    assert few.get("/models/here").status_code == 404
    assert "Remove" in mine.get("/models/emoji").text
    assert mine.post("/models/emoji/remove").location == "/models"
    assert mine.get("/models/emoji").status_code == 404


def test_who_may_only_look_sees_no_forms(theirs: Visitor) -> None:
    assert "Add a model" not in theirs.get("/models").text
    assert "popover" not in theirs.get("/models/emoji").text
    assert theirs.get("/models/-/add").status_code == 403
    assert theirs.post("/models/-/add").status_code == 403
    assert theirs.post("/models/emoji/remove").status_code == 403


# ---- keys -----------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_works(
    mine: Visitor, client: FlaskClient, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = mine.post("/keys", label="laptop <b>", scopes="jobs:read", rate_per_minute="50", expires_at="2099-01-31")
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    found = re.search(r'id="secret">(atl_[\w-]+)<', answer.text)
    assert found is not None
    made = found[1]
    assert f"curl -H &#34;Authorization: Bearer {made}&#34; http://localhost/api/jobs" in answer.text.replace(
        '"', "&#34;"
    )
    works = app.test_client().get("/api/jobs", headers={"Authorization": f"Bearer {made}"})
    assert works.status_code == 200
    assert app.test_client().get("/api/keys", headers={"Authorization": f"Bearer {made}"}).status_code == 403
    page = mine.get("/keys")
    assert page.headers["Cache-Control"] == "no-store"
    for words in ("laptop &lt;b&gt;", made[:8], "50 a minute", "2099-01-31 23:59:59 UTC", "this session"):
        assert words in page.text, words
    for text in (page.text, mine.get("/keys/list").text, caplog.text):
        assert made not in text
    with client.session_transaction() as session:
        assert made not in str(dict(session))


def test_what_is_wrong_with_a_key_is_named(mine: Visitor, db: Database, owner: Owner) -> None:
    before = len(keys.list_keys(db, owner.id))
    good = {"label": "typed label", "scopes": "models:write"}
    for field, value in (
        ("label", ""),
        ("label", "x" * 101),
        ("scopes", "everything"),
        ("expires_at", "2001-01-31"),
        ("expires_at", "soon"),
        ("expires_at", "9999-12-31"),
        ("rate_per_minute", "0"),
        ("rate_per_minute", "many"),
    ):
        answer = mine.post("/keys", **good | {field: value})
        assert answer.status_code == 422, (field, value)
        assert answer.headers["Cache-Control"] == "no-store"
        assert re.search(rf'name="{field}"[^>]*aria-invalid="true" autofocus', answer.text), (field, value)
        if field != "label":
            assert 'value="typed label"' in answer.text
        if field != "scopes":
            assert 'value="models:write" checked' in answer.text
    assert mine.post("/keys", label="none").status_code == 422
    assert len(keys.list_keys(db, owner.id)) == before


def test_a_key_gives_no_more_than_it_has(app: Flask, db: Database, owner: Owner, theirs: Visitor) -> None:
    few = visitor_with(app, db, owner, "jobs:read", "keys:write")
    assert re.search(r'value="admin" disabled', few.get("/keys").text)
    assert few.post("/keys", label="more", scopes="admin").status_code == 422
    assert few.post("/keys", label="less", scopes="jobs:read").status_code == 201
    assert theirs.get("/keys").status_code == 403
    assert 'href="/keys"' not in theirs.get("/jobs").text
    assert 'href="/keys"' in few.get("/jobs").text


def test_revoking(mine: Visitor, db: Database, owner: Owner, app: Flask) -> None:
    other = keys.create(db, owner.id, "other")
    foreign = keys.create(db, owners.ensure(db, "somebody").id, "foreign")
    assert f'popovertarget="ask-{other.key.id}"' in mine.get("/keys").text
    assert mine.post(f"/keys/{foreign.key.id}/revoke").status_code == 404
    assert mine.post("/keys/key_none/revoke").status_code == 404
    assert mine.client.post(f"/keys/{other.key.id}/revoke", data={"csrf_token": "no"}).status_code == 403
    assert mine.post(f"/keys/{other.key.id}/revoke").location == "/keys"
    text = mine.get("/keys").text
    assert "Revoked" in text
    assert f'popovertarget="ask-{other.key.id}"' not in text
    assert app.test_client().get("/api/jobs", headers={"Authorization": f"Bearer {other.secret}"}).status_code == 401


def test_an_expired_key_says_so(mine: Visitor, db: Database, owner: Owner) -> None:
    keys.create(db, owner.id, "short", expires_at=datetime.now(UTC) - timedelta(hours=1))
    assert "Expired" in mine.get("/keys").text


# ---- every page -----------------------------------------------------------------------------------------------------


def test_the_pages_need_no_inline_script_or_style_and_no_other_site(mine: Visitor, db: Database) -> None:
    put(db)
    for path in ("/devices", "/models", "/models/emoji", "/models/-/add", "/keys", "/nowhere"):
        text = mine.get(path).text
        assert "<style" not in text, path
        assert " style=" not in text, path
        assert "<script>" not in text, path
        assert "http://" not in text.replace("http://localhost", ""), path


def test_a_page_that_is_not_there_leads_on(mine: Visitor) -> None:
    for path in ("/nowhere", "/models/none", "/devices/none"):
        answer = mine.get(path)
        assert answer.status_code == 404
        for address in ("/", "/jobs", "/models", "/devices"):
            assert re.search(rf'<a class="button[^"]*" href="{address}"', answer.text), (path, address)
