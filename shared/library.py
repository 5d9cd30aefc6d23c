"""The models of an installation: rows that name a source, and the way from a name to files on this machine.

What a source may be, `shared.model_sources` says. Knows no framework: what is in the files is the engines' business.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from shared import artifacts, model_sources, versions
from shared.archives import unpack_model
from shared.db import Database
from shared.errors import Conflict, Invalid, JobError, NotFound
from shared.ids import new_id
from shared.records import models
from shared.starters import STARTERS
from shared.storage import Storage


@dataclass(frozen=True)
class Model:
    """A model of the library. Without an owner it is everybody's."""

    id: str
    owner_id: str | None
    name: str
    title: str
    task: str
    source: str
    revision: str | None
    file: str | None
    licence: str | None
    base: str | None
    size: int | None
    sha256: str | None
    created_at: datetime
    #: Of a trained model: which of its versions this is.
    version: int | None = None

    @property
    def key(self) -> str:
        """Changes with the content: what a device that holds the model in memory knows it by."""
        return f"{self.name}@{(self.sha256 or self.revision or self.id)[:16]}"


@dataclass(frozen=True)
class ModelSource:
    """Where a model's files are on this machine. `key` changes with the content: the identity for residency.

    `cache` is a folder, private to this model's content, for what an engine derives from it. `base` names the model
    that an adapter, or a head on another's features, needs.
    """

    name: str
    task: str
    folder: Path
    file: str | None
    revision: str | None
    title: str
    licence: str | None
    key: str
    cache: Path
    base: str | None = None
    defaults: dict[str, Any] = field(default_factory=dict)
    version: int | None = None

    @property
    def pinned(self) -> str:
        """The name under which exactly this model is found for ever: `name@3` of one that was trained here."""
        return self.name if self.version is None or "@" in self.name else f"{self.name}@{self.version}"


def list_models(db: Database, owner_id: str, task: str | None = None) -> list[Model]:
    """Models that the owner may use, by name."""
    wanted = [_visible(owner_id)] + ([models.c.task == task] if task else [])
    with db.begin() as connection:
        rows = connection.execute(select(*_COLUMNS).where(*wanted).order_by(models.c.name))
        return [Model(**row._mapping) for row in rows]


def get(db: Database, owner_id: str, name: str) -> Model:
    """The model of this name, or of this version where the name says so; the owner's own goes before everybody's.

    Raises:
        NotFound: there is none.
    """
    plain, number = versions.split(name)
    with db.begin() as connection:
        row = connection.execute(_named(owner_id, plain)).first()
        found = versions.pinned(connection, row.id, number) if row is not None and number is not None else None
    if row is None or (number is not None and found is None):
        raise NotFound(f"There is no model {name!r} in the library.", code="unknown_model", field="model")
    model = Model(**row._mapping)
    if found is None:
        return model
    return replace(
        model, source=f"artifact:{found.id}", size=found.size, sha256=found.sha256, version=number,
        base=found.lineage.get("base"),
    )  # fmt: skip


def for_everybody(connection: Connection, names: Sequence[str]) -> bool:
    """Whether these names, without versions, mean the same models to every owner: nobody has one of his own by them."""
    owned = (models.c.owner_id.is_not(None)) & models.c.name.in_(names)
    return connection.execute(select(models.c.name).where(owned).limit(1)).first() is None


def tasks(db: Database, owner_id: str) -> dict[str, str]:
    """The task of every model that the owner may use, by name; the owner's own go before everybody's."""
    own_last = models.c.owner_id.is_not(None)
    with db.begin() as connection:
        found = connection.execute(select(models.c.name, models.c.task).where(_visible(owner_id)).order_by(own_last))
        return {row.name: row.task for row in found}


_TASK = """
select task from models where name = %(name)s and (owner_id is null or owner_id = %(owner)s)
and (cast(%(number)s as integer) is null
     or exists (select from model_versions where model_id = models.id and number = %(number)s))
order by owner_id is null limit 1
"""


def check(db: Database, owner_id: str, name: str, task: str, field: str) -> None:
    """Raises Invalid unless the owner may use a model of this name for this task."""
    plain, number = versions.split(name)
    found = db.one(_TASK, {"name": plain, "owner": owner_id, "number": number})
    if found is not None and found[0] == task:
        return
    names = [model.name for model in list_models(db, owner_id, task)][:20]
    have = f"For {task} the library has: {', '.join(names)}." if names else f"The library has none for {task}."
    wrong = f"There is no model {name!r} in the library." if found is None else f"The model {name!r} is for {found[0]}."
    raise Invalid(f"{wrong} {have}", code="unknown_model", field=field)


