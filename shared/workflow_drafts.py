"""A workflow before it is queued: every step checked with stand-ins for what other steps will make.

What is wrong is named as whoever wrote the request would look for it: `steps.2.params.image`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from shared import kinds, library
from shared.complaints import MOST, field_errors, sentence
from shared.datasets import Datasets
from shared.db import Database
from shared.drafts import Placement, draft
from shared.errors import FieldError, Invalid, NotFound
from shared.kinds.params import MAX_PROMPT, SOME_FILE, Output, Params
from shared.owners import Owner
from shared.placeholders import Path, Placeholder, placeholders, replaced
from shared.steps import Asked, Step
from shared.workflow import ordered

#: What an output may be read as, by what its kind says that it makes.
_READ_AS: dict[Output, set[str]] = {
    "text": {"text", "table"},
    "code": {"text"},
    "image": {"image"},
    "audio": {"audio"},
    "video": {"video"},
    "data": {"text", "table", "image", "audio", "video"},
    "model": set(),
}
assert set(_READ_AS) == set(get_args(Output)), "every output can be read as something"


@dataclass(frozen=True)
class DraftedStep:
    """A checked step, the steps that it needs, and the columns of its job's row that follow from it."""

    step: Step
    needs: list[str]
    row: dict[str, Any]

    @property
    def plan(self) -> dict[str, Any]:
        """As it is kept with the workflow."""
        step = self.step
        return {
            "name": step.name,
            "kind": step.kind,
            "params": step.params,
            "priority": step.priority,
            "pool": step.pool,
            "needs": self.needs,
        }


def draft_all(db: Database, owner: Owner, asked: Asked) -> list[DraftedStep]:
    """The steps of a workflow in an order in which each comes after what it needs.

    Raises:
        Invalid: some are wrong; its errors name their fields.
    """
    checking = _Checking(db, owner, asked)
    drafted = {each.step.name: each for each in checking.steps()}
    checking.look_for_circles()
    if checking.errors:
        errors = checking.errors[:MOST]
        raise Invalid(sentence(errors[0]), field=errors[0]["field"] or None, errors=errors)
    order, _ = ordered(list(drafted), checking.needs)
    return [drafted[name] for name in order]


@dataclass(frozen=True)
class _Given:
    """What a step gives a name to: a model or a dataset that is not there before it."""

    what: str
    name: str
    step: str


def _given(step: Step) -> _Given | None:
    if step.kind not in kinds.names():
        return None
    what, name = kinds.params_class(step.kind).gives, step.params.get("name")
    return _Given(what, name, step.name) if what != "works" and isinstance(name, str) else None


