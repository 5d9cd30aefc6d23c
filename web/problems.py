"""Errors as answers: problem+json (RFC 9457) under /api, a page elsewhere. Nothing of the inside is shown."""

import logging
from typing import Any

from flask import Flask, Response, render_template, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from shared.complaints import field_errors, sentence
from shared.errors import AtelierError, FieldError, Invalid, Waitable
from web.answers import json_answer
from web.incoming import request_id

log = logging.getLogger(__name__)

_SENTENCES = {
    400: "The request cannot be read.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    408: "The request took too long to arrive.",
    411: "The request must say how long it is.",
    413: "The request is larger than this server accepts.",
    415: "Send JSON, with Content-Type: application/json.",
    416: "The file has no such range of bytes.",
    431: "The request's headers are too large.",
}


def register(app: Flask) -> None:
    """Make this module answer every error of the application."""
    app.register_error_handler(AtelierError, _expected)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def invalid_body(error: ValidationError) -> Response:
    """The answer to a request whose body or query does not fit its model; also flask-openapi's callback."""
    errors = field_errors(error)
    return problem(422, "invalid", sentence(errors[0]), field=errors[0]["field"] or None, errors=errors)


def problem(
    status: int, code: str, detail: str, *, field: str | None = None, errors: list[FieldError] | None = None
) -> Response:
    """A problem+json answer."""
    body: dict[str, Any] = {
        "type": f"urn:atelier:problem:{code}",
        "title": _title(status),
        "status": status,
        "detail": detail,
        "code": code,
        "instance": request.path,
        "request_id": request_id(),
    }
    if field:
        body["field"] = field
    if errors:
        body["errors"] = errors
    return json_answer(body, status, "application/problem+json")


def wants_page() -> bool:
    """Whether a person looks at the answer, and not a program."""
    return not request.path.startswith(("/api", "/healthz", "/readyz", "/metrics", "/openapi"))


def _expected(error: AtelierError) -> Response:
    status = error.status
    errors = error.errors if isinstance(error, Invalid) else None
    if wants_page():
        answer = _page(status, str(error))
    else:
        answer = problem(status, error.code, str(error), field=error.field, errors=errors)
    if isinstance(error, Waitable):
        answer.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="atelier"'
    return answer


def _http(error: HTTPException) -> Response:
    if isinstance(error.response, Response):
        return error.response
    status = error.code or 500
    sentence = _SENTENCES.get(status, error.description or _title(status))
    answer = (
        _page(status, sentence) if wants_page() else problem(status, _title(status).lower().replace(" ", "_"), sentence)
    )
    for name, value in error.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            answer.headers[name] = value
    return answer


def _unexpected(error: Exception) -> Response:
    number = request_id()
    log.error("error %s at %s %s", number, request.method, request.path, exc_info=error)
    sentence = f"Something went wrong here; it was noted as {number}."
    return _page(500, sentence) if wants_page() else problem(500, "internal", sentence)


def _page(status: int, sentence: str) -> Response:
    return Response(render_template("error.html", status=status, title=_title(status), sentence=sentence), status)


def _title(status: int) -> str:
    return _TITLES.get(status, "Error")


_TITLES = {
    400: "Bad request",
    401: "Key needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    411: "Length required",
    413: "Too large",
    415: "Unsupported media type",
    416: "Range not satisfiable",
    422: "Invalid",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
