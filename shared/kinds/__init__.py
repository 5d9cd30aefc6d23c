"""The kinds of work that this installation knows: one module of this package each, found by its file.

A kind is `shared/kinds/<kind>.py` with one `Params` class; `extend` adds a folder of further kinds. Imports nothing
but pydantic, so the web process may ask for everything here.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.complaints import field_errors, sentence
from shared.errors import FieldError, Invalid, NotFound
from shared.kinds.params import FINISHING, Params
from shared.kinds.training_params import TRAINING, Training

_NOT_KINDS = {
    "adapter_params", "diffusion_params", "language_params", "params", "picture_training_params", "reading_params",
    "training_params",
}  # fmt: skip
_fixed: dict[str, bool] = {}


def extend(folder: Path) -> None:
    """Add the kinds of `folder`/shared, beside those of this package."""
    path = str(folder / "shared")
    if path not in __path__:
        __path__.append(path)
    names.cache_clear()
    training.cache_clear()
    without_works.cache_clear()
    importlib.invalidate_caches()


@cache
def names() -> list[str]:
    """Every kind, by name. Two files of one name are an error, not an override."""
    found = [module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg]
    everywhere = [module.name for folder in __path__ for module in pkgutil.iter_modules([folder])]
    twice = sorted({name for name in everywhere if everywhere.count(name) > 1})
    if twice:
        raise RuntimeError(f"Kinds declared twice: {', '.join(twice)}. Rename one file of each, in {list(__path__)}.")
    return sorted(set(found) - _NOT_KINDS)


def trains(kind: str) -> bool:
    """Whether this is a kind that trains."""
    return kind in names() and params_class(kind).trains


def searches(kind: str) -> bool:
    """Whether this is a kind whose work is other jobs."""
    return kind in names() and params_class(kind).searches


@cache
def training() -> tuple[str, ...]:
    """The kinds that train."""
    return tuple(kind for kind in names() if params_class(kind).trains)


@cache
def without_works() -> tuple[str, ...]:
    """The kinds whose files are no works: they tell about a model or a dataset."""
    return tuple(kind for kind in names() if params_class(kind).gives != "works")


@cache
def params_class(kind: str) -> type[Params]:
    """The params class of a kind: the one `Params` subclass that its module defines."""
    if kind not in names():
        raise NotFound(f"There is no kind “{kind[:80]}”. The kinds are: {', '.join(names())}.", field="kind")
    module = importlib.import_module(f"{__name__}.{kind}")
    classes = [
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, Params) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise RuntimeError(f"{module.__file__} must define exactly one Params class; it defines {len(classes)}.")
    _check_declaration(kind, classes[0])
    return classes[0]


def fix(switches: Mapping[str, bool]) -> None:
    """Let nobody choose these switches in this process, for an administrator has: an empty mapping frees them all."""
    _fixed.clear()
    _fixed.update(switches)


def fixed(kind: str) -> dict[str, bool]:
    """The switches of a kind that are not the requester's to choose, each with what it is."""
    fields = params_class(kind).model_fields
    return {name: on for name, on in _fixed.items() if name in fields}


def validate(kind: str, data: Mapping[str, Any], *, strict: bool = True) -> Params:
    """The params in `data`, or `Invalid` naming every wrong field.

    Strict takes no text for a number; forms and the command line, which have only text, pass strict=False.
    """
    cls = params_class(kind)
    try:
        params = cls.model_validate(data, strict=strict)
        errors = _against_fixed(kind, params)
    except ValidationError as error:
        errors = field_errors(error)
    else:
        if not errors:
            return params
    raise Invalid(sentence(errors[0]), field=errors[0]["field"] or None, errors=errors)


def schema(kind: str) -> dict[str, Any]:
    """The JSON schema of a kind's params, with `x-ui` hints on every field and the kind's own words on top.

    It is made once and shared, for a page asks for it dozens of times: whoever would change it takes a copy.
    """
    return _schema(kind, params_class(kind))


@cache
def _schema(kind: str, cls: type[Params]) -> dict[str, Any]:
    document = cls.model_json_schema()
    # What all kinds of a sort are asked comes after what this one is.
    last = (*(TRAINING if issubclass(cls, Training) else ()), *FINISHING)
    document["properties"] = dict(sorted(document["properties"].items(), key=lambda item: item[0] in last))
    document["title"], document["description"] = cls.title, cls.summary
    document["examples"] = cls.examples
    document["x-presets"] = [asdict(preset) for preset in cls.presets]
    document["x-kind"] = {
        "name": kind, "icon": cls.icon, "output": cls.output, "pool": cls.pool, "models": cls.model_tasks(),
        "adapters": cls.adapter_tasks(), "inputs": {field: list(media) for field, media in cls.input_media().items()},
        "datasets": {field: list(formats) for field, formats in cls.dataset_formats().items()},
    }  # fmt: skip
    return document


def _against_fixed(kind: str, params: Params) -> list[FieldError]:
    """What was asked for in so many words, and is fixed to be otherwise; a default asks for nothing."""
    switches = {name: on for name, on in fixed(kind).items() if name in params.model_fields_set}
    return [
        {"field": name, "message": f"This is always {'on' if on else 'off'}: it is fixed by the administrator."}
        for name, on in switches.items()
        if getattr(params, name) is not on
    ]


def _check_declaration(kind: str, cls: type[Params]) -> None:
    missing = [name for name in ("title", "summary", "icon", "output", "examples") if not getattr(cls, name, None)]
    if missing:
        raise RuntimeError(f"The kind {kind} must set {', '.join(missing)} on its params class {cls.__name__}.")
    for example in cls.examples:
        cls.model_validate(example, strict=True)
    for preset in cls.presets:
        cls.model_validate(preset.params, strict=True)
