"""What stands in a step's params for something that another step will make: `{"from": "paint", "role": "output",
"index": 0}`.

Knows the shape alone; what it stands for is found by `worker.steps`, and checked before by `shared.workflow_drafts`.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Path = tuple[str | int, ...]

MAX_DEPTH = 6
"""As deep as params are looked through; no kind has settings that are nested deeper."""


class Placeholder(BaseModel):
    """One of the files of another step: which of those that it made in this role, from 0."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    step: str = Field(alias="from", min_length=1, max_length=40)
    role: Literal["output", "model", "checkpoint"] = "output"
    index: int = Field(0, ge=0, le=99)


def placeholders(params: Any) -> list[tuple[Path, dict[str, Any]]]:
    """Every placeholder in some params, right or wrong, with its place."""
    return list(_walk(params, ()))


def replaced(params: dict[str, Any], by: Callable[[Path, dict[str, Any]], Any]) -> dict[str, Any]:
    """The params with something else in place of each placeholder."""
    return {name: _replaced(value, (name,), by) for name, value in params.items()}


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    if len(path) > MAX_DEPTH:
        return
    if isinstance(value, dict):
        if path and "from" in value:
            yield path, value
            return
        for name, each in value.items():
            yield from _walk(each, (*path, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _walk(each, (*path, number))


def _replaced(value: Any, path: Path, by: Callable[[Path, dict[str, Any]], Any]) -> Any:
    if len(path) > MAX_DEPTH:
        return value
    if isinstance(value, dict):
        if "from" in value:
            return by(path, value)
        return {name: _replaced(each, (*path, name), by) for name, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, (*path, number), by) for number, each in enumerate(value)]
    return value
