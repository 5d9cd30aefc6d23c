"""The gallery: pages, stars, thumbnails and zips, on real Postgres and a real store."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from shared import artifacts, gallery, kinds, library, thumbnails, uploads
from shared.db import Database
from shared.errors import Invalid, NotFound
from shared.gallery import Item
from shared.owners import Owner
from shared.settings import Settings
from shared.storage import Storage
from tests.web.driving import Driver
from worker.attempt import Attempt
from worker.engines.film import write_film
from worker.residency import Residency, process_memory

Make = Callable[..., str]


@pytest.fixture
def driver(db: Database, owner: Owner, settings: Settings, tmp_path: Path) -> Driver:
    for name in ("emoji", "digits"):
        library.add(db, None, name=name, task="text-to-image", source=f"hub:demo/{name}", revision="0" * 40, title=name)
    return Driver(db, owner, settings, tmp_path)


@pytest.fixture
def make(driver: Driver) -> Make:
    """Makes one finished picture; its artifact's id."""

    def make(prompt: str = "a red apple", media_type: str = "image/png", **params: object) -> str:
        job = driver.submit(prompt=prompt, **params)
        driver.finish(driver.claim(), driver.file("output", "image-1.png", media_type, prompt.encode(), seed=7))
        return artifacts.of_jobs(driver.db, driver.owner.id, [job.id])[job.id][0].id

    return make


def ids(page: gallery.Page) -> list[str]:
    return [each.artifact.id for each in page.items]


def test_pages_are_newest_first_by_cursor(db: Database, owner: Owner, stranger: Owner, make: Make) -> None:
    made = [make(f"picture {number}") for number in range(5)]
    first = gallery.page(db, owner.id, limit=2)
    second = gallery.page(db, owner.id, limit=2, cursor=first.next)
    third = gallery.page(db, owner.id, limit=2, cursor=second.next)
    assert ids(first) + ids(second) + ids(third) == made[::-1]
    assert third.next is None
    assert gallery.page(db, stranger.id).items == []
    with pytest.raises(Invalid):
        gallery.page(db, owner.id, cursor="page 2")