def add(
    db: Database,
    owner_id: str | None,
    *,
    name: str,
    task: str,
    source: str,
    title: str | None = None,
    revision: str | None = None,
    file: str | None = None,
    licence: str | None = None,
    base: str | None = None,
) -> Model:
    """Put a model into the library. Files that are here already are hashed now.

    Raises:
        Invalid: the source is malformed, not found or not readable, or a hub source without a pinned revision.
        Conflict: the name is taken.
    """
    try:
        folder = model_sources.local_folder(source, revision)
        size, sha256 = model_sources.measure(folder, file) if folder else (None, None)
    except OSError as error:
        sentence = f"The files of {source!r} cannot be read: {error.strerror}."
        raise Invalid(sentence, code="model_missing", field="source") from error
    if source.startswith("artifact:"):
        _check_artifact(db, owner_id, source.removeprefix("artifact:"))
    row = {
        "id": new_id("mdl"), "owner_id": owner_id, "name": name, "title": title or name, "task": task, "source": source,
        "revision": revision, "file": file, "licence": licence, "base": base, "size": size, "sha256": sha256,
    }  # fmt: skip
    new = insert(models).values(row).on_conflict_do_nothing(constraint="uq_models_name").returning(*_COLUMNS)
    with db.begin() as connection:
        made = connection.execute(new).one_or_none()
    if made is None:
        raise Conflict(
            f"The library has a model {name!r} already. Remove it first, or choose another name.", field="name"
        )
    return Model(**made._mapping)


def remove(db: Database, owner_id: str | None, name: str) -> None:
    """Take a model out of the library; files elsewhere stay.

    Raises:
        NotFound: the owner (or, with None, the installation) has no such model.
    """
    mine = models.c.owner_id == owner_id if owner_id else models.c.owner_id.is_(None)
    with db.begin() as connection:
        if connection.execute(delete(models).where(mine, models.c.name == name)).rowcount == 0:
            raise NotFound(f"There is no model {name!r} of yours in the library.", code="unknown_model")


def ensure_starters(db: Database) -> list[str]:
    """List the starter models whose packages are installed, for everybody; returns their names."""
    present = []
    for starter in STARTERS:
        package = starter.source.removeprefix("package:").split("/")[0]
        folder = model_sources.package_folder(starter.source.removeprefix("package:"))
        if folder is None or not folder.is_dir():
            continue
        present.append(starter.name)
        revision = model_sources.package_version(package)
        with db.begin() as connection:
            old = connection.execute(_named(None, starter.name)).first()
        if old is not None and (old.source, old.revision, old.file) == (starter.source, revision, starter.file):
            continue
        if old is not None:
            remove(db, None, starter.name)
        add(
            db, None, name=starter.name, task=starter.task, source=starter.source, title=starter.title,
            revision=revision, file=starter.file, licence=starter.licence,
        )  # fmt: skip
    return present


def resolve(db: Database, storage: Storage, owner_id: str, name: str, cache: Path) -> ModelSource:
    """Files of a model on this machine, fetched if they are elsewhere. `cache` is a folder of this machine.

    Raises:
        JobError: the model is not in the library, or its files are not to be had.
    """
    try:
        model = get(db, owner_id, name)
    except NotFound as error:
        raise JobError("model_missing", str(error), field="model") from error
    gone = f"The files of model {name!r} are gone: {model.source} is not there."
    try:
        folder = model_sources.local_folder(model.source, model.revision) or _fetched(db, storage, model, cache)
    except Invalid as error:
        raise JobError("model_missing", gone, field="model") from error
    if not folder.is_dir():
        raise JobError("model_missing", gone, field="model")
    described = folder / "atelier.json"
    about = json.loads(described.read_text()) if described.is_file() else {}
    return ModelSource(
        name=model.name,
        task=model.task,
        folder=folder,
        file=model.file,
        revision=model.sha256 or model.revision,
        title=model.title,
        licence=model.licence,
        key=model.key,
        cache=cache / "derived" / hashlib.sha256(model.key.encode()).hexdigest()[:32],
        base=model.base or about.get("base"),
        defaults=about.get("defaults", {}),
        version=model.version,
    )


_COLUMNS = tuple(models.c[name] for name in Model.__dataclass_fields__)


def _visible(owner_id: str | None) -> ColumnElement[bool]:
    return or_(models.c.owner_id.is_(None), models.c.owner_id == owner_id)


def _named(owner_id: str | None, name: str) -> Select[Any]:
    own_first = models.c.owner_id.is_(None)
    return select(*_COLUMNS).where(_visible(owner_id), models.c.name == name).order_by(own_first).limit(1)


def _check_artifact(db: Database, owner_id: str | None, artifact_id: str) -> None:
    """Raises Invalid unless the owner (or, with None, anybody) has this artifact."""
    try:
        artifacts.get(db, owner_id, artifact_id)
    except NotFound as error:
        raise Invalid(str(error), code="model_missing", field="source") from error


def _fetched(db: Database, storage: Storage, model: Model, cache: Path) -> Path:
    form, _, rest = model.source.partition(":")
    if form == "hub":
        # The hub's client takes a second to import and is needed only where a model comes from there.
        from shared.hub import snapshot  # noqa: PLC0415 - see above

        return snapshot(rest, model.revision or "", cache / "hub")
    try:
        artifact = artifacts.get(db, model.owner_id, rest)
    except NotFound as error:
        raise JobError("model_missing", f"The artifact of model {model.name!r} was deleted.", field="model") from error
    folder = cache / "artifacts" / artifact.sha256
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # In a folder of this process's own: two workers may fetch the same at once.
        with TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as own:
            archive = Path(own) / "model.zip"
            storage.fetch(artifact.key, archive, artifact.sha256)
            unpack_model(archive, folder)
    return folder
