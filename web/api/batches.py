"""Batches: submit by list, by template or by file; look, cancel the rest, retry what failed, fetch the results."""

from collections.abc import Iterator
from itertools import chain
from pathlib import PurePath
from typing import Any

from flask import Response, request
from flask_openapi.blueprint import APIBlueprint
from pydantic import ValidationError
from pydantic_core import from_json
from werkzeug.wrappers import Response as BaseResponse

from shared import artifacts, batch_listing, batch_results, batches
from shared.batch import Batch
from shared.batch_files import JsonLines, Table
from shared.drafts import Placement
from shared.errors import Invalid, NotFound, WrongMedia
from shared.job import JobState
from shared.sources import Listed, Source
from shared.variations import Varied
from web import problems
from web.answers import json_answer
from web.api.batch_bodies import (
    BatchBody,
    BatchJobsBody,
    BatchJobsQuery,
    BatchPageBody,
    BatchPath,
    BatchQuery,
    BatchRequest,
    RetryQuery,
    UploadQuery,
)
from web.api.bodies import ProblemBody
from web.api.rendering import batch_body, job_body, result_body
from web.auth import identity, needs
from web.idempotency import idempotency_key
from web.site import site
from web.uploads import Upload, receive, takes_upload

api = APIBlueprint(
    "batches", __name__, url_prefix="/api/batches", abp_tags=[{"name": "batches"}], abp_responses={"4XX": ProblemBody}
)

JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines", "application/json-lines")
CSV = "text/csv"

_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv"}
_TEXT = {"schema": {"type": "string"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
        "additionalProperties": {"type": "string"},
    }
}


@api.post("", responses={202: BatchBody})
@needs("jobs:write")
def submit(body: BatchRequest) -> Response:
    """Submit many jobs at once: all of them, or, if anything is wrong, none. The same Idempotency-Key with the same
    body answers with the first batch."""
    source: Source
    if body.items is not None:
        source = Listed(body.params, body.items)
    else:
        source = Varied(body.params, body.vary or {}, body.mode)
    return _submit(body.kind, source, body)


@api.post(
    "/upload",
    request_body={"content": {"multipart/form-data": _FORM, JSON_LINES[0]: _TEXT, CSV: _TEXT}},
    responses={202: BatchBody},
)
@needs("jobs:write")
@takes_upload
def upload(query: UploadQuery) -> Response:
    """Submit a file of jobs: JSON lines, or CSV with the fields' names in its first line. As a form, in the part
    `file`, or as the body itself. Every wrong line is named, up to 100 of them, and then nothing is queued."""
    with receive("file", *JSON_LINES, CSV) as sent:
        fields = {name: text for name, text in sent.fields.items() if name != "csrf_token"}
        try:
            about = UploadQuery.model_validate(query.model_dump(exclude_unset=True) | fields)
        except ValidationError as error:
            return problems.invalid_body(error)
        if about.kind is None:
            raise Invalid("This is needed.", code="invalid", field="kind")
        return _submit(about.kind, file_source(about.kind, _common(about.params), sent), about)


@api.get("", responses={200: BatchPageBody})
@needs("jobs:read")
def page(query: BatchQuery) -> Response:
    """Your batches, newest first."""
    here = site()
    found = batch_listing.page(here.db, identity().owner.id, limit=query.limit, cursor=query.cursor)
    tallies = batch_listing.tallies(here.db, found.items)
    return json_answer({"batches": [batch_body(batch, tallies[batch.id]) for batch in found.items], "next": found.next})


@api.get("/<batch_id>", responses={200: BatchBody})
@needs("jobs:read")
def show(path: BatchPath) -> BaseResponse:
    """One batch. With If-None-Match of the last ETag it answers 304 while none of its jobs has changed."""
    return _answer(_batch(path)).make_conditional(request)


@api.get("/<batch_id>/jobs", responses={200: BatchJobsBody})
@needs("jobs:read")
def jobs(path: BatchPath, query: BatchJobsQuery) -> Response:
    """The jobs of a batch by their number, by filter and cursor; of a job that was retried the latest."""
    here, batch = site(), _batch(path)
    found = batch_listing.items(here.db, batch, states=query.state, limit=query.limit, cursor=query.cursor)
    files = artifacts.of_jobs(here.db, batch.owner_id, [job.id for job in found.items])
    return json_answer({"jobs": [job_body(job, files[job.id], None) for job in found.items], "next": found.next})


