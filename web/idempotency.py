"""The key by which a client says that a request is the one it sent before."""

import re

from flask import request

from shared.errors import Invalid

_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")


def idempotency_key() -> str | None:
    """The Idempotency-Key of this request, if it has one.

    Raises:
        Invalid: it is empty, too long, or not plain text.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    key = key.strip().strip('"')
    if not _KEY.match(key):
        raise Invalid("An Idempotency-Key has 1 to 255 visible characters.", code="bad_key", field="Idempotency-Key")
    return key
