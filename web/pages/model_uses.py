"""Where a model or a dataset goes on from here: the kinds that take it, as links that open their form with it."""

from collections.abc import Iterable
from dataclasses import dataclass

from flask import url_for

from shared import kinds
from shared.dataset import DatasetVersion
from shared.kinds.params import Params
from web.pages.rows import kind_words


@dataclass(frozen=True)
class Use:
    """A kind, and the address of its form with the model or the dataset chosen."""

    kind: str
    title: str
    icon: str
    address: str


def uses_of(name: str, task: str, base: str | None = None) -> list[Use]:
    """The kinds that make something with this model; an adapter is chosen beside its base."""
    found = []
    for kind, declared in _declared():
        if declared.gives == "works":
            query = _as_model(declared, name, task) or _as_adapter(declared, name, task, base)
            found += [_use(kind, query)] if query else []
    return found


def bases_of(name: str, task: str) -> list[Use]:
    """The kinds that teach this model."""
    found = ((kind, _as_model(declared, name, task)) for kind, declared in _declared() if declared.trains)
    return [_use(kind, query) for kind, query in found if query]


def trainings_of(ref: str, version: DatasetVersion) -> list[Use]:
    """The kinds that train on a dataset of this version's format."""
    found = []
    for kind, declared in _declared():
        fields = [name for name, formats in declared.dataset_formats().items() if version.format in formats]
        if fields:
            found.append(_use(kind, {fields[0]: ref}))
    return found


def _declared() -> Iterable[tuple[str, type[Params]]]:
    return ((kind, kinds.params_class(kind)) for kind in kinds.names())


def _as_model(declared: type[Params], name: str, task: str) -> dict[str, str]:
    field = next((field for field, wanted in declared.model_tasks().items() if wanted == task), None)
    return {field: name} if field else {}


def _as_adapter(declared: type[Params], name: str, task: str, base: str | None) -> dict[str, str]:
    field = next((field for field, wanted in declared.adapter_tasks().items() if wanted == task), None)
    if field is None:
        return {}
    return {f"{field}.0.model": name, f"{field}.0.weight": "1"} | ({"model": base} if base else {})


def _use(kind: str, query: dict[str, str]) -> Use:
    title, icon = kind_words(kind)
    return Use(kind, title, icon, url_for("create.show", kind=kind, **query))  # type: ignore[arg-type]  # its options
