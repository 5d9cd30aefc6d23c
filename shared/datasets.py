"""The datasets of an owner: what checks made, by name and version, and the way from a name to rows on this machine.

A version never changes, so what is pinned to `name@3` trains on the same rows for ever. Knows no format's columns.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from shared import artifacts, search_space
from shared.archives import unpack_dataset
from shared.artifacts import NewArtifact
from shared.dataset import Dataset, DatasetSource, DatasetVersion
from shared.db import Database
from shared.errors import Conflict, Invalid, JobError, NotFound
from shared.ids import new_id
from shared.job import Job, JobState
from shared.kinds.params import Params
from shared.kinds.search_hyperparameters import SearchHyperparameters
from shared.records import artifacts as artifact_rows
from shared.records import dataset_versions, datasets, jobs
from shared.storage import Storage

_PINNED = re.compile(r"(?P<name>[^@]+)@(?P<number>[1-9]\d{0,8})")


def split_ref(ref: str) -> tuple[str, int | None]:
    """A dataset's name, and the version that `name@3` pins it to."""
    found = _PINNED.fullmatch(ref)
    return (found["name"], int(found["number"])) if found else (ref, None)


def list_datasets(db: Database, owner_id: str, formats: Collection[str] | None = None) -> list[Dataset]:
    """The owner's datasets by name; with `formats`, those whose latest version has one of them."""
    with db.begin() as connection:
        found = _datasets(connection, owner_id)
    return [each for each in found if formats is None or each.latest.format in formats]


def get(db: Database, owner_id: str, name: str) -> Dataset:
    """The owner's dataset of this name, with all its versions.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    with db.begin() as connection:
        found = _datasets(connection, owner_id, name)
    if not found:
        raise NotFound(f"You have no dataset “{name[:80]}”.", code="unknown_dataset")
    return found[0]


def version(db: Database, owner_id: str, ref: str) -> tuple[Dataset, DatasetVersion]:
    """The dataset and the version that `name` (its latest) or `name@3` stands for.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    name, number = split_ref(ref)
    dataset = get(db, owner_id, name)
    for each in dataset.versions:
        if number is None or each.number == number:
            return dataset, each
    raise NotFound(
        f"The dataset “{name}” has no version {number}; its latest is {dataset.latest.number}.", code="unknown_dataset"
    )


class Datasets:
    """The owner's datasets as far as they were asked for: each is looked up once, however many jobs name it."""

    def __init__(self, db: Database, owner_id: str) -> None:
        self._db, self._owner_id = db, owner_id
        self._found: dict[str, tuple[str, str]] = {}

    def pin(self, params: Params, but: Collection[str] = ()) -> Params:
        """The params with each dataset named by its version: what a job that is retried trains on again.

        `but` are fields whose datasets are not made yet.

        Raises:
            Invalid: the owner has no such dataset, or it is of another format.
        """
        if isinstance(params, SearchHyperparameters):
            with search_space.within("params"):
                return search_space.with_base(params, self.pin(search_space.base_of(params)))
        declared = type(params).dataset_formats()
        named = {field: ref for field in declared if field not in but and (ref := getattr(params, field)) is not None}
        pinned = {field: self.pinned(ref, declared[field], field) for field, ref in named.items()}
        return params.model_copy(update=pinned) if pinned != named else params

    def check_named(self, named: Mapping[str, Collection[str]], declared: Mapping[str, Sequence[str]]) -> None:
        """Raises Invalid as `pin`, of the datasets that each field names."""
        for field, refs in named.items():
            for ref in sorted(refs):
                self.pinned(ref, declared[field], field)

    def pinned(self, ref: str, formats: Sequence[str], field: str) -> str:
        """`name@number` of what `ref` stands for. Raises Invalid as `pin`."""
        if ref not in self._found:
            try:
                dataset, found = version(self._db, self._owner_id, ref)
            except NotFound as error:
                raise Invalid(self._unknown(str(error), formats), code="unknown_dataset", field=field) from error
            self._found[ref] = f"{dataset.name}@{found.number}", found.format
        pinned, format_ = self._found[ref]
        if format_ not in formats:
            wanted = " or ".join(formats)
            told = f"“{ref}” is a dataset of the format {format_}; this takes {wanted}."
            raise Invalid(told, code="wrong_format", field=field)
        return pinned

    def _unknown(self, told: str, formats: Sequence[str]) -> str:
        names = [each.name for each in list_datasets(self._db, self._owner_id, formats)][:20]
        have = f"You have: {', '.join(names)}." if names else "You have none that fits. Make one on the page Datasets."
        return f"{told} {have}"


