"""Versions of trained models: each training job adds one to its name, and one of them is what the name stands for.

A version never changes and never goes while its model is there, so `name@3` is the same model for ever, and the way
back from a worse version is one step. Knows no framework.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from shared.artifacts import NewArtifact
from shared.db import Database
from shared.errors import Conflict, Invalid, NotFound
from shared.ids import new_id
from shared.job import Job
from shared.records import artifacts, model_versions, models

_PINNED = re.compile(r"(?P<name>.+)@(?P<number>[1-9]\d{0,8})")
_LINEAGE = ("task", "base", "trained_from", "trained_from_key", "dataset", "dataset_sha256", "made_with", "cost")
_FIGURES = ("before", "after", "judged_by", "less_is_better", "rival", "regression", "watched")

_SLACK = 0.02
"""How much worse a new version may do on its regression set, as a share of what it is measured against: judging a few
hundred rows is no more exact than that."""


@dataclass(frozen=True)
class Version:
    """What one training job made. `figures` has `before` and `after`, and by which of them it is judged."""

    number: int
    artifact_id: str
    job_id: str | None
    lineage: dict[str, Any]
    figures: dict[str, Any]
    created_at: datetime

    @property
    def judged(self) -> tuple[str, float | None, float | None]:
        """The name of the figure that counts, before and after the training."""
        name = str(self.figures.get("judged_by", ""))
        return name, self.figures.get("before", {}).get(name), self.figures.get("after", {}).get(name)


def split(name: str) -> tuple[str, int | None]:
    """A model's name, and the version that `name@3` pins it to."""
    found = _PINNED.fullmatch(name)
    return (found["name"], int(found["number"])) if found else (name, None)


def check_name(db: Database, owner_id: str, name: str) -> None:
    """Raises Invalid where a training job may not give its model this name."""
    taken = select(models.c.owner_id, models.c.version).where(
        models.c.name == name, (models.c.owner_id == owner_id) | models.c.owner_id.is_(None)
    )
    with db.begin() as connection:
        for row in connection.execute(taken):
            if row.owner_id is None:
                raise Invalid(f"“{name}” is a model that everybody uses. Choose another name.", field="name")
            if row.version is None:
                raise Invalid(f"“{name}” is a model of yours that was not trained here. Choose another.", field="name")


def enter(connection: Connection, job: Job, artifact_id: str, made: NewArtifact) -> None:
    """Add the model that a job made, inside the transaction that ends it, and promote it where it is to be."""
    meta = made.meta
    model = _model(connection, job.owner_id, meta["name"])
    if model is not None and (model.version is None or model.task != meta["task"]):
        # The name went to another model while this one was trained.
        meta = meta | {"name": f"{meta['name']}-{job.id[-6:]}"}
        model = _model(connection, job.owner_id, meta["name"])
    version = {
        "artifact_id": artifact_id,
        "job_id": job.id,
        "lineage": {key: meta[key] for key in _LINEAGE if meta.get(key)}
        | {"kind": job.kind, "params": job.params, "seed": job.seed},
        "figures": {key: meta[key] for key in _FIGURES if key in meta},
    }
    if model is None:
        model_id = new_id("mdl")
        connection.execute(
            insert(models).values(
                id=model_id, owner_id=job.owner_id, name=meta["name"], title=meta["name"], task=meta["task"],
                source=f"artifact:{artifact_id}", base=meta.get("base"), size=made.size, sha256=made.sha256, version=1,
            )
        )  # fmt: skip
        connection.execute(insert(model_versions).values(model_id=model_id, number=1, **version))
        return
    latest = select(func.max(model_versions.c.number)).where(model_versions.c.model_id == model.id)
    number = (connection.execute(latest).scalar_one() or 0) + 1
    connection.execute(insert(model_versions).values(model_id=model.id, number=number, **version))
    wanted = meta.get("promote", "if_better")
    if wanted == "always" or (wanted == "if_better" and _better(connection, model, version)):
        _stand_for(connection, model.id, number)


def of_model(db: Database, owner_id: str, name: str) -> list[Version]:
    """The versions of a model of the owner's, newest first; none where it was not trained here."""
    query = (
        select(*_COLUMNS)
        .join(models, models.c.id == model_versions.c.model_id)
        .where(models.c.owner_id == owner_id, models.c.name == name)
    )
    with db.begin() as connection:
        rows = connection.execute(query.order_by(model_versions.c.number.desc()))
        return [Version(**row._mapping) for row in rows]


