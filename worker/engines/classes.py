"""The classes that a model knows, by their names or numbers: for models that take a class instead of a prompt."""

from collections.abc import Mapping
from difflib import get_close_matches

from shared.errors import JobError

#: How many classes a refusal lists.
_SHOWN = 12


def class_number(wanted: str, names: Mapping[int, str], count: int, *, field: str) -> int:
    """The number of the class of that name or number, of `count` classes of which some have names.

    A name may be one of several that the model writes with commas between ("goldfish, Carassius auratus").

    Raises:
        JobError: there is no such class; the sentence names some that there are.
    """
    known: dict[str, int] = {}
    for named, text in names.items():
        for word in (text, *text.split(",")):
            known.setdefault(_plain(word), named)
    number = known.get(_plain(wanted))
    if number is None and wanted.strip().isdecimal():
        number = int(wanted)
    if number is not None and number < count:
        return number
    raise JobError(
        "unknown_class", f"This model has no class “{wanted[:80]}”. {_some(wanted, names, count)}", field=field
    )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _some(wanted: str, names: Mapping[int, str], count: int) -> str:
    if not names:
        return f"Its classes have the numbers 0 to {count - 1}."
    first = [text.split(",")[0] for text in names.values()]
    near = get_close_matches(wanted, first, n=3, cutoff=0.5)
    shown = list(dict.fromkeys([*near, *first]))[:_SHOWN]
    return f"It knows: {', '.join(shown)}{' …' if len(first) > len(shown) else ''}."
