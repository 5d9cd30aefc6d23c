"""A plain form, not drawn from a kind's schema: what was typed in each entry, and what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.errors import FieldError


@dataclass(frozen=True)
class Entries:
    """The entries of one form. `first` is the one that is wrong and foremost: it gets the focus."""

    typed: Mapping[str, str]
    wrong: Mapping[str, str]
    first: str | None
    general: list[str]


def entries(names: Sequence[str], typed: Mapping[str, str], errors: Sequence[FieldError] = ()) -> Entries:
    """Entries with these names, in the order in which they are drawn; other errors belong to the whole form."""
    wrong: dict[str, str] = {}
    general: list[str] = []
    for error in errors:
        name = error["field"].split(".")[0]
        if name in names:
            wrong.setdefault(name, error["message"])
        else:
            general.append(error["message"])
    return Entries(typed, wrong, next((name for name in names if name in wrong), None), general)
