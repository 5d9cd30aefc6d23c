"""Which text can be stored: Postgres takes no NUL and no half of a surrogate pair."""

import re
from typing import Any

UNSTORABLE = "The text holds characters that cannot be stored (NUL, or half of a surrogate pair)."

_WRONG = re.compile("[\x00\ud800-\udfff]")


def storable(data: Any) -> bool:
    """Whether every text in what was read from JSON can be stored, keys too."""
    # A stack, not recursion: the nesting is the client's.
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if _WRONG.search(value):
                return False
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
    return True
