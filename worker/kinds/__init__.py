"""The work of each kind: `worker/kinds/<kind>.py` with one function `run(params, ctx)`.

One whose jobs can share passes of their model also has `run_many(party)`, see `worker.context.Party`.

A kind's module is imported when its first job comes: each pulls in libraries that take seconds.
"""

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from shared import kinds
from shared.errors import NotFound

#: What a kind's module defines: `run(params, ctx)`; the params class is the kind's own.
Run = Callable[[Any, Any], None]
RunMany = Callable[[Any], None]


def extend(folder: Path) -> None:
    """Add the kinds of `folder`: their params from folder/shared, their work from folder/worker."""
    kinds.extend(folder)
    path = str(folder / "worker")
    if path not in __path__:
        __path__.append(path)
    importlib.invalidate_caches()


@cache
def run_function(kind: str) -> Run:
    """The `run` of a kind."""
    module = _module(kind)
    run: Run | None = getattr(module, "run", None)
    if run is None:
        raise RuntimeError(f"{module.__file__} must define run(params, ctx).")
    return run


@cache
def run_many_function(kind: str) -> RunMany | None:
    """The `run_many` of a kind, where it has one."""
    return getattr(_module(kind), "run_many", None)


def _module(kind: str) -> ModuleType:
    if kind not in kinds.names():
        raise NotFound(f"There is no kind “{kind[:80]}”.", field="kind")
    return importlib.import_module(f"{__name__}.{kind}")
