"""Uploads: a file sent at once, or in pieces by the core of tus 1.0 (https://tus.io/protocols/resumable-upload).

What is kept is an artifact of its owner that jobs may name as input.
"""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any

from flask import Response, current_app, request
from flask_openapi.blueprint import APIBlueprint
from werkzeug.exceptions import ClientDisconnected, LengthRequired
from werkzeug.http import http_date

from shared import artifacts, uploads
from shared.errors import Conflict, Invalid, TooLarge, Unreadable, WrongMedia
from shared.job import Artifact
from shared.staging import Staged, Staging
from shared.uploads import Kept
from web import receiving
from web.answers import json_answer
from web.api.bodies import ProblemBody
from web.api.rendering import upload_body
from web.api.upload_bodies import SendQuery, UploadBody, UploadPageBody, UploadPath, UploadsQuery
from web.auth import identity, needs
from web.idempotency import idempotency_key
from web.site import site
from web.uploads import CHUNK, MAX_LENGTH, cut_off, receive, takes_upload

api = APIBlueprint(
    "uploads", __name__, url_prefix="/api/uploads", abp_tags=[{"name": "uploads"}], abp_responses={"4XX": ProblemBody}
)

PIECE = "application/offset+octet-stream"
"""The type of a piece, as tus has it."""

TAKEN = (
    "image/", "audio/", "video/", "text/", "application/octet-stream", "application/jsonl", "application/x-ndjson",
    "application/x-subrip", "application/ogg", "application/zip", "application/x-zip-compressed",
)  # fmt: skip

_FILE = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}, "sha256": {"type": "string"}},
    }
}
_HASH = re.compile(r"[0-9a-fA-F]{64}\Z")
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):")


@api.after_request
def _name_protocol(answer: Response) -> Response:
    answer.headers["Tus-Resumable"] = "1.0.0"
    answer.headers["Tus-Version"] = "1.0.0"
    answer.headers["Tus-Extension"] = "creation,expiration,termination"
    answer.headers["Tus-Max-Size"] = str(current_app.config[MAX_LENGTH])
    return answer


@api.post(
    "",
    request_body={"content": {"multipart/form-data": _FORM, "application/octet-stream": _FILE}},
    responses={200: UploadBody, 201: UploadBody},
)
@needs("jobs:write")
@takes_upload
def send(query: SendQuery) -> Response:
    """Upload a picture, a sound, a film, a text or a table, once: jobs name it by its id. The body is the file itself,
    or a form with the part `file`; the same bytes again answer with the same artifact. With the header `Upload-Length`
    and no body an upload in pieces begins instead, at the address in `Location`."""
    if "Upload-Length" in request.headers:
        return _begin()
    with receive("file", *TAKEN) as sent:
        said = query.sha256 or sent.fields.get("sha256") or None
        if said is not None and not _HASH.match(said):
            raise Invalid("A SHA-256 has 64 hexadecimal digits.", field="sha256")
        digest = None if request.mimetype == "multipart/form-data" else _digest()
        kept = receiving.keep(
            sent.file,
            sent.name or query.name,
            sent.media_type,
            sha256=said or digest,
            idempotency_key=idempotency_key(),
        )
    return _kept(kept)


@api.get("", responses={200: UploadPageBody})
@needs("jobs:read")
def page(query: UploadsQuery) -> Response:
    """Your uploads, newest first."""
    found = uploads.page(site().db, identity().owner.id, media=query.media, limit=query.limit, cursor=query.cursor)
    return json_answer({"uploads": [upload_body(each) for each in found.items], "next": found.next})


@api.get("/<upload_id>", responses={200: UploadBody})
@needs("jobs:read")
def show(path: UploadPath) -> Response:
    """An upload; of one that comes in pieces (`upl_…`), how much has arrived, by GET or by HEAD."""
    owner_id = identity().owner.id
    if not path.upload_id.startswith("upl_"):
        return json_answer(upload_body(uploads.get(site().db, owner_id, path.upload_id)))
    staged = _staging().get(owner_id, path.upload_id)
    became = artifacts.get(site().db, owner_id, staged.artifact_id) if staged.artifact_id else None
    return _standing(staged, json_answer(_staged_body(staged, became)))


