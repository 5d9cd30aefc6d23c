"""Datasets: what checks (`check_dataset`) made of uploaded files, to be named by jobs that train."""

from typing import Any

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from shared import artifacts, dataset_rows, datasets
from shared.dataset import Dataset, DatasetVersion
from web.answers import json_answer
from web.api.bodies import ProblemBody
from web.api.dataset_bodies import (
    DatasetPath,
    DatasetRowsBody,
    DatasetRowsQuery,
    DatasetsBody,
    DatasetsQuery,
    WholeDatasetBody,
)
from web.auth import identity, needs
from web.site import site

api = APIBlueprint(
    "datasets",
    __name__,
    url_prefix="/api/datasets",
    abp_tags=[{"name": "datasets"}],
    abp_responses={"4XX": ProblemBody},
)


@api.get("", responses={200: DatasetsBody})
@needs("jobs:read")
def index(query: DatasetsQuery) -> Response:
    """Your datasets, by name, each with its latest version."""
    formats = [query.format] if query.format else None
    found = datasets.list_datasets(site().db, identity().owner.id, formats)
    return json_answer({"datasets": [_body(each) for each in found]})


@api.get("/<name>", responses={200: WholeDatasetBody})
@needs("jobs:read")
def show(path: DatasetPath) -> Response:
    """A dataset with all its versions, newest first, and the report of each."""
    found = datasets.get(site().db, identity().owner.id, path.name)
    versions = [_version(found, each) | {"report": each.report} for each in found.versions]
    return json_answer(_body(found) | {"versions": versions})


@api.get("/<name>/rows", responses={200: DatasetRowsBody})
@needs("jobs:read")
def rows(path: DatasetPath, query: DatasetRowsQuery) -> Response:
    """Rows of a split, of the latest version or of `name@3`."""
    here, owner_id = site(), identity().owner.id
    _, version = datasets.version(here.db, owner_id, path.name)
    key = artifacts.get(here.db, owner_id, version.artifact_id).key
    found = dataset_rows.page(here.storage, key, version, query.split, query.cursor, query.limit)
    return json_answer({"rows": found.rows, "next": found.next})


@api.delete("/<name>", responses={204: None})
@needs("jobs:write")
def remove(path: DatasetPath) -> Response:
    """Delete a dataset with all its versions, unless a waiting or running job needs it."""
    datasets.remove(site().db, identity().owner.id, path.name)
    return Response(status=204)


def _body(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "title": dataset.title,
        "created_at": dataset.created_at.isoformat(),
        "latest": _version(dataset, dataset.latest),
    }


def _version(dataset: Dataset, version: DatasetVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "ref": f"{dataset.name}@{version.number}",
        "format": version.format,
        "sha256": version.sha256,
        "splits": version.splits,
        "rows": version.rows,
        "artifact_id": version.artifact_id,
        "job_id": version.job_id,
        "created_at": version.created_at.isoformat(),
    }
