"""The gallery: what an owner's jobs made, newest first; stars; and a selection of it as one zip archive."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import to_json
from sqlalchemy import ColumnElement, RowMapping, Select, func, null, or_, select, update

from shared import cursors, kinds
from shared.db import Database
from shared.drafts import MAX_TITLE
from shared.errors import Invalid, NotFound
from shared.ids import first_id, is_id
from shared.job import Artifact, Role, artifact_from
from shared.records import artifacts, jobs
from shared.storage import Storage
from shared.zips import ZipStream, safe_name

SEEN = ("image/", "video/")
"""Media types, by how they begin, that have a picture to show."""

MAX_PAGE = 200
MAX_SELECTED = 500
MANIFEST = "settings.jsonl"


@dataclass(frozen=True)
class Item:
    """A file, and what it takes to say how it was made."""

    artifact: Artifact
    title: str
    kind: str
    model: str | None
    model_version: str | None
    params: dict[str, Any]
    seed: int

    @property
    def own_seed(self) -> int:
        """The seed of this one file: a job of several has a seed for each."""
        seed = self.artifact.meta.get("seed")
        return seed if isinstance(seed, int) else self.seed

    @property
    def settings(self) -> dict[str, Any]:
        """The params that make this one file again."""
        return self.params | {"seed": self.own_seed}


@dataclass(frozen=True)
class Page:
    """Some files, newest first, and the cursor of the next page if there is one."""

    items: list[Item]
    next: str | None


def page(
    db: Database,
    owner_id: str,
    *,
    role: Role | None = "output",
    media: str | tuple[str, ...] = "image/",
    starred: bool = False,
    search: str | None = None,
    model: str | None = None,
    works: bool = False,
    before: datetime | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page:
    """The owner's files that fit every given filter, newest first; `search` is part of a prompt, a model or an id.

    `media` is how the media type begins, one way or another; `works` leaves out what only tells about a model or a
    dataset, such as the pictures of a training; `before` leaves out what was made at that moment or later.
    """
    cursors.check(cursor)
    limit = max(1, min(limit, MAX_PAGE))
    query = _of(owner_id).where(_begins(media))
    query = query.where(artifacts.c.role == role if role else artifacts.c.role != "preview")
    if works:
        query = query.where(jobs.c.kind.not_in(kinds.without_works()))
    if starred:
        query = query.where(artifacts.c.starred_at.is_not(None))
    if model:
        query = query.where(jobs.c.model == model)
    if search:
        query = query.where(_matches(search))
    elif role == "output":
        # The best of a search is enough to see; who looks for one of its trials finds it.
        query = query.where(jobs.c.searched_by.is_(None))
    if before is not None:
        query = query.where(artifacts.c.id < first_id("art", before))
    if cursor is not None:
        query = query.where(artifacts.c.id < cursor)
    with db.begin() as connection:
        rows = connection.execute(query.order_by(artifacts.c.id.desc()).limit(limit + 1)).mappings()
        items = [_item(row) for row in rows]
    return Page(items[:limit], next=items[limit - 1].artifact.id if len(items) > limit else None)


def newer(db: Database, owner_id: str, than: str, limit: int = 100) -> int:
    """How many pictures have come since the one with this id, up to `limit`."""
    query = (
        select(artifacts.c.id)
        .join(jobs, jobs.c.id == artifacts.c.job_id)
        .where(
            artifacts.c.owner_id == owner_id,
            artifacts.c.id > than,
            artifacts.c.role == "output",
            _begins(SEEN),
            jobs.c.kind.not_in(kinds.without_works()),
            jobs.c.searched_by.is_(None),
        )
    )
    with db.begin() as connection:
        return connection.execute(select(func.count()).select_from(query.limit(limit).subquery())).scalar_one()


def items(db: Database, owner_id: str, ids: Sequence[str]) -> list[Item]:
    """The owner's files with these ids, in their order, each once.

    Raises:
        Invalid: there are too many of them.
        NotFound: one is not there, or somebody else's.
    """
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MAX_SELECTED:
        raise Invalid(f"Select {MAX_SELECTED} files at most.", field="ids")
    known = [each for each in wanted if is_id(each)]
    with db.begin() as connection:
        rows = connection.execute(_of(owner_id).where(artifacts.c.id.in_(known))).mappings()
        found = {row["id"]: _item(row) for row in rows}
    if len(found) < len(wanted):
        raise NotFound("There is no such artifact.", field="ids")
    return [found[each] for each in wanted]


def star(db: Database, owner_id: str, artifact_id: str) -> Item:
    """Star a file; one that has a star keeps the moment it got it.

    Raises:
        NotFound: there is no such file, or it is somebody else's.
    """
    return _starred(db, owner_id, artifact_id, func.coalesce(artifacts.c.starred_at, func.now()))


def unstar(db: Database, owner_id: str, artifact_id: str) -> Item:
    """Take its star away, if it has one.

    Raises:
        NotFound: there is no such file, or it is somebody else's.
    """
    return _starred(db, owner_id, artifact_id, null())


def archive(storage: Storage, chosen: Sequence[Item], describe: Callable[[Item], dict[str, Any]]) -> Iterator[bytes]:
    """These files as a zip, made while it is sent; its last entry has a line of settings for each.

    `describe` gives the line; it gets the `file` that it is in the archive, or null where the bytes are gone.
    """
    packed = ZipStream()
    lines: list[bytes] = []
    for number, item in enumerate(chosen, start=1):
        name = f"{number:03}-{safe_name(item.artifact.name)}"
        there = yield from packed.add_artifact(storage, item.artifact, name)
        lines.append(to_json({"file": name if there else None} | describe(item), inf_nan_mode="null") + b"\n")
    yield from packed.add(MANIFEST, lines)
    yield from packed.end()


def _begins(media: str | tuple[str, ...]) -> ColumnElement[bool]:
    ways = (media,) if isinstance(media, str) else media
    return or_(*(artifacts.c.media_type.startswith(each, autoescape=True) for each in ways))


def _matches(search: str) -> ColumnElement[bool]:
    """Part of the prompt, or exactly a model or an id.

    The title is the prompt's beginning: only of a long one is the rest looked at, which costs several times as much.
    """
    same = search.strip().lower()
    rest = (func.length(jobs.c.title) >= MAX_TITLE) & jobs.c.params["prompt"].astext.icontains(search, autoescape=True)
    exactly = (artifacts.c.id == same) | (artifacts.c.job_id == same) | (func.lower(jobs.c.model) == same)
    return or_(exactly, jobs.c.title.icontains(search, autoescape=True), rest)


def _of(owner_id: str) -> Select[Any]:
    about = [jobs.c[name].label(f"job_{name}") for name in _OF_JOB]
    return (
        select(*artifacts.c, *about).join(jobs, jobs.c.id == artifacts.c.job_id).where(artifacts.c.owner_id == owner_id)
    )


_OF_JOB = ("title", "kind", "model", "model_version", "params", "seed")


def _item(row: RowMapping) -> Item:
    return Item(artifact_from(row), **{name: row[f"job_{name}"] for name in _OF_JOB})


def _starred(db: Database, owner_id: str, artifact_id: str, moment: Any) -> Item:
    if is_id(artifact_id):
        mine = (artifacts.c.owner_id == owner_id) & (artifacts.c.id == artifact_id) & (artifacts.c.job_id.is_not(None))
        mine &= artifacts.c.role != "preview"
        with db.begin() as connection:
            connection.execute(update(artifacts).where(mine).values(starred_at=moment))
            row = connection.execute(_of(owner_id).where(mine)).mappings().one_or_none()
        if row is not None:
            return _item(row)
    raise NotFound("There is no such artifact.")
