"""From a model's name to its files: every source, and every way in which it can be wrong."""

import zipfile
from pathlib import Path

import pytest

from shared import archives, artifacts, attempts, claims, jobs, library
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.errors import Conflict, Invalid, JobError, NotFound
from shared.job import Progress
from shared.owners import Owner
from shared.storage import Storage, fingerprint


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(f"file://{tmp_path}/store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "atelier.json").write_text('{"defaults": {"steps": 12}}')
    return made


def test_a_folder_is_resolved_with_its_defaults(db: Database, owner: Owner, storage: Storage, folder: Path) -> None:
    added = library.add(db, owner.id, name="mine", task="text-to-image", source=f"folder:{folder}")
    source = library.resolve(db, storage, owner.id, "mine", folder.parent / "cache")
    assert (source.folder, source.defaults) == (folder, {"steps": 12})
    assert added.sha256 is not None
    assert source.key.startswith("mine@")


def test_the_identity_of_a_model_changes_with_its_content(db: Database, owner: Owner, folder: Path) -> None:
    first = library.add(db, owner.id, name="one", task="text-to-image", source=f"folder:{folder}")
    (folder / "config.json").write_text('{"changed": true}')
    second = library.add(db, owner.id, name="two", task="text-to-image", source=f"folder:{folder}")
    assert first.sha256 != second.sha256


def test_starters_are_those_whose_packages_are_here(
    db: Database, owner: Owner, storage: Storage, tmp_path: Path
) -> None:
    names = library.ensure_starters(db)
    assert {"smollm2-135m", "hibari", "digits", "emoji", "realesrgan-anime"} <= set(names)
    assert library.ensure_starters(db) == names
    source = library.resolve(db, storage, owner.id, "smollm2-135m", tmp_path)
    assert source.file is not None
    assert (source.folder / source.file).is_file()


def test_an_owner_sees_its_own_models_and_everybodys(db: Database, owner: Owner, stranger: Owner, folder: Path) -> None:
    library.add(db, owner.id, name="mine", task="text-to-image", source=f"folder:{folder}")
    library.add(db, None, name="ours", task="text-to-image", source=f"folder:{folder}")
    assert [model.name for model in library.list_models(db, owner.id)] == ["mine", "ours"]
    assert [model.name for model in library.list_models(db, stranger.id)] == ["ours"]
    with pytest.raises(NotFound):
        library.get(db, stranger.id, "mine")
    with pytest.raises(NotFound):
        library.remove(db, stranger.id, "ours")


def test_a_name_is_taken_once_by_each(db: Database, owner: Owner, folder: Path) -> None:
    library.add(db, owner.id, name="x", task="text-to-image", source=f"folder:{folder}")
    library.add(db, None, name="x", task="text-to-image", source=f"folder:{folder}")
    for who in (owner.id, None):
        with pytest.raises(Conflict):
            library.add(db, who, name="x", task="text-to-image", source=f"folder:{folder}")


@pytest.mark.parametrize(
    "source",
    ["folder:relative", "folder:/no/such", "package:no_such_package/x", "package:shared/../..", "hub:a/b", "ftp:x", ""],
)
def test_bad_sources_are_refused(db: Database, owner: Owner, source: str) -> None:
    with pytest.raises(Invalid):
        library.add(db, owner.id, name="x", task="text-to-image", source=source)


def test_a_model_that_is_gone_is_a_clear_job_error(db: Database, owner: Owner, storage: Storage, folder: Path) -> None:
    with pytest.raises(JobError, match="no model 'nope'"):
        library.resolve(db, storage, owner.id, "nope", folder)
    library.add(db, owner.id, name="m", task="text-to-image", source=f"folder:{folder}")
    for each in folder.iterdir():
        each.unlink()
    folder.rmdir()
    with pytest.raises((JobError, Invalid)):
        library.resolve(db, storage, owner.id, "m", folder.parent)


def test_a_model_that_a_job_made_can_be_used(
    db: Database, owner: Owner, stranger: Owner, storage: Storage, folder: Path, tmp_path: Path
) -> None:
    archive = zipped(tmp_path / "model.zip", {"config.json": b"{}", "sub/weights.safetensors": b"w"})
    jobs.submit(db, owner, "probe", {"steps": 1})
    job = claims.claim(db, Claimant("w", "d", ("accelerated",)), lease_s=30)
    assert job is not None
    content = fingerprint(archive)
    key = artifacts.blob_key(owner.id, content.sha256)
    artifacts.announce(db, {key: content.size})
    storage.put(key, archive)
    made = NewArtifact("model", "model.zip", "application/zip", content.size, content.sha256, key)
    attempts.finish(db, job, [made], progress=Progress(), metrics={})
    artifact_id = artifacts.of_jobs(db, owner.id, [job.id])[job.id][0].id

    library.add(db, owner.id, name="trained", task="text-generation", source=f"artifact:{artifact_id}")
    source = library.resolve(db, storage, owner.id, "trained", tmp_path / "cache")
    assert (source.folder / "sub" / "weights.safetensors").read_bytes() == b"w"

    with pytest.raises(Invalid, match="no such artifact"):
        library.add(db, stranger.id, name="stolen", task="text-generation", source=f"artifact:{artifact_id}")
    # What an administrator makes everybody's is everybody's
    library.add(db, None, name="published", task="text-generation", source=f"artifact:{artifact_id}")
    assert library.resolve(db, storage, stranger.id, "published", tmp_path / "cache").folder == source.folder


@pytest.mark.parametrize("name", ["../out.txt", "/abs.txt", "a/../../out.txt", "back\\slash"])
def test_archives_that_leave_their_folder_are_refused_whole(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "bad.zip", {"good.txt": b"x", name: b"y"})
    with pytest.raises(JobError, match="leaves its folder"):
        archives.unpack_model(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.txt").exists()


def test_bombs_links_and_damage_are_refused(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "bomb.zip", {"zeros": b"\x00" * (64 << 20)})
    with pytest.raises(JobError, match="far more"):
        archives.unpack_model(bomb, tmp_path / "out")
    link = tmp_path / "link.zip"
    with zipfile.ZipFile(link, "w") as opened:
        member = zipfile.ZipInfo("link")
        member.external_attr = 0o120777 << 16
        opened.writestr(member, "/etc/passwd")
    with pytest.raises(JobError, match="leaves"):
        archives.unpack_model(link, tmp_path / "out")
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(bomb.read_bytes()[:-30])
    with pytest.raises(JobError, match="damaged"):
        archives.unpack_model(damaged, tmp_path / "out")


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(zipfile.ZipInfo(name) if "\\" in name else name, content)
    return path
