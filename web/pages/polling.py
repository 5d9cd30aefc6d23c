"""Parts of pages that ask every few seconds whether they would be drawn anew."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from flask import Response, request


def version(*seen: object) -> str:
    """The same while what is seen is the same; relative times move on by themselves, hence the minute."""
    minute = datetime.now(UTC).strftime("%H:%M")
    return hashlib.sha256(repr([*seen, minute]).encode()).hexdigest()[:16]


def redrawn(now: str, draw: Callable[[], str]) -> Response:
    """The part anew, or 204 where the page shows this version of it already."""
    return Response(status=204) if now == request.args.get("seen") else Response(draw())
