"""Answers in JSON."""

from collections.abc import Mapping
from typing import Any

from flask import Response
from pydantic_core import to_json


def json_text(body: Mapping[str, Any]) -> str:
    """The body as JSON in one line; a NaN or an infinity becomes null, as JSON has no word for them."""
    return to_json(body, inf_nan_mode="null").decode()


def json_answer(body: Mapping[str, Any], status: int = 200, mimetype: str = "application/json") -> Response:
    """An answer with this body."""
    return Response(json_text(body), status, mimetype=mimetype)
