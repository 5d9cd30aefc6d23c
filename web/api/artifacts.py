"""Artifacts: listed, starred, packed, and streamed by range. No browser runs one as a part of this site."""

from collections.abc import Iterator, Sequence
from itertools import chain
from urllib.parse import quote

from flask import Response, request
from flask_openapi.blueprint import APIBlueprint
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import parse_range_header
from werkzeug.wrappers import Response as BaseResponse

from shared import artifacts, feedback, gallery
from shared.errors import NotFound
from shared.gallery import Item
from shared.job import Artifact
from shared.storage import Storage
from web.answers import json_answer
from web.api.artifact_bodies import (
    ArtifactPageBody,
    ArtifactPath,
    ArtifactQuery,
    ArtifactsQuery,
    FeedbackBody,
    FeedbackRequest,
    ListedArtifactBody,
    ZipRequest,
)
from web.api.bodies import ProblemBody
from web.api.rendering import feedback_body, listed_body
from web.auth import identity, needs
from web.site import site

api = APIBlueprint(
    "artifacts",
    __name__,
    url_prefix="/api/artifacts",
    abp_tags=[{"name": "artifacts"}],
    abp_responses={"4XX": ProblemBody},
)

SHOWN = {
    "image/png",
    "image/jpeg",
    "image/webp",
    "audio/wav",
    "audio/x-wav",
    "audio/flac",
    "audio/mpeg",
    "audio/ogg",
    "video/mp4",
    "video/webm",
    "text/vtt",
    "text/plain",
}
"""Types that a browser shows without running anything."""


@api.get("", responses={200: ArtifactPageBody})
@needs("jobs:read")
def page(query: ArtifactsQuery) -> Response:
    """Your files, newest first, by filter and cursor."""
    found = gallery.page(
        site().db,
        identity().owner.id,
        role=query.role,
        media=query.media,
        starred=query.starred,
        search=query.q,
        model=query.model,
        limit=query.limit,
        cursor=query.cursor,
    )
    return json_answer({"artifacts": [listed_body(item) for item in found.items], "next": found.next})


@api.post("/zip", responses={200: {"content": {"application/zip": {"schema": {"type": "string"}}}}})
@needs("jobs:read")
def zipped(body: ZipRequest) -> Response:
    """These files as one zip archive, with a line of settings for each in settings.jsonl at its end."""
    return zip_answer(gallery.items(site().db, identity().owner.id, body.ids))


@api.post("/<artifact_id>/star", responses={200: ListedArtifactBody})
@needs("jobs:write")
def star(path: ArtifactPath) -> Response:
    """Star a file."""
    return json_answer(listed_body(gallery.star(site().db, identity().owner.id, path.artifact_id)))


@api.delete("/<artifact_id>/star", responses={200: ListedArtifactBody})
@needs("jobs:write")
def unstar(path: ArtifactPath) -> Response:
    """Take its star away."""
    return json_answer(listed_body(gallery.unstar(site().db, identity().owner.id, path.artifact_id)))


@api.put("/<artifact_id>/feedback", responses={200: FeedbackBody})
@needs("jobs:write")
def judge(path: ArtifactPath, body: FeedbackRequest) -> Response:
    """Say what a result is worth: a thumb, an edit that says what it should have been, or neither to take it back."""
    said = feedback.give(site().db, identity().owner.id, path.artifact_id, body.thumb, body.edit)
    return json_answer(feedback_body(said))


@api.get("/<artifact_id>/feedback", responses={200: FeedbackBody})
@needs("jobs:read")
def judged(path: ArtifactPath) -> Response:
    """What you said of a result."""
    artifact = artifacts.get(site().db, identity().owner.id, path.artifact_id)
    return json_answer(feedback_body(feedback.of(site().db, identity().owner.id, [artifact.id]).get(artifact.id)))


@api.get("/<artifact_id>/thumbnail", responses={200: {"content": {"image/webp": {"schema": {"type": "string"}}}}})
@needs("jobs:read")
def thumbnail(path: ArtifactPath) -> BaseResponse:
    """A small picture of a picture or a film, 512 pixels at most; a picture that is small, or old, comes whole."""
    here = site()
    artifact = artifacts.get(here.db, identity().owner.id, path.artifact_id)
    key, media_type = artifact.key, artifact.media_type
    if artifact.thumb_key:
        key, media_type = artifact.thumb_key, "image/webp"
    elif not artifact.media_type.startswith("image/"):
        raise NotFound("This artifact is no picture.")
    chunks = here.storage.stream(key)
    answer = Response(chain([next(chunks, b"")], chunks), mimetype=media_type)
    _make_safe(answer, artifact, inline=True)
    del answer.headers["Accept-Ranges"]
    answer.set_etag(f"{key.rpartition('/')[2]}-thumbnail")
    return answer.make_conditional(request)


def zip_answer(chosen: Sequence[Item]) -> Response:
    """A selection as an archive. The first chunk is made now, so that a fault from the start is an error answer."""
    packed = gallery.archive(site().storage, chosen, listed_body)
    answer = Response(chain([next(packed, b"")], packed), mimetype="application/zip")
    answer.headers["Content-Disposition"] = "attachment; filename=atelier.zip"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


@api.get("/<artifact_id>", responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string"}}}}})
@needs("jobs:read")
def download(path: ArtifactPath, query: ArtifactQuery) -> BaseResponse:
    """The file itself. Range and If-None-Match are honoured; `inline=true` shows safe types in the browser."""
    here = site()
    artifact = artifacts.get(here.db, identity().owner.id, path.artifact_id)
    span = _range(artifact)
    start, end = span or (0, artifact.size)
    answer = Response(_stream(here.storage, artifact, start, end), 206 if span else 200, mimetype=artifact.media_type)
    answer.content_length = end - start
    if span:
        answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{artifact.size}"
    _make_safe(answer, artifact, inline=query.inline)
    answer.set_etag(artifact.sha256)
    return answer if span else answer.make_conditional(request)


def _stream(storage: Storage, artifact: Artifact, start: int, end: int) -> Iterator[bytes]:
    """The bytes; the first are read now, so that a missing file is an error answer and not a broken one."""
    if end == start:
        return iter(())
    chunks = storage.stream(artifact.key, start, end)
    return chain([next(chunks, b"")], chunks)


def _range(artifact: Artifact) -> tuple[int, int] | None:
    """The one range that is asked for, as [start, end); None for the whole file."""
    if_range = request.headers.get("If-Range")
    if if_range is not None and if_range.strip('"') != artifact.sha256:
        return None
    asked = parse_range_header(request.headers.get("Range"))
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    span = asked.range_for_length(artifact.size)
    if span is None:
        raise RequestedRangeNotSatisfiable(artifact.size)
    return span


def _make_safe(answer: Response, artifact: Artifact, *, inline: bool) -> None:
    kind = artifact.media_type.split(";")[0].strip()
    shown = "inline" if inline and kind in SHOWN else "attachment"
    answer.headers["Content-Disposition"] = f"{shown}; filename*=UTF-8''{quote(artifact.name, safe='')}"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["Cache-Control"] = "private, max-age=31536000, immutable"
