"""JSON as RFC 8259 has it, and as only one reader can understand it: UTF-8 without a mark, no name twice."""

import json
from typing import Any

from flask.json.provider import DefaultJSONProvider

from shared.errors import Unreadable


class StrictJSON(DefaultJSONProvider):
    """Flask's JSON, but what two readers might read differently is refused."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """What the text says.

        Raises:
            Unreadable: it is not JSON, and where.
        """
        try:
            text = s.decode("utf-8") if isinstance(s, bytes) else s
            return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, **kwargs)
        except UnicodeDecodeError as error:
            raise Unreadable("The body is not UTF-8 text.") from error
        except json.JSONDecodeError as error:
            sentence = f"The body is not JSON: {error.msg.lower()} at line {error.lineno}, column {error.colno}."
            raise Unreadable(sentence) from error
        except ValueError as error:
            raise Unreadable("The body holds a number with too many digits.") from error
        except RecursionError as error:
            raise Unreadable("The body is nested too deeply.") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable(f"The body names {twice[:100]!r} twice in one object.")
    return read


def _refuse(word: str) -> Any:
    raise Unreadable(f"The body says {word}, which is not a number in JSON.")