def test_what_only_tells_about_a_model_is_no_work(
    db: Database, owner: Owner, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a picture of a kind whose files are no works, such as the matrix that a training draws
    before = make("a red apple")
    matrix = make("a matrix")
    monkeypatch.setattr(kinds, "without_works", lambda: ("generate_image",))
    # then the gallery has it not and waits for none, and no form offers it; the list of all files has it
    assert gallery.page(db, owner.id, works=True).items == []
    assert gallery.newer(db, owner.id, before) == 0
    assert uploads.recent(db, owner.id, ("image",)) == []
    assert ids(gallery.page(db, owner.id)) == [matrix, before]


def test_filters(db: Database, owner: Owner, make: Make) -> None:
    apple, pear = make("a red apple", model="emoji"), make("a 100% green pear", model="digits")
    make("words", media_type="text/plain")
    assert ids(gallery.page(db, owner.id)) == [pear, apple]
    assert ids(gallery.page(db, owner.id, search="APPLE")) == [apple]
    assert ids(gallery.page(db, owner.id, search="0%")) == [pear]
    assert ids(gallery.page(db, owner.id, search=pear)) == [pear]
    assert ids(gallery.page(db, owner.id, model="digits")) == [pear]
    assert ids(gallery.page(db, owner.id, search="digits")) == [pear]
    assert len(gallery.page(db, owner.id, media="").items) == 3
    now = datetime.now(UTC)
    assert ids(gallery.page(db, owner.id, before=now + timedelta(seconds=1))) == [pear, apple]
    assert ids(gallery.page(db, owner.id, before=now - timedelta(hours=1))) == []
    assert gallery.newer(db, owner.id, apple) == 1
    assert gallery.newer(db, owner.id, pear) == 0


def test_the_end_of_a_long_prompt_is_found(db: Database, owner: Owner, make: Make) -> None:
    long = make("word " * 60 + "at its end")
    assert ids(gallery.page(db, owner.id, search="at its end")) == [long]


def test_stars(db: Database, owner: Owner, stranger: Owner, make: Make) -> None:
    apple, pear = make("a red apple"), make("a green pear")
    starred = gallery.star(db, owner.id, apple).artifact.starred_at
    assert starred is not None
    assert gallery.star(db, owner.id, apple).artifact.starred_at == starred
    assert ids(gallery.page(db, owner.id, starred=True)) == [apple]
    for verb in (gallery.star, gallery.unstar):
        with pytest.raises(NotFound):
            verb(db, stranger.id, apple)
        with pytest.raises(NotFound):
            verb(db, owner.id, "nothing")
    assert gallery.unstar(db, owner.id, apple).artifact.starred_at is None
    assert ids(gallery.page(db, owner.id)) == [pear, apple]


def test_a_selection_keeps_its_order_and_its_owner(db: Database, owner: Owner, stranger: Owner, make: Make) -> None:
    apple, pear = make("a red apple", seed=3), make("a green pear")
    found = gallery.items(db, owner.id, [pear, apple, pear])
    assert [each.artifact.id for each in found] == [pear, apple]
    assert found[1].settings == {"prompt": "a red apple", "seed": 7} | {
        name: value for name, value in found[1].params.items() if name not in {"prompt", "seed"}
    }
    with pytest.raises(NotFound):
        gallery.items(db, stranger.id, [pear])
    with pytest.raises(Invalid):
        gallery.items(db, owner.id, [f"art_{number}" for number in range(501)])


def test_a_zip_holds_the_files_and_their_settings(db: Database, owner: Owner, settings: Settings, make: Make) -> None:
    chosen = gallery.items(db, owner.id, [make("a red apple"), make("a green pear")])
    storage = Storage(settings.storage)
    storage.delete(chosen[1].artifact.key)

    def describe(item: Item) -> dict[str, str]:
        return {"title": item.title}

    packed = ZipFile(BytesIO(b"".join(gallery.archive(storage, chosen, describe))))
    assert packed.testzip() is None
    assert packed.namelist() == ["001-image-1.png", "settings.jsonl"]
    assert packed.read("001-image-1.png") == b"a red apple"
    told = [json.loads(line) for line in packed.read("settings.jsonl").splitlines()]
    assert told == [{"file": "001-image-1.png", "title": "a red apple"}, {"file": None, "title": "a green pear"}]


# ---- thumbnails -----------------------------------------------------------------------------------------------------


def test_a_large_picture_gets_a_small_one(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.effect_noise((1600, 400), 80).convert("RGBA").save(path)
    measured = thumbnails.measure(path)
    assert measured is not None
    assert (measured.width, measured.height) == (1600, 400)
    assert measured.thumbnail is not None
    with Image.open(measured.thumbnail) as small:
        assert (small.format, small.size) == ("WEBP", (512, 128))
    path.write_bytes(b"not a picture")
    assert thumbnails.measure(path) is None


def test_a_worker_stores_thumbnails_and_the_sweep_keeps_them(
    db: Database, owner: Owner, settings: Settings, driver: Driver, tmp_path: Path
) -> None:
    driver.submit()
    job = driver.claim()
    attempt = Attempt(
        job,
        db=db,
        storage=Storage(settings.storage),
        residency=Residency(1 << 30, process_memory),
        torch_device="cpu",
        workdir=tmp_path,
        cache=tmp_path,
    )
    large, little, broken = tmp_path / "large.png", tmp_path / "little.png", tmp_path / "broken.png"
    clip = tmp_path / "clip.mp4"
    write_film(clip, [Image.new("RGB", (64, 48), "teal")] * 2, 2)
    Image.new("RGB", (800, 600), "teal").save(large)
    Image.new("RGB", (64, 48), "teal").save(little)
    broken.write_bytes(b"not a picture")
    for path in (large, little, broken, clip):
        attempt.save_artifact(path)
    attempt.upload()
    driver.finish(job, *attempt.outputs)
    found = artifacts.of_jobs(db, owner.id, [job.id])[job.id]
    assert [(each.width, each.height) for each in found] == [(800, 600), (64, 48), (None, None), (64, 48)]
    assert [bool(each.thumb_key) for each in found] == [True, False, False, True]
    late = datetime.now(UTC) + timedelta(days=1)
    assert artifacts.discard_orphans(db, late, Storage(settings.storage).delete) == 0
    key = found[0].thumb_key
    assert key is not None
    assert b"WEBP" in next(Storage(settings.storage).stream(key))[:16]