@api.post("/<batch_id>/cancel", responses={200: BatchBody})
@needs("jobs:write")
def cancel(path: BatchPath) -> Response:
    """Cancel the rest: every job that waits, at once, and every one that runs, within a step."""
    return _answer(batches.cancel(site().db, identity().owner.id, path.batch_id))


@api.post("/<batch_id>/retry", responses={202: BatchBody})
@needs("jobs:write")
def retry(path: BatchPath, query: RetryQuery) -> Response:
    """Submit the jobs that failed anew (with `state=cancelled` those that were cancelled), in the same batch."""
    here, batch = site(), _batch(path)
    batches.retry(here.db, identity().owner, batch.id, [JobState(state) for state in query.state])
    here.ringer.ring(batch.pool)
    return _answer(batch, 202)


@api.get("/<batch_id>/results.jsonl", responses={200: {"content": {JSON_LINES[0]: _TEXT}}})
@needs("jobs:read")
def results_jsonl(path: BatchPath) -> Response:
    """A line for each number: its params, its state, and the addresses of its files."""
    batch = _batch(path)
    lines = batch_results.lines(batch_results.results(site().db, batch), result_body)
    return stream(lines, JSON_LINES[0], f"{batch.id}.jsonl")


@api.get("/<batch_id>/results.zip", responses={200: {"content": {"application/zip": _TEXT}}})
@needs("jobs:read")
def results_zip(path: BatchPath) -> Response:
    """Every output and model as one zip archive, with the lines of results.jsonl as manifest.jsonl at its end."""
    here, batch = site(), _batch(path)
    packed = batch_results.archive(here.storage, batch_results.results(here.db, batch), result_body)
    return stream(packed, "application/zip", f"{batch.id}.zip")


def _submit(kind: str, source: Source, about: BatchRequest | UploadQuery) -> Response:
    here = site()
    placement = Placement(about.priority, about.pool, about.device, about.time_limit_s)
    try:
        submitted = batches.submit(
            here.db,
            identity().owner,
            kind,
            source,
            placement=placement,
            title=about.title,
            idempotency_key=idempotency_key(),
        )
    except NotFound as error:
        raise Invalid(str(error), code="unknown_kind", field="kind") from error
    here.ringer.ring(submitted.batch.pool)
    answer = _answer(submitted.batch, 202)
    answer.headers["Location"] = f"/api/batches/{submitted.batch.id}"
    if not submitted.created:
        answer.headers["Idempotent-Replayed"] = "true"
    return answer


def file_source(kind: str, params: dict[str, Any], sent: Upload) -> Source:
    """What the file is by its name, or else by its type."""
    form = _SUFFIXES.get(PurePath(sent.name).suffix.lower())
    if form is None:
        form = "csv" if sent.media_type == CSV else "jsonl" if sent.media_type in JSON_LINES else None
    if form is None:
        raise WrongMedia("Name the file .jsonl or .csv: by its name it cannot be told which of the two it is.")
    name = PurePath(sent.name).name[:200] or f"upload.{form}"
    return Table(kind, params, sent.file, name) if form == "csv" else JsonLines(params, sent.file, name)


def _common(text: str | None) -> dict[str, Any]:
    """The params that all jobs of a file have in common."""
    try:
        params = from_json(text, allow_inf_nan=False) if text else {}
    except ValueError as error:
        raise Invalid(f"Must be a JSON object: {error}.", field="params") from error
    if not isinstance(params, dict):
        raise Invalid("Must be a JSON object with named values: {…}.", field="params")
    return params


def _batch(path: BatchPath) -> Batch:
    return batch_listing.get(site().db, identity().owner.id, path.batch_id)


def _answer(batch: Batch, status: int = 200) -> Response:
    tally = batch_listing.tally(site().db, batch)
    answer = json_answer(batch_body(batch, tally), status)
    answer.set_etag(f"{batch.id}-{tally.version}")
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


def stream(chunks: Iterator[bytes], media_type: str, name: str) -> Response:
    """The first chunk is made now, so that what is wrong from the start is an error answer and not a broken file."""
    answer = Response(chain([next(chunks, b"")], chunks), mimetype=media_type)
    answer.headers["Content-Disposition"] = f"attachment; filename={name}"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
