"""Uploads as rows and bytes: owners, refs at submit, deletion while jobs need them, the sweep, places for pieces."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shared import artifacts, attempts, batches, claims, gallery, jobs, kinds, schedules, staging, uploads
from shared.claims import Claimant
from shared.db import Database
from shared.errors import AtelierError, Conflict, Invalid, NotFound, TooMany
from shared.inputs import fits
from shared.intake.caps import Caps
from shared.job import Artifact, Progress
from shared.owners import Owner
from shared.schedule import Terms
from shared.sources import Listed
from shared.staging import Staging
from shared.storage import Storage
from shared.uploads import Arrived
from tests.web import collage

Keep = Callable[..., Artifact]
JOB: dict[str, Any] = {"prompt": "x"}


@pytest.fixture(autouse=True)
def _collage() -> Iterator[None]:
    with collage.installed():
        yield


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(f"file://{tmp_path}/store")


@pytest.fixture
def keep(db: Database, owner: Owner, storage: Storage, tmp_path: Path) -> Keep:
    """Uploads a picture of a colour, or a text."""

    def keep(what: str = "teal", to: Owner = owner, name: str = "") -> Artifact:
        path = tmp_path / "sent"
        if name:
            path.write_text(what)
        else:
            Image.new("RGB", (20, 10), what).save(path, "png")
        return uploads.keep(db, storage, to.id, Arrived(path, name or f"{what}.png"), Caps()).artifact

    return keep


def test_a_ref_is_checked_at_submit_and_its_field_is_named(
    db: Database, owner: Owner, stranger: Owner, keep: Keep
) -> None:
    mine, text, theirs = keep(), keep("words\n", name="a.txt"), keep(to=stranger)
    assert jobs.submit(db, owner, "collage", JOB | {"image": mine.id, "words": text.id}).job.params["image"] == mine.id
    wrong = {
        "image": [(theirs.id, "unknown_input"), (f"art_{'0' * 26}", "unknown_input"), (text.id, "wrong_medium")],
        "sound": [(mine.id, "wrong_medium")],
    }
    for field, refs in wrong.items():
        for ref, code in refs:
            with pytest.raises(Invalid) as caught:
                jobs.submit(db, owner, "collage", JOB | {"image": mine.id, field: ref})
            assert (caught.value.field, caught.value.code) == (field, code)
    with pytest.raises(Invalid, match="image"):
        batches.submit(db, owner, "collage", Listed({}, [JOB | {"image": mine.id}, JOB | {"image": theirs.id}]))
    template = {"job": {"kind": "collage", "params": JOB | {"image": theirs.id}}}
    with pytest.raises(Invalid) as caught:
        schedules.create(db, owner, Terms.model_validate({"name": "s", "cron": "0 0 * * *", "template": template}))
    assert caught.value.errors[0]["field"] == "template.job.params.image"


def test_all_refs_are_one_query_and_a_kind_without_inputs_asks_none(
    db: Database, owner: Owner, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, text = keep(), keep("words\n", name="a.txt")
    asked: list[str] = []
    one = db.one
    monkeypatch.setattr(db, "one", lambda query, given: (asked.append(query), one(query, given))[1])
    jobs.check(db, owner.id, kinds.validate("collage", JOB | {"image": mine.id, "words": text.id}))
    assert len(asked) == 1
    asked.clear()
    jobs.check(db, owner.id, kinds.validate("probe", {}))
    assert asked == []
    batches.submit(db, owner, "collage", Listed({}, [JOB | {"image": mine.id}] * 50))
    assert sum("json_object_agg" in each for each in asked) == 1


def test_an_upload_that_a_job_needs_stays(db: Database, owner: Owner, stranger: Owner, keep: Keep) -> None:
    mine = keep()
    job = jobs.submit(db, owner, "collage", JOB | {"image": mine.id}).job
    with pytest.raises(Conflict, match=job.id):
        uploads.remove(db, owner.id, mine.id)
    with pytest.raises(NotFound):
        uploads.remove(db, stranger.id, mine.id)
    jobs.cancel(db, owner.id, job.id)
    uploads.remove(db, owner.id, mine.id)
    assert uploads.page(db, owner.id).items == []
    with pytest.raises(Invalid, match="no such file"):
        jobs.retry(db, owner, job.id)


def test_the_sweep_keeps_what_is_named_and_deletes_what_was(
    db: Database, owner: Owner, keep: Keep, storage: Storage
) -> None:
    mine, other = keep(), keep("red")
    later = datetime.now(UTC) + timedelta(hours=2)
    assert artifacts.discard_orphans(db, later, storage.delete) == 0
    uploads.remove(db, owner.id, mine.id)
    assert artifacts.discard_orphans(db, later, storage.delete) == 1
    assert list(storage.keys()) == [other.key]
    # The same bytes again are looked at again, and have an id of their own.
    again = keep()
    assert (again.sha256, again.id != mine.id) == (mine.sha256, True)


def test_the_gallery_and_jobs_do_not_show_uploads(db: Database, owner: Owner, keep: Keep) -> None:
    mine = keep()
    job = jobs.submit(db, owner, "collage", JOB | {"image": mine.id}).job
    claimed = claims.claim(db, Claimant("wkr_test", "host/cpu", ("accelerated",)), lease_s=60)
    assert claimed is not None
    attempts.finish(db, claimed, [], progress=Progress(1, 1), metrics={})
    assert gallery.page(db, owner.id, role=None, media="").items == []
    assert gallery.newer(db, owner.id, "art_0") == 0
    assert artifacts.of_jobs(db, owner.id, [job.id]) == {job.id: []}
    for ask in (lambda: gallery.items(db, owner.id, [mine.id]), lambda: gallery.star(db, owner.id, mine.id)):
        with pytest.raises(NotFound):
            ask()
    assert artifacts.get(db, owner.id, mine.id).starred_at is None
    assert [each.id for each in uploads.recent(db, owner.id, ["image"])] == [mine.id]
    assert uploads.recent(db, owner.id, ["table", "audio"]) == []


@pytest.mark.parametrize(
    ("media_type", "media", "fit"),
    [
        ("image/png", ("image",), True),
        ("text/plain; charset=utf-8", ("table",), True),
        ("application/jsonl", ("table",), True),
        ("application/jsonl", ("text",), False),
        ("text/csv", ("text",), True),
        ("text/vtt", ("table",), False),
        ("video/mp4", ("image", "audio"), False),
    ],
)
def test_what_is_of_a_medium(media_type: str, media: tuple[str, ...], fit: bool) -> None:
    assert fits(media_type, media) is fit


def test_places_for_pieces_are_few_and_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = Staging(tmp_path)
    begun = [places.begin("own_a", 5, "a", "", None) for _ in range(staging.MOST)]
    with pytest.raises(TooMany):
        places.begin("own_a", 5, "a", "", None)
    places.begin("own_b", 5, "a", "", None)
    with places.appending("own_a", begun[0]) as file:
        file.write(b"12")
        with pytest.raises(Conflict), places.appending("own_a", begun[0]):
            pass
    assert places.offset("own_a", begun[0]) == 2
    for wrong in ("../own_b", begun[0].id.upper(), "upl_" + "0" * 26):
        with pytest.raises(AtelierError):
            places.get("own_a", wrong)
    monkeypatch.setattr(staging, "LIFE_S", 0.01)
    time.sleep(0.05)
    places.forget()
    assert not list((tmp_path / "uploads").glob("*/*"))