class _Checking:
    """One pass over the steps of a workflow, with what was found wrong."""

    def __init__(self, db: Database, owner: Owner, asked: Asked) -> None:
        self._db, self._owner, self._asked = db, owner, asked
        self._first = {step.name: step for step in reversed(asked.steps)}
        self._models: dict[tuple[str, str], Invalid | None] = {}
        self.errors: list[FieldError] = []
        self.needs: dict[str, list[str]] = {}

    def steps(self) -> Iterator[DraftedStep]:
        """Those that are right, one after the other."""
        for number, step in enumerate(self._asked.steps):
            before = len(self.errors)
            if self._first[step.name] is not step:
                self._wrong(number, "name", f"There is another step “{step.name}”. Give each a name of its own.")
                continue
            self.needs[step.name] = self._needs(number, step)
            row = self._row(number, step)
            if row is not None and len(self.errors) == before:
                yield DraftedStep(step, self.needs[step.name], row)

    def look_for_circles(self) -> None:
        """Note the steps that wait for each other."""
        _, circle = ordered(list(self.needs), self.needs)
        if circle:
            number = next(n for n, step in enumerate(self._asked.steps) if step.name in circle)
            told = " → ".join([*_around(circle, self.needs)])
            self._wrong(number, "", f"These steps wait for each other, so none could ever start: {told}.")

    def _needs(self, number: int, step: Step) -> list[str]:
        """The steps that a step needs, of those that there are."""
        found: dict[str, None] = {}
        named = [(f"depends_on.{place}", name) for place, name in enumerate(step.depends_on)]
        for path, value in placeholders(step.params):
            try:
                named.append((_field(path), Placeholder.model_validate(value).step))
            except ValidationError as error:
                for each in field_errors(error):
                    self._wrong(number, f"{_field(path)}.{each['field']}", each["message"])
        promised = self._promised(number, step)
        named += [(f"params.{field}", maker.name) for field, maker in promised.items()]
        for field, name in named:
            if name == step.name:
                self._wrong(number, field, "A step cannot wait for itself.")
            elif name not in self._first:
                self._wrong(number, field, f"There is no step “{name[:40]}” in this workflow.")
            else:
                found[name] = None
        return list(found)

    def _row(self, number: int, step: Step) -> dict[str, Any] | None:
        try:
            declared = kinds.params_class(step.kind)
        except NotFound as error:
            self._wrong(number, "kind", str(error))
            return None
        filled = replaced(step.params, lambda path, value: self._stand_in(number, declared, path, value))
        try:
            params = kinds.validate(step.kind, filled)
        except Invalid as error:
            for each in error.errors:
                self._wrong(number, f"params.{each['field']}".rstrip("."), each["message"])
            return None
        promised = self._promised(number, step)
        self._check_models(number, step, params, promised)
        self._check_formats(number, declared, promised)
        try:
            params = Datasets(self._db, self._owner.id).pin(params, but={*promised, *_held(step)})
        except Invalid as error:
            self._wrong(number, f"params.{error.field}", str(error))
            return None
        row = draft(step.kind, params, Placement(step.priority, step.pool))
        row["params"] |= {name: step.params[name] for name in _held(step)}
        return row

    def _stand_in(self, number: int, declared: type[Params], path: Path, value: dict[str, Any]) -> str:
        """A value of the form that the placeholder's will have, where that can be known to fit."""
        name, source = str(path[0]), self._first.get(str(value.get("from")))
        media = declared.input_media().get(name)
        wanted = set(media or ("text",))
        if name in declared.model_tasks() or name in declared.dataset_formats():
            what = "a model of the library" if name in declared.model_tasks() else "a dataset"
            told = f"This names {what}; a step's output cannot stand here."
            given = _given(source) if source is not None else None
            if given is not None:
                told = f"This names {what}. Write the name that the step “{given.step}” gives: “{given.name}”."
            self._wrong(number, _field(path), told)
            return "stand-in"
        if source is not None and source.kind in kinds.names() and value.get("role", "output") == "output":
            made = kinds.params_class(source.kind)
            if not wanted & _READ_AS[made.output]:
                told = f"This takes {' or '.join(sorted(wanted))}, and the step “{source.name}” makes {made.output}."
                self._wrong(number, _field(path), told)
        return SOME_FILE if media else f"“{value.get('from')}”"[: longest(declared, name)]

    def _promised(self, number: int, step: Step) -> dict[str, Step]:
        """The fields of a step that name a model or a dataset which an earlier step makes, each with that step."""
        if step.kind not in kinds.names():
            return {}
        made: dict[tuple[str, str], Step] = {}
        for each in self._asked.steps[:number]:
            given = _given(each)
            if given is not None:
                made[given.what, given.name] = each
        declared = kinds.params_class(step.kind)
        fields = [("model", name) for name in declared.model_tasks()]
        fields += [("dataset", name) for name in declared.dataset_formats()]
        found = {name: made.get((what, str(step.params.get(name)))) for what, name in fields}
        return {name: maker for name, maker in found.items() if maker is not None}

    def _check_formats(self, number: int, declared: type[Params], promised: Mapping[str, Step]) -> None:
        """A dataset's format, where the step that makes it says which."""
        for field, formats in declared.dataset_formats().items():
            told = promised[field].params.get("format", "auto") if field in promised else "auto"
            if told != "auto" and told not in formats:
                wanted = " or ".join(formats)
                message = f"The step “{promised[field].name}” makes the format {told}; this takes {wanted}."
                self._wrong(number, f"params.{field}", message)

    def _check_models(self, number: int, step: Step, params: Params, promised: Mapping[str, Step]) -> None:
        for name, task in type(params).model_tasks().items():
            model = getattr(params, name)
            if model is None or name in promised or isinstance(step.params.get(name), dict):
                continue
            if (model, task) not in self._models:
                self._models[model, task] = self._check_model(model, task, name)
            wrong = self._models[model, task]
            if wrong is not None:
                self._wrong(number, f"params.{name}", str(wrong))

    def _check_model(self, model: str, task: str, name: str) -> Invalid | None:
        try:
            library.check(self._db, self._owner.id, model, task, name)
        except Invalid as error:
            return error
        return None

    def _wrong(self, number: int, field: str, message: str) -> None:
        self.errors.append({"field": f"steps.{number}.{field}".rstrip("."), "message": message})


def _held(step: Step) -> set[str]:
    """The settings in which something stands for what another step makes."""
    return {str(path[0]) for path, _ in placeholders(step.params)}


def longest(declared: type[Params], name: str) -> int:
    """Characters that a text field takes at most."""
    prop = declared.model_json_schema()["properties"].get(name, {})
    limits: list[int] = [each["maxLength"] for each in (prop, *prop.get("anyOf", ())) if "maxLength" in each]
    return min(limits, default=MAX_PROMPT)


def _field(path: Path) -> str:
    return ".".join(("params", *(str(part) for part in path)))


def _around(circle: list[str], needs: dict[str, list[str]]) -> Iterator[str]:
    """Once round a circle among these steps, back to where it began."""
    seen: list[str] = []
    name = circle[0]
    while name not in seen:
        seen.append(name)
        name = next(need for need in needs[name] if need in circle)
    yield from (*seen[seen.index(name) :], name)
