"""Datasets: entered by the job that made them, found by name and version, pinned at submit, kept as long as needed."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from sqlalchemy import text

from shared import artifacts, attempts, batches, claims, dataset_rows, datasets, jobs, kinds
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.errors import Conflict, Invalid, JobError, NotFound
from shared.job import Job, JobState, Progress
from shared.kinds.params import DatasetRef, Params
from shared.owners import Owner
from shared.sources import Listed
from shared.storage import Storage, fingerprint


class Learn(Params):
    """Names a dataset."""

    title = "Learn"
    summary = "Learns."
    icon = "box"
    output = "data"
    examples = [{"dataset": "data"}]  # noqa: RUF012 - as every kind declares them

    dataset: Annotated[str, DatasetRef("labelled", "chat")]


@pytest.fixture(autouse=True)
def learn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A kind that trains on a dataset, for these tests alone."""
    known, found = kinds.names, kinds.params_class
    monkeypatch.setattr(kinds, "names", lambda: [*known(), "learn"])
    monkeypatch.setattr(kinds, "params_class", lambda kind: Learn if kind == "learn" else found(kind))
    kinds._schema.cache_clear()
    yield
    kinds._schema.cache_clear()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(f"file://{tmp_path}/store")


class Maker:
    """Runs checks as a worker would, without their work."""

    def __init__(self, db: Database, storage: Storage, folder: Path) -> None:
        self.db, self.storage, self.folder = db, storage, folder

    def make(self, owner: Owner, name: str, rows: list[dict[str, Any]], format_: str = "labelled") -> Job:
        source = self._upload(owner)
        job = jobs.submit(self.db, owner, "check_dataset", {"name": name, "source": source}).job
        claimant = Claimant("wkr_1", "dev_1", ("cpu",))
        claimed = claims.claim(self.db, claimant, lease_s=60)
        assert claimed is not None
        assert claimed.id == job.id
        made = self._packed(owner, name, rows, format_)
        attempts.finish(self.db, claimed, [made], progress=Progress(), metrics={})
        return claimed

    def _packed(self, owner: Owner, name: str, rows: list[dict[str, Any]], format_: str) -> NewArtifact:
        path = self.folder / "made.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo("train.jsonl"), "".join(json.dumps(row) + "\n" for row in rows))
        content, size = fingerprint(path), sum(len(json.dumps(row)) + 1 for row in rows)
        key = artifacts.blob_key(owner.id, content.sha256)
        artifacts.announce(self.db, {key: content.size})
        self.storage.put(key, path)
        splits = {"train": len(rows), "validation": 0, "test": 0}
        report = {"places": {"train": [41, size]}}
        meta = {"name": name, "format": format_, "splits": splits, "report": report}
        return NewArtifact("dataset", "made.zip", "application/zip", content.size, content.sha256, key, meta)

    def _upload(self, owner: Owner) -> str:
        ref = "art_" + "1" * 26
        with self.db.begin() as connection:
            connection.execute(text("insert into blobs values ('x', 1) on conflict do nothing"))
            connection.execute(
                text(
                    "insert into artifacts (id, owner_id, attempt, position, role, name, media_type, size, sha256, key)"
                    " values (:id, :owner, 0, 0, 'input', 'x.jsonl', 'application/jsonl', 1, 'x', 'x')"
                    " on conflict (id) do update set owner_id = excluded.owner_id"
                ),
                {"id": ref, "owner": owner.id},
            )
        return ref


@pytest.fixture
def maker(db: Database, storage: Storage, tmp_path: Path) -> Maker:
    return Maker(db, storage, tmp_path)


ROWS = [{"line": 1, "text": "good", "label": "yes"}]
MORE = [*ROWS, {"line": 2, "text": "bad", "label": "no"}]


def test_a_check_enters_a_version_and_the_same_rows_enter_none(db: Database, owner: Owner, maker: Maker):
    # given three checks under one name, two of the same rows
    first = maker.make(owner, "reviews", ROWS)
    maker.make(owner, "reviews", ROWS)
    second = maker.make(owner, "reviews", MORE)

    # then there are two versions, the newest first, each with the job that made it
    (found,) = datasets.list_datasets(db, owner.id)
    assert [(each.number, each.rows, each.job_id) for each in found.versions] == [(2, 2, second.id), (1, 1, first.id)]
    assert datasets.version(db, owner.id, "reviews")[1].number == 2
    assert datasets.version(db, owner.id, "reviews@1")[1].splits["train"] == 1


def test_datasets_are_their_owners_alone(db: Database, owner: Owner, stranger: Owner, maker: Maker):
    maker.make(owner, "reviews", ROWS)
    assert datasets.list_datasets(db, stranger.id) == []
    for act in (datasets.get, datasets.version, datasets.remove):
        with pytest.raises(NotFound, match="You have no dataset “reviews”"):
            act(db, stranger.id, "reviews")
    with pytest.raises(Invalid):
        jobs.submit(db, stranger, "learn", {"dataset": "reviews"})
    # (and both may use the same name)
    maker.make(stranger, "reviews", MORE)
    assert datasets.get(db, owner.id, "reviews").latest.rows == 1