@api.patch("/<upload_id>", responses={204: None}, request_body={"content": {PIECE: _FILE}})
@needs("jobs:write")
@takes_upload
def append(path: UploadPath) -> Response:
    """Send the next piece, from `Upload-Offset` on. After the last one the file is looked at, and `Content-Location` is
    the address of what became of it. What arrived of a piece that broke off stays."""
    owner_id, staging = identity().owner.id, _staging()
    staged = staging.get(owner_id, path.upload_id)
    if request.mimetype != PIECE:
        raise WrongMedia(f"Send the piece with Content-Type: {PIECE}.")
    if request.content_length is None:
        raise LengthRequired
    with staging.appending(owner_id, staged) as file:
        offset = file.tell()
        if staged.artifact_id or _number("Upload-Offset") != offset:
            raise Conflict(f"The next byte is {staging.offset(owner_id, staged)}.", code="wrong_offset")
        if offset + request.content_length > staged.length:
            raise TooLarge(f"This is more than the {staged.length} bytes that were announced.")
        try:
            while chunk := request.stream.read(CHUNK):
                file.write(chunk)
        except ClientDisconnected as error:
            raise cut_off() from error
        file.flush()
        if file.tell() != offset + request.content_length:
            raise cut_off()
        if file.tell() == staged.length:
            staged = _complete(staging, staged)
    answer = _standing(staged, Response(status=204))
    if staged.artifact_id:
        answer.headers["Content-Location"] = f"/api/uploads/{staged.artifact_id}"
    return answer


@api.delete("/<upload_id>", responses={204: None})
@needs("jobs:write")
def remove(path: UploadPath) -> Response:
    """Delete an upload that no waiting or running job needs, or give up one that comes in pieces."""
    if path.upload_id.startswith("upl_"):
        _staging().drop(identity().owner.id, path.upload_id)
    else:
        uploads.remove(site().db, identity().owner.id, path.upload_id)
    return Response(status=204)


def _begin() -> Response:
    length, most = _number("Upload-Length"), current_app.config[MAX_LENGTH]
    if request.content_length:
        raise Invalid("Begin an upload in pieces without a body, and send the pieces by PATCH.", field="Upload-Length")
    if length > most:
        raise TooLarge(f"The file has {length / 1e6:,.0f} MB; {most / 1e6:,.0f} MB are the most.")
    about = _metadata()
    sha256 = about.get("sha256") or None
    if sha256 is not None and not _HASH.match(sha256):
        raise Invalid("A SHA-256 has 64 hexadecimal digits.", field="Upload-Metadata")
    owner_id, staging = identity().owner.id, _staging()
    staged = staging.begin(owner_id, length, about.get("filename", "")[:500], about.get("filetype", "")[:200], sha256)
    answer = _standing(staged, json_answer(_staged_body(staged, None), 201))
    answer.headers["Location"] = f"/api/uploads/{staged.id}"
    return answer


def _complete(staging: Staging, staged: Staged) -> Staged:
    """Look at a file that is all there. What is not taken goes at once; what only has to wait stays."""
    owner_id = identity().owner.id
    try:
        kept = receiving.keep_path(
            staging.bytes_of(owner_id, staged), staged.name, staged.media_type, sha256=staged.sha256
        )
    except (Invalid, Unreadable):
        staging.drop(owner_id, staged.id)
        raise
    staging.finish(owner_id, staged, kept.artifact.id)
    return staging.get(owner_id, staged.id)


def _kept(kept: Kept) -> Response:
    answer = json_answer(upload_body(kept.artifact), 201 if kept.created else 200)
    answer.headers["Location"] = f"/api/uploads/{kept.artifact.id}"
    if not kept.created:
        answer.headers["Idempotent-Replayed"] = "true"
    return answer


def _standing(staged: Staged, answer: Response) -> Response:
    """The headers that say how far an upload is."""
    owner_id, staging = identity().owner.id, _staging()
    answer.headers["Upload-Offset"] = str(staging.offset(owner_id, staged))
    answer.headers["Upload-Length"] = str(staged.length)
    answer.headers["Upload-Expires"] = http_date(staging.expires_at(owner_id, staged))
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _staged_body(staged: Staged, became: Artifact | None) -> dict[str, Any]:
    owner_id, staging = identity().owner.id, _staging()
    return {
        "id": staged.id,
        "offset": staging.offset(owner_id, staged),
        "length": staged.length,
        "expires_at": datetime.fromtimestamp(staging.expires_at(owner_id, staged), UTC).isoformat(),
        "artifact": upload_body(became) if became else None,
    }


def _staging() -> Staging:
    return Staging(site().settings.home)


def _number(header: str) -> int:
    text = request.headers.get(header, "")
    if not re.fullmatch(r"\d{1,18}", text):
        raise Invalid(f"{header} must be a whole number of bytes.", field=header)
    return int(text)


def _metadata() -> dict[str, str]:
    """The pairs of Upload-Metadata: names, each with a value in base64."""
    found = {}
    for pair in filter(None, request.headers.get("Upload-Metadata", "").split(",")):
        name, _, value = pair.strip().partition(" ")
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Invalid(f"The value of {name[:40]} is not base64 of UTF-8.", field="Upload-Metadata") from error
    return found


def _digest() -> str | None:
    """The SHA-256 of Content-Digest (RFC 9530), in hex; other algorithms are left out, as it says."""
    found = _DIGEST.search(request.headers.get("Content-Digest", ""))
    if found is None:
        return None
    try:
        digest = base64.b64decode(found[1], validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        raise Invalid("The sha-256 of Content-Digest is 32 bytes in base64, between colons.", field="Content-Digest")
    return digest.hex()
