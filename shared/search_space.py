"""What a search of hyper-parameters tries, and what each of its trials is asked for. Knows no row and no sampler."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from typing import Any

from shared import kinds
from shared.errors import FieldError, Invalid
from shared.kinds.params import Params
from shared.kinds.search_hyperparameters import SearchHyperparameters
from shared.kinds.training_params import Training
from shared.search_lines import Choices, Range, Value, Wrong, read

Space = dict[str, Range | Choices]


def searchable() -> list[str]:
    """The kinds whose settings can be searched."""
    return [kind for kind in kinds.training() if issubclass(kinds.params_class(kind), Training)]


def base_of(search: SearchHyperparameters) -> Training:
    """The params that all trials have in common.

    Raises:
        Invalid: there is no such kind, or they are wrong; the field is `params.…`.
    """
    if search.training not in searchable():
        told = f"“{search.training[:80]}” is no kind that trains. Those are: {', '.join(searchable())}."
        raise Invalid(told, field="training")
    try:
        base = kinds.validate(search.training, search.params)
    except Invalid as error:
        errors = [
            FieldError(field=f"params.{each['field']}".rstrip("."), message=_named(each)) for each in error.errors
        ]
        raise Invalid(errors[0]["message"], field=errors[0]["field"], errors=errors) from error
    if not isinstance(base, Training):
        raise TypeError(search.training)
    return base


def with_base(search: SearchHyperparameters, base: Params) -> SearchHyperparameters:
    """The search with these params for all its trials."""
    return search.model_copy(update={"params": base.model_dump(mode="json", exclude_unset=True)})


@contextmanager
def within(field: str) -> Iterator[None]:
    """What is wrong with a trial's params is wrong with its search's: the same complaint, of what is within `field`."""
    try:
        yield
    except Invalid as error:
        if (error.field or "").partition(".")[0] in SearchHyperparameters.model_fields:
            raise
        raise Invalid(str(error), code=error.code, field=_inner(field, error.field or "")) from error


def space_of(search: SearchHyperparameters) -> Space:
    """What the search tries, in the order of its lines.

    Raises:
        Invalid: as `base_of`; or a line cannot be read, named with its field and number.
    """
    base = base_of(search)
    lines = [(place, line) for place, line in enumerate(search.space) if line.strip()]
    lines = lines or list(enumerate(default_lines(base)))
    space: Space = {}
    errors: list[FieldError] = []
    for place, line in lines:
        try:
            name, tried = read(search.training, base, line)
            if name in space:
                raise Wrong("This setting has a line already.")
            space[name] = tried
        except Wrong as error:
            name = line.partition(":")[0].strip()[:40]
            errors.append(FieldError(field=f"space.{place}", message=f"Line {place + 1}, “{name}”: {error}"))
    if errors:
        raise Invalid(errors[0]["message"], field=errors[0]["field"], errors=errors)
    return space


def default_lines(base: Training) -> list[str]:
    """What is tried where nothing is said: the learning rate around its own, and what goes with it."""
    # Where the kind has a rate for each recipe, that of the trainings without one.
    rate = base.learning_rate or Training.model_fields["learning_rate"].default
    lines = [f"learning_rate: {rate / 10:g} to {min(1, rate * 10):g}, log"]
    # A rank means nothing where no adapter is trained.
    adapts = str(getattr(base, "method", "lora")).endswith("ora")
    for name in ("rank", "batch_size"):
        value = getattr(base, name, None)
        if isinstance(value, int) and (name != "rank" or adapts):
            lines.append(f"{name}: {', '.join(str(each) for each in sorted({max(1, value // 2), value, value * 2}))}")
    return lines


def judged(search: SearchHyperparameters) -> tuple[str, bool]:
    """The figure that decides, and whether less of it is better.

    Raises:
        Invalid: another figure than the kind's own, and nobody said which way it is better.
    """
    declared = type(base_of(search))
    metric = search.metric or declared.judged_by
    if search.direction is None and metric != declared.judged_by:
        told = f"Say whether less or more of {metric} is better: this kind is judged by {declared.judged_by}."
        raise Invalid(told, field="direction")
    return metric, declared.less_is_better if search.direction is None else search.direction == "lower"


def trial_of(search: SearchHyperparameters, values: Mapping[str, Value], seed: int | None = None) -> Training:
    """The params of the trial with these values; its model is judged by the search alone.

    Raises:
        Invalid: the kind does not take these values together.
    """
    base = base_of(search)
    asked = base.model_dump(mode="json", exclude_unset=True) | dict(values) | {"promote": "never"}
    if seed is not None:
        asked.setdefault("seed", seed)
    made = kinds.validate(search.training, asked)
    if not isinstance(made, Training):
        raise TypeError(search.training)
    return made


def values_of(space: Space, params: Params | Mapping[str, Any]) -> dict[str, Value]:
    """What a trial with these params tries."""
    found = params if isinstance(params, Mapping) else params.model_dump(mode="json")
    return {name: found.get(name) for name in space}


def start_of(search: SearchHyperparameters, space: Space) -> dict[str, Value] | None:
    """The settings as they are without a search, where they are among those that are tried: the first trial."""
    values = values_of(space, base_of(search))
    return values if all(space[name].holds(value) for name, value in values.items()) else None


def every(space: Space, most: int) -> list[dict[str, Value]] | None:
    """Every combination, where there are no more than this."""
    counts = [each.count for each in space.values()]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts) or math.prod(known) > most:
        return None
    return [dict(zip(space, each, strict=True)) for each in product(*(each.values for each in space.values()))]


def check(search: SearchHyperparameters) -> Training:
    """The params of the first trial of a search that can be done.

    Raises:
        Invalid: it cannot be done as it is asked for.
    """
    space = space_of(search)
    judged(search)
    start = start_of(search, space)
    return trial_of(search, start or {})


def _inner(field: str, name: str) -> str:
    return f"{field}.{name}" if name else field


def _named(error: FieldError) -> str:
    return f"{error['field']}: {error['message']}" if error["field"] else error["message"]
