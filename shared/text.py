"""What can be stored: Postgres takes no NUL and no half of a surrogate pair, JSON no number that is none."""

import math
import re
from typing import Any

UNSTORABLE = "The text holds characters that cannot be stored (NUL, or half of a surrogate pair)."

_WRONG = re.compile("[\x00\ud800-\udfff]")


def clean(data: Any) -> Any:
    """The same with what cannot be stored replaced: in texts by U+FFFD, in place of a NaN or an infinity by None."""
    if isinstance(data, str):
        return _WRONG.sub("\ufffd", data)
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {clean(key): clean(value) for key, value in data.items()}
    return [clean(each) for each in data] if isinstance(data, list | tuple) else data


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