def enter(connection: Connection, job: Job, artifact_id: str, made: NewArtifact) -> None:
    """Add the version that a check made, inside the transaction that ends it; the same rows make no second one."""
    meta = made.meta
    name, title = meta["name"], meta.get("title") or meta["name"]
    row = insert(datasets).values(id=new_id("dst"), owner_id=job.owner_id, name=name, title=title)
    connection.execute(row.on_conflict_do_nothing())
    mine = (datasets.c.owner_id == job.owner_id) & (datasets.c.name == name)
    # Held until the commit, so that two checks at once do not count to the same number.
    dataset_id = connection.execute(select(datasets.c.id).where(mine).with_for_update()).scalar_one()
    of_it = dataset_versions.c.dataset_id == dataset_id
    latest = connection.execute(select(func.max(dataset_versions.c.number)).where(of_it)).scalar_one()
    new = insert(dataset_versions).values(
        dataset_id=dataset_id, number=(latest or 0) + 1, artifact_id=artifact_id, job_id=job.id,
        format=meta["format"], sha256=made.sha256, splits=meta["splits"], report=meta.get("report", {}),
    )  # fmt: skip
    connection.execute(new.on_conflict_do_nothing())


def remove(db: Database, owner_id: str, name: str) -> None:
    """Forget a dataset, all its versions and their files; models that were trained on it stay.

    Raises:
        NotFound: the owner has no such dataset.
        Conflict: a job that waits or runs needs it.
    """
    with db.begin() as connection:
        mine = (datasets.c.owner_id == owner_id) & (datasets.c.name == name)
        row = connection.execute(select(datasets.c.id).where(mine).with_for_update()).one_or_none()
        if row is None:
            raise NotFound(f"You have no dataset “{name[:80]}”.", code="unknown_dataset")
        of_it = dataset_versions.c.dataset_id == row.id
        versions = connection.execute(select(dataset_versions.c.number, dataset_versions.c.sha256).where(of_it)).all()
        needed = _needed_by(connection, owner_id, [f"{name}@{each.number}" for each in versions])
        if needed is not None:
            told = f"The job {needed} still needs this dataset. Cancel the job, or wait for its end."
            raise Conflict(told, code="dataset_in_use")
        connection.execute(delete(datasets).where(mine))
        kept = exists().where(dataset_versions.c.artifact_id == artifact_rows.c.id)
        theirs = (artifact_rows.c.owner_id == owner_id) & (artifact_rows.c.role == "dataset")
        same = artifact_rows.c.sha256.in_([each.sha256 for each in versions])
        connection.execute(delete(artifact_rows).where(theirs, same, ~kept))


def resolve(db: Database, storage: Storage, owner_id: str, ref: str, cache: Path) -> DatasetSource:
    """The rows and files of a dataset on this machine; `cache` is a folder of it.

    Raises:
        JobError: the dataset was removed.
    """
    try:
        dataset, found = version(db, owner_id, ref)
        artifact = artifacts.get(db, owner_id, found.artifact_id)
    except NotFound as error:
        raise JobError("dataset_missing", str(error)) from error
    folder = cache / "datasets" / found.sha256
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # In a folder of this process's own: two workers may fetch the same at once.
        with TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as own:
            archive = Path(own) / "dataset.zip"
            storage.fetch(artifact.key, archive, artifact.sha256)
            unpack_dataset(archive, folder)
    return DatasetSource(dataset.name, found.number, found.format, found.sha256, folder)


_COLUMNS = tuple(dataset_versions.c[name] for name in DatasetVersion.__dataclass_fields__)


def _datasets(connection: Connection, owner_id: str, name: str | None = None) -> list[Dataset]:
    mine = datasets.c.owner_id == owner_id
    if name is not None:
        mine &= datasets.c.name == name
    found = connection.execute(
        select(datasets.c.id, datasets.c.name, datasets.c.title, datasets.c.created_at)
        .where(mine)
        .order_by(datasets.c.name)
    ).all()
    query = select(dataset_versions.c.dataset_id, *_COLUMNS).where(
        dataset_versions.c.dataset_id.in_([row.id for row in found])
    )
    versions: dict[str, list[DatasetVersion]] = {row.id: [] for row in found}
    for row in connection.execute(query.order_by(dataset_versions.c.number.desc())).mappings():
        values = {name: row[name] for name in DatasetVersion.__dataclass_fields__}
        versions[row["dataset_id"]].append(DatasetVersion(**values))
    return [Dataset(*row, versions=tuple(versions[row.id])) for row in found if versions[row.id]]


def _needed_by(connection: Connection, owner_id: str, refs: Sequence[str]) -> str | None:
    """A job that has not ended and names one of these among its params."""
    names = func.jsonb_path_exists(jobs.c.params, _NAMED, literal({"refs": list(refs)}, JSONB))
    live = jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING))
    query = select(jobs.c.id).where(jobs.c.owner_id == owner_id, live, names).limit(1)
    return connection.execute(query).scalar_one_or_none()


_NAMED: ColumnElement[Any] = literal_column("'$.** ? (@ == $refs[*])'::jsonpath")