def of_job(db: Database, owner_id: str, job_id: str) -> tuple[str, int] | None:
    """The name and the number of the version that a job made, if it is in the library."""
    query = (
        select(models.c.name, model_versions.c.number)
        .join(models, models.c.id == model_versions.c.model_id)
        .where(models.c.owner_id == owner_id, model_versions.c.job_id == job_id)
    )
    with db.begin() as connection:
        row = connection.execute(query.limit(1)).one_or_none()
    return (row.name, row.number) if row is not None else None


def promote(db: Database, owner_id: str, name: str, number: int) -> None:
    """Let the name stand for this version.

    Raises:
        NotFound: the owner has no such model, or it has no such version.
        Conflict: it stands for it already.
    """
    with db.begin() as connection:
        model = _model(connection, owner_id, name)
        if model is None:
            raise NotFound(f"There is no model {name!r} of yours in the library.", code="unknown_model")
        if model.version == number:
            raise Conflict(f"“{name}” stands for version {number} already.", code="already_promoted")
        if not _stand_for(connection, model.id, number):
            raise NotFound(f"The model {name!r} has no version {number}.", code="unknown_version")


def pinned(connection: Connection, model_id: str, number: int) -> Row[str, int, str, Any] | None:
    """What tells a version from its model: source, size and hash."""
    query = (
        select(artifacts.c.id, artifacts.c.size, artifacts.c.sha256, model_versions.c.lineage)
        .join(model_versions, model_versions.c.artifact_id == artifacts.c.id)
        .where(model_versions.c.model_id == model_id, model_versions.c.number == number)
    )
    return connection.execute(query).one_or_none()


_COLUMNS = tuple(model_versions.c[name] for name in Version.__dataclass_fields__)


def _model(connection: Connection, owner_id: str, name: str) -> Row[Any] | None:
    mine = (models.c.owner_id == owner_id) & (models.c.name == name)
    return connection.execute(select(models).where(mine).with_for_update()).one_or_none()


def _stand_for(connection: Connection, model_id: str, number: int) -> bool:
    found = pinned(connection, model_id, number)
    if found is None:
        return False
    now = {
        "version": number,
        "source": f"artifact:{found.id}",
        "size": found.size,
        "sha256": found.sha256,
        "base": found.lineage.get("base"),
    }
    connection.execute(update(models).where(models.c.id == model_id).values(now))
    return True


def _better(connection: Connection, model: Row[Any], version: dict[str, Any]) -> bool:
    """Whether a new version judges better than the one that stands, and has forgotten nothing.

    Both were judged on the same data by the job, or else by chance; if neither, it is measured by its own beginning.
    """
    figures = version["figures"]
    stands = select(model_versions).where(
        model_versions.c.model_id == model.id, model_versions.c.number == model.version
    )
    than = _measured_against(version, connection.execute(stands).one())
    judged, watched = figures.get("judged_by"), figures.get("watched")
    now, before = figures.get("after", {}).get(judged), than.get(judged)
    if now is None:
        return False
    less = bool(figures.get("less_is_better", True))
    if before is not None and (now >= before if less else now <= before):
        return False
    return watched is None or not _worse(figures["after"].get(watched), than.get(watched), less=less)


def _measured_against(version: dict[str, Any], standing: Row[Any]) -> dict[str, float]:
    """The figures of the version that stands on the new one's data, or else those of the new one's beginning."""
    figures = version["figures"]
    beginning: dict[str, float] = figures.get("before", {})
    rival = figures.get("rival")
    if rival and rival["number"] == standing.number:
        return dict(rival["figures"])
    same_data = standing.lineage.get("dataset_sha256") == version["lineage"].get("dataset_sha256")
    if same_data and standing.figures.get("judged_by") == figures.get("judged_by"):
        beginning = beginning | standing.figures.get("after", {})
    return beginning


def _worse(now: float | None, before: float | None, *, less: bool) -> bool:
    if now is None or before is None:
        return False
    return now > before + _SLACK * abs(before) if less else now < before - _SLACK * abs(before)
