"""Addresses of static files that change with their content, so that a browser may keep each for good."""

import hashlib
import re
from functools import cache
from pathlib import Path

from flask import url_for

_STATIC = Path(__file__).parents[1] / "static"
_UNKNOWN_ICON = "file"

STYLES = (
    "tokens", "shell", "controls", "parts", "pages", "plant", "batches", "schedules", "gallery", "create", "inputs",
    "jobs", "workflows", "files", "datasets",
)  # fmt: skip
SCRIPTS = ("chrome", "form", "live", "batch", "schedule", "gallery", "inputs", "picture", "create", "jobs", "job")


def asset(name: str) -> str:
    """The address of a static file."""
    return url_for("static", filename=name, v=_version(name))


def icon_address(name: str) -> str:
    """The address of an icon; a kind from elsewhere may name one that the sprite does not have."""
    known = name if name in _icons() else _UNKNOWN_ICON
    return f"{asset('vendor/icons.svg')}#{known}"


@cache
def _version(name: str) -> str:
    return hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]


@cache
def _icons() -> frozenset[str]:
    return frozenset(re.findall(r'<symbol id="([a-z0-9-]+)"', (_STATIC / "vendor" / "icons.svg").read_text("utf-8")))