def test_a_job_is_pinned_to_the_version_of_its_submit(db: Database, owner: Owner, maker: Maker):
    maker.make(owner, "reviews", ROWS)
    job = jobs.submit(db, owner, "learn", {"dataset": "reviews"}, idempotency_key="k").job
    assert job.params["dataset"] == "reviews@1"
    # when there is a newer version, the same request is still the same, and a retry trains on the same rows
    maker.make(owner, "reviews", MORE)
    again = jobs.submit(db, owner, "learn", {"dataset": "reviews"}, idempotency_key="k")
    assert (again.created, again.job.id) == (False, job.id)
    jobs.cancel(db, owner.id, job.id)
    assert jobs.retry(db, owner, job.id).job.params["dataset"] == "reviews@1"
    assert jobs.submit(db, owner, "learn", {"dataset": "reviews"}).job.params["dataset"] == "reviews@2"


@pytest.mark.parametrize(
    ("ref", "code", "told"),
    [
        ("nothing", "unknown_dataset", "You have no dataset “nothing”. You have: reviews."),
        ("reviews@7", "unknown_dataset", "has no version 7; its latest is 1"),
        ("texts", "wrong_format", "“texts” is a dataset of the format text; this takes labelled or chat."),
    ],
)
def test_what_cannot_be_trained_on_is_told_at_submit(
    db: Database, owner: Owner, maker: Maker, ref: str, code: str, told: str
):
    maker.make(owner, "reviews", ROWS)
    maker.make(owner, "texts", [{"line": 1, "text": "once"}], "text")
    with pytest.raises(Invalid, match=told) as caught:
        jobs.submit(db, owner, "learn", {"dataset": ref})
    assert (caught.value.code, caught.value.field) == (code, "dataset")


def test_a_dataset_that_a_job_needs_stays(db: Database, owner: Owner, maker: Maker):
    maker.make(owner, "reviews", ROWS)
    job = jobs.submit(db, owner, "learn", {"dataset": "reviews"}).job
    with pytest.raises(Conflict, match=job.id):
        datasets.remove(db, owner.id, "reviews")
    jobs.cancel(db, owner.id, job.id)
    datasets.remove(db, owner.id, "reviews")
    assert datasets.list_datasets(db, owner.id) == []
    with db.begin() as connection:
        assert connection.execute(text("select count(*) from artifacts where role = 'dataset'")).scalar_one() == 0
    with pytest.raises(Invalid):
        jobs.retry(db, owner, job.id)


def test_a_worker_gets_rows_and_files(
    db: Database, owner: Owner, stranger: Owner, maker: Maker, storage: Storage, tmp_path: Path
):
    maker.make(owner, "reviews", MORE)
    found = datasets.resolve(db, storage, owner.id, "reviews@1", tmp_path / "cache")
    again = datasets.resolve(db, storage, owner.id, "reviews@1", tmp_path / "cache")
    assert (found.pinned, found.format, found.rows("train"), found.rows("test")) == ("reviews@1", "labelled", MORE, [])
    assert again.folder == found.folder
    with pytest.raises(JobError, match="You have no dataset"):
        datasets.resolve(db, storage, stranger.id, "reviews@1", tmp_path / "cache")


def test_the_bytes_of_a_dataset_are_no_garbage(db: Database, owner: Owner, maker: Maker, storage: Storage):
    maker.make(owner, "reviews", ROWS)
    with db.begin() as connection:
        connection.execute(text("update blobs set touched_at = now() - interval '30 days'"))
        moment = connection.execute(text("select now()")).scalar_one()
    gone: list[str] = []
    artifacts.discard_orphans(db, moment, gone.append)
    artifact_id = datasets.get(db, owner.id, "reviews").latest.artifact_id
    assert artifacts.get(db, owner.id, artifact_id).key not in gone


def test_the_jobs_of_a_batch_are_pinned_and_checked_again_at_a_retry(db: Database, owner: Owner, maker: Maker):
    maker.make(owner, "reviews", ROWS)
    batch = batches.submit(db, owner, "learn", Listed({}, [{"dataset": "reviews"}, {"dataset": "reviews@1"}])).batch
    with db.begin() as connection:
        pinned = connection.execute(text("select params->>'dataset' from jobs where batch_id = :id"), {"id": batch.id})
        assert pinned.scalars().all() == ["reviews@1", "reviews@1"]
        connection.execute(text("update jobs set state = 'failed', finished_at = now() where kind = 'learn'"))
    datasets.remove(db, owner.id, "reviews")
    with pytest.raises(Invalid, match="Nothing was retried"):
        batches.retry(db, owner, batch.id, {JobState.FAILED})
    with pytest.raises(Invalid, match="You have no dataset"):
        batches.submit(db, owner, "learn", Listed({}, [{"dataset": "reviews"}]))


def test_a_page_of_rows_is_read_from_the_middle_of_the_file(db: Database, owner: Owner, maker: Maker, storage: Storage):
    rows = [{"line": line, "text": "ä" * line} for line in range(1, 6)]
    maker.make(owner, "texts", rows, "text")
    found = datasets.get(db, owner.id, "texts").latest
    key = artifacts.get(db, owner.id, found.artifact_id).key
    begin = dataset_rows.page(storage, key, found, "train", limit=2)
    assert [row["line"] for row in begin.rows] == [1, 2]
    rest = dataset_rows.page(storage, key, found, "train", cursor=begin.next, limit=9)
    assert (rest.rows, rest.next) == (rows[2:], None)
    for cursor in ("x", "-1", "10000", "3"):
        with pytest.raises(Invalid):
            dataset_rows.page(storage, key, found, "train", cursor=cursor)
