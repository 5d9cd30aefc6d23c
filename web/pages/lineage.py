"""Where models come from: what each was made from, and whose licence holds for it."""

from collections.abc import Mapping, Sequence

from shared.library import Model


def by_name(every: Sequence[Model]) -> dict[str, Model]:
    """Models by name; the reader's own go before everybody's."""
    return {each.name: each for each in sorted(every, key=lambda each: each.owner_id is not None)}


def line(model: Model, every: Mapping[str, Model]) -> list[Model]:
    """The model, what it was made from, and that from, as far as the library knows."""
    found = [model]
    seen = {model.name}
    while model.base and model.base in every and model.base not in seen:
        model = every[model.base]
        seen.add(model.name)
        found.append(model)
    return found


def lost_base(models: Sequence[Model], every: Mapping[str, Model]) -> str | None:
    """The base of the last in a line, where the library does not have it."""
    base = models[-1].base
    return base if base and base not in every else None


def licence(models: Sequence[Model]) -> tuple[str, Model] | None:
    """The licence that holds for the first in a line, and the model that states it; None where none does."""
    return next(((each.licence, each) for each in models if each.licence), None)
