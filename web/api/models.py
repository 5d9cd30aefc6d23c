"""The model library."""

from dataclasses import asdict
from typing import Any

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from shared import library, versions
from shared.errors import Forbidden
from shared.keys import Identity
from shared.library import Model
from web.answers import json_answer
from web.api.bodies import ProblemBody
from web.api.model_bodies import (
    KnownModelBody,
    ModelBody,
    ModelPath,
    ModelQuery,
    ModelRequest,
    ModelsBody,
    PromoteRequest,
)
from web.auth import identity, needs
from web.site import site

api = APIBlueprint(
    "models", __name__, url_prefix="/api/models", abp_tags=[{"name": "models"}], abp_responses={"4XX": ProblemBody}
)


@api.get("", responses={200: ModelsBody})
@needs("jobs:read")
def index(query: ModelQuery) -> Response:
    """The models that you may use, yours and everybody's."""
    found = library.list_models(site().db, identity().owner.id, query.task)
    return json_answer({"models": [_body(model) for model in found]})


@api.post("", responses={201: ModelBody})
@needs("models:write")
def add(body: ModelRequest) -> Response:
    """Put a model into the library. A folder or a package of the server is for its administrator to name."""
    return json_answer(_body(add_for(identity(), body)), 201)


@api.get("/<path:name>", responses={200: KnownModelBody})
@needs("jobs:read")
def show(path: ModelPath) -> Response:
    """A model, and the versions of one that was trained here, newest first. `name@3` names one of them."""
    return json_answer(_known(path.name))


@api.post("/<path:name>/promote", responses={200: KnownModelBody})
@needs("models:write")
def promote(path: ModelPath, body: PromoteRequest) -> Response:
    """Let the name of a model that was trained here stand for another of its versions."""
    versions.promote(site().db, identity().owner.id, path.name, body.version)
    return json_answer(_known(path.name))


@api.delete("/<path:name>", responses={204: None})
@needs("models:write")
def remove(path: ModelPath) -> Response:
    """Take a model out of the library; its files stay."""
    who = identity()
    library.remove(site().db, None if "admin" in who.scopes else who.owner.id, path.name)
    return Response(status=204)


def add_for(who: Identity, asked: ModelRequest) -> Model:
    """Put a model into the library for whoever asks: an admin's is everybody's, anybody else's their own.

    Raises:
        Forbidden: the source is one that only an admin may name.
    """
    if asked.source.startswith(("folder:", "package:")) and "admin" not in who.scopes:
        raise Forbidden(
            "Only an admin key may name a folder or a package of the server.", code="admin_only", field="source"
        )
    owner_id = None if "admin" in who.scopes else who.owner.id
    return library.add(site().db, owner_id, **asked.model_dump())


def _known(name: str) -> dict[str, Any]:
    owner_id = identity().owner.id
    model = library.get(site().db, owner_id, name)
    made = versions.of_model(site().db, owner_id, model.name)
    return _body(model) | {"versions": [asdict(each) | {"created_at": each.created_at.isoformat()} for each in made]}


def _body(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "title": model.title,
        "task": model.task,
        "source": model.source,
        "revision": model.revision,
        "file": model.file,
        "licence": model.licence,
        "base": model.base,
        "size": model.size,
        "sha256": model.sha256,
        "mine": model.owner_id is not None,
        "version": model.version,
        "created_at": model.created_at.isoformat(),
    }
