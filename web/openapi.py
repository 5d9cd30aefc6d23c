"""The OpenAPI 3.1 document, made true where flask-openapi cannot know better, and a page to read it on."""

import copy
from typing import Any

from flask import Blueprint, Response, current_app, render_template
from flask_openapi.openapi import OpenAPI

from shared import kinds
from web.answers import json_answer
from web.api.upload_bodies import StagedBody
from web.auth import needed, needs

pages = Blueprint("openapi", __name__)

VERSION = "3.1.0"
_METHODS = {"get", "post", "put", "patch", "delete"}


@pages.get("/openapi.json")
@needs("jobs:read")
def document() -> Response:
    """The description of the API."""
    return json_answer(description(_application()))


@pages.get("/docs")
@needs("jobs:read")
def docs() -> str:
    """The same for people."""
    described = description(_application())
    return render_template("docs.html", document=described, operations=_operations(described))


def description(app: OpenAPI) -> dict[str, Any]:
    """The document, made once for an application."""
    made: dict[str, Any] | None = app.extensions.get("atelier_openapi")
    if made is None:
        made = app.extensions["atelier_openapi"] = _mended(app, copy.deepcopy(app.api_doc))
    return made


def _mended(app: OpenAPI, made: dict[str, Any]) -> dict[str, Any]:
    made["openapi"] = VERSION
    schemas = made["components"]["schemas"]
    _describe_params(schemas)
    _describe_uploads(made)
    for path, item in made["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                _mend_operation(app, path, method, operation)
    return made


def _describe_params(schemas: dict[str, Any]) -> None:
    """`params` of a job request: one schema for each kind, under the kind's name."""
    for name in kinds.names():
        schema = copy.deepcopy(kinds.schema(name))
        for definition, body in schema.pop("$defs", {}).items():
            schemas[f"{name}.{definition}"] = body
        schemas[f"{name}.params"] = _moved(schema, name)
    choices = [{"$ref": f"#/components/schemas/{name}.params"} for name in kinds.names()]
    schemas["JobRequest"]["properties"]["params"] = {"anyOf": choices, "description": "The params of the kind."}
    for request in ("JobRequest", "BatchRequest", "Step"):
        schemas[request]["properties"]["kind"] |= {"enum": kinds.names()}


def _describe_uploads(made: dict[str, Any]) -> None:
    """Two addresses answer with an upload, or with how far one in pieces is."""
    schema = StagedBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    made["components"]["schemas"]["StagedBody"] = schema
    either = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("UploadBody", "StagedBody")]}
    for path, method, status in (("/api/uploads", "post", "201"), ("/api/uploads/{upload_id}", "get", "200")):
        made["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"] = either


def _moved(schema: Any, kind: str) -> Any:
    """The schema with its inner references pointing to where their definitions were moved."""
    if isinstance(schema, dict):
        return {key: _moved(value, kind) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_moved(value, kind) for value in schema]
    if isinstance(schema, str) and schema.startswith("#/$defs/"):
        return f"#/components/schemas/{kind}.{schema.removeprefix('#/$defs/')}"
    return schema


def _mend_operation(app: OpenAPI, path: str, method: str, operation: dict[str, Any]) -> None:
    """Errors are problem+json, a public address needs no key, and what views read and send beside bodies is named."""
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
    for status in list(operation["responses"]):
        if status.startswith("4"):
            operation["responses"][status] = {"description": "An error.", "content": problem}
    operation["responses"]["default"] = {"description": "An error.", "content": problem}
    operation["security"] = [] if _is_public(app, path, method) else [{"key": []}]
    for name in _HEADERS.get((method, path), ()):
        header = {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
        operation.setdefault("parameters", []).append(header | {"description": _MEANINGS[name]})
    for status in _ANSWERS.get((method, path), ()):
        operation["responses"].setdefault(status, {"description": _MEANINGS[status]})


_HEADERS = {
    ("post", "/api/jobs"): ("Idempotency-Key",),
    ("post", "/api/batches"): ("Idempotency-Key",),
    ("post", "/api/batches/upload"): ("Idempotency-Key",),
    ("post", "/api/workflows"): ("Idempotency-Key",),
    ("get", "/api/workflows/{workflow_id}"): ("If-None-Match",),
    ("get", "/api/batches/{batch_id}"): ("If-None-Match",),
    ("get", "/api/jobs/{job_id}"): ("Prefer", "If-None-Match"),
    ("get", "/api/jobs/{job_id}/events"): ("Last-Event-ID",),
    ("post", "/api/uploads"): ("Idempotency-Key", "Content-Digest", "Upload-Length", "Upload-Metadata"),
    ("patch", "/api/uploads/{upload_id}"): ("Upload-Offset",),
    ("get", "/api/artifacts/{artifact_id}"): ("Range", "If-None-Match"),
    ("get", "/api/artifacts/{artifact_id}/thumbnail"): ("If-None-Match",),
}
_ANSWERS = {
    ("get", "/api/jobs/{job_id}"): ("304",),
    ("get", "/api/batches/{batch_id}"): ("304",),
    ("get", "/api/workflows/{workflow_id}"): ("304",),
    ("get", "/api/jobs/{job_id}/events"): ("204",),
    ("get", "/api/artifacts/{artifact_id}"): ("206", "304"),
    ("get", "/api/artifacts/{artifact_id}/thumbnail"): ("304",),
}
_MEANINGS = {
    "Idempotency-Key": "1 to 255 visible characters; the same key with the same body answers with what it made.",
    "Content-Digest": "`sha-256=:…:` of the body (RFC 9530): it is checked.",
    "Upload-Length": "Begins an upload in pieces of this many bytes in all.",
    "Upload-Metadata": "Of an upload in pieces: `filename`, `filetype` and `sha256`, each with its value in base64.",
    "Upload-Offset": "How many bytes have arrived before this piece.",
    "Prefer": "`wait=N` holds the answer for up to N seconds, at most 60, until the job changes.",
    "If-None-Match": "The last ETag; 304 while nothing has changed.",
    "Last-Event-ID": "The id of the last event that arrived; what came later follows.",
    "Range": "`bytes=first-last`: a part of the file.",
    "204": "The job has ended and every event of it has arrived.",
    "206": "The part of the file that was asked for.",
    "304": "Nothing has changed since that ETag.",
}


def _is_public(app: OpenAPI, path: str, method: str) -> bool:
    rule = path.replace("{", "<").replace("}", ">")
    for each in app.url_map.iter_rules():
        if each.rule.replace("path:", "") == rule and method.upper() in (each.methods or ()):
            return needed(app, each.endpoint) == "public"
    return False


def _operations(described: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"path": path, "method": method.upper(), **operation}
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if method in _METHODS
    ]


def _application() -> OpenAPI:
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy hides the class we need
    assert isinstance(app, OpenAPI)
    return app
