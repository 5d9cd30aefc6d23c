"""The kind `collage` for the time of a test: fields for files of every medium, and for adapters."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared import kinds

FOLDER = Path(__file__).parents[1] / "collage"


@contextmanager
def installed() -> Iterator[None]:
    """As if this installation had it."""
    kinds.extend(FOLDER)
    try:
        yield
    finally:
        kinds.__path__.remove(str(FOLDER / "shared"))
        kinds.names.cache_clear()
        kinds.params_class.cache_clear()
        sys.modules.pop("shared.kinds.collage", None)
