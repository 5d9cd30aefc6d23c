"""What every request is checked for before a view sees it, so that no view meets text it cannot store.

Knows neither keys nor jobs.
"""

import math
import random
from urllib.parse import unquote_to_bytes

from flask import Flask, Response, g, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from shared.errors import Invalid
from shared.text import UNSTORABLE, storable
from web import uploads

_JSON_METHODS = {"POST", "PUT", "PATCH"}


def register(app: Flask) -> None:
    """Check each request of this application, and put the headers on each answer that all of them carry."""
    app.before_request(_check_address)
    app.before_request(uploads.allow_length)
    app.after_request(_harden)


def request_id() -> str:
    """The name of this request, in its answer's X-Request-ID and in the log."""
    if "request_id" not in g:
        g.request_id = f"{random.getrandbits(64):016x}"
    return str(g.request_id)


def check_json() -> None:
    """A body under /api is JSON, can be read and can be stored, but for uploads. Runs once the key is known."""
    if not request.path.startswith("/api") or request.method not in _JSON_METHODS or uploads.is_taken():
        return
    body = request.get_data(cache=True)
    if not body:
        return
    # A body that came in chunks, without a length, is cut off at the limit in silence.
    if request.content_length is None and len(body) >= (request.max_content_length or math.inf):
        raise RequestEntityTooLarge
    if not request.is_json:
        raise UnsupportedMediaType
    read = request.get_json()
    # Only these two spellings can hide a character that Postgres refuses; all other bodies are not searched.
    if (b"\\u0000" in body or b"\\ud" in body.lower()) and not storable(read):
        raise Invalid(UNSTORABLE)


def _check_address() -> None:
    """Refuse text that cannot be stored, wherever in the address it is."""
    if b"\x00" in unquote_to_bytes(request.query_string) or any(bad in request.path for bad in "\x00\ufffd"):
        raise BadRequest


def _harden(answer: Response) -> Response:
    headers = answer.headers
    # Not setdefault, which takes an exception for each: this is on every answer's way.
    own = {name for name, _ in headers}
    headers.extend([header for header in _HARDENING if header[0] not in own])
    headers.add("X-Request-ID", request_id())
    if "rate" in g:
        per_minute, left = g.rate
        headers.add("RateLimit-Policy", f'"key";q={per_minute};w=60')
        headers.add("RateLimit", f'"key";r={left};t={60 - 60 * left // per_minute}')
    return answer


_POLICY = (
    "default-src 'self'; img-src 'self' data:; media-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HARDENING = [
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
]
