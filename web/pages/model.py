"""One model of the library: where it comes from, under which licence, where it is now, and how fast it works."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from shared import artifacts, costs, devices, library, versions
from shared.costs import Cost
from shared.errors import Forbidden, NotFound
from shared.job import Artifact
from shared.library import Model
from shared.versions import Version
from web.auth import identity, needs
from web.pages import lineage
from web.pages.model_uses import bases_of, uses_of
from web.pages.models import holders, task_word
from web.pages.reports import NAME as REPORT
from web.pages.rows import kind_words
from web.site import site

pages = Blueprint("model", __name__, url_prefix="/models")


@dataclass(frozen=True)
class Speed:
    """What a job of one kind takes with a model."""

    title: str
    cost: Cost


@pages.get("/<path:name>")
@needs("jobs:read")
def show(name: str) -> str:
    """The page of a model."""
    here, owner_id = site(), identity().owner.id
    model = library.get(here.db, owner_id, name)
    every = lineage.by_name(library.list_models(here.db, owner_id))
    line = lineage.line(model, every)
    trained = versions.of_model(here.db, owner_id, model.name)
    return render_template(
        "models/one.html",
        model=model,
        task=task_word(model.task),
        bases=line[1:],
        lost_base=lineage.lost_base(line, every),
        children=[each for each in every.values() if each.base == model.name and each.name != model.name],
        licence=lineage.licence(line),
        made_by=_made_by(model),
        uses=uses_of(model.name, model.task, model.base),
        trainings=bases_of(model.name, model.task),
        speeds=[Speed(kind_words(cost.kind)[0], cost) for cost in costs.of_model(here.db, model.name)],
        on=holders(devices.list_devices(here.db)).get(model.key, []),
        removable=_removable(model),
        versions=trained,
        reports=_reports(owner_id, trained),
    )


@pages.post("/<path:name>/promote")
@needs("models:write")
def promote(name: str) -> Response:
    """Let the name stand for another version."""
    number = request.form.get("version", "")
    if not number.isdecimal():
        raise NotFound("There is no such version.")
    versions.promote(site().db, identity().owner.id, name, int(number))
    return redirect(url_for("model.show", name=name), 303)


@pages.post("/<path:name>/remove")
@needs("models:write")
def remove(name: str) -> Response:
    """Take it out of the library; its files stay."""
    model = library.get(site().db, identity().owner.id, name)
    if not _removable(model):
        raise Forbidden("Only an admin key may remove a model that is everybody's.", code="admin_only")
    library.remove(site().db, model.owner_id, name)
    return redirect(url_for("all_models.show"), 303)


def _removable(model: Model) -> bool:
    """Everybody's models are an admin's to remove, anybody's own their owner's."""
    who = identity()
    return who.may("models:write") and (model.owner_id is not None or "admin" in who.scopes)


def _reports(owner_id: str, trained: Sequence[Version]) -> dict[int, Artifact]:
    """The report of each version, by its number, as far as it is there."""
    files = artifacts.of_jobs(site().db, owner_id, [each.job_id for each in trained if each.job_id])
    return {
        version.number: file
        for version in trained
        for file in files.get(version.job_id or "", ())
        if file.role == "output" and file.name == REPORT
    }


def _made_by(model: Model) -> str | None:
    """The reader's own job that made the model, if one did."""
    form, _, artifact_id = model.source.partition(":")
    if form != "artifact":
        return None
    try:
        return artifacts.get(site().db, identity().owner.id, artifact_id).job_id
    except NotFound:
        return None
