"""Provenance: what this installation knows of a file that somebody brings."""

from typing import Any

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from shared.provenance import Provenance
from web import receiving
from web.answers import json_answer
from web.api.bodies import ProblemBody
from web.api.provenance_bodies import ProvenanceBody
from web.api.rendering import artifact_body
from web.auth import needs
from web.uploads import receive, takes_upload

api = APIBlueprint(
    "provenance",
    __name__,
    url_prefix="/api/provenance",
    abp_tags=[{"name": "provenance"}],
    abp_responses={"4XX": ProblemBody},
)

TAKEN = ("image/", "audio/", "video/", "text/", "application/octet-stream")

_FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
    }
}
_FILE = {"schema": {"type": "string", "format": "binary"}}


@api.post(
    "",
    request_body={"content": {"multipart/form-data": _FORM, "application/octet-stream": _FILE}},
    responses={200: ProvenanceBody},
)
@needs("jobs:read")
@takes_upload
def look_up() -> Response:
    """Whether a file was made here, how, and what it says of itself. Nothing of it is kept."""
    with receive("file", *TAKEN) as sent:
        found = receiving.look_up(sent.file, sent.name, sent.media_type)
    return json_answer(_body(found))


def _body(found: Provenance) -> dict[str, Any]:
    nothing = dict.fromkeys(("generator", "issuer", "title", "work")) | {"problems": []}
    return {
        "made_here": found.made_here,
        "match": found.match,
        "sha256": found.sha256,
        "media_type": found.media_type,
        "artifacts": [artifact_body(each) | {"job_id": each.job_id} for each in found.artifacts],
        "credentials": nothing | found.credentials if found.credentials else None,
        "label": found.label,
        "settings": found.settings,
    }
