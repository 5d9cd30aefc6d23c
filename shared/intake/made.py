"""What the child hands back: names of files in its folder, and what they are."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Made:
    """A file written anew. Of what can be seen it has the size in pixels and, where it is large, a small picture."""

    file: str
    media_type: str
    suffix: str
    width: int | None = None
    height: int | None = None
    thumbnail: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)
