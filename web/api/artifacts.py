"""The bytes of artifacts: streamed, by range, and never run by a browser as part of this site."""

from collections.abc import Iterator
from itertools import chain
from urllib.parse import quote

from flask import Response, request
from flask_openapi.blueprint import APIBlueprint
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import parse_range_header
from werkzeug.wrappers import Response as BaseResponse

from shared import artifacts
from shared.job import Artifact
from shared.storage import Storage
from web.api.bodies import ArtifactPath, ArtifactQuery, ProblemBody
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
    "video/mp4",
    "text/plain",
}
"""Types that a browser shows without running anything."""


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
