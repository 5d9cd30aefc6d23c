"""One line of what a search tries: a setting of a training kind, and a range or the values of it.

    learning_rate: 1e-5 to 1e-3, log
    rank: 4, 8, 16
    epochs: 1 to 4
    join_texts: on, off

Every value is one that the kind itself takes. Knows no search.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from shared import kinds
from shared.errors import Invalid
from shared.kinds.training_params import Training

Value = int | float | bool | str | None
Sort = Literal["whole", "number", "switch", "choice"]

#: What is not a setting of how a model learns.
_NOT_TRIED = {"name", "seed", "promote", "checkpoint_s"}
_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
_LINE = re.compile(r"\s*(?P<field>[A-Za-z_]\w*)\s*[:=]\s*(?P<rest>.*?)\s*")
_RANGE = re.compile(r"(?P<low>\S+)\s+to\s+(?P<high>[^\s,]+)(?P<marks>(\s*,.*)?)")
_STEP = re.compile(r"step\s+(\S+)")


@dataclass(frozen=True)
class Range:
    """Numbers from one to another, both of them included."""

    low: float
    high: float
    whole: bool = False
    log: bool = False
    step: float | None = None

    @property
    def count(self) -> int | None:
        """How many values; None for more than can be counted."""
        step = self.step or (1 if self.whole else None)
        return None if step is None else math.floor((self.high - self.low) / step + 1e-9) + 1

    @property
    def values(self) -> list[Value]:
        """All of them, where they can be counted."""
        step = self.step or 1
        return [self._as(self.low + step * number) for number in range(self.count or 0)]

    def holds(self, value: Value) -> bool:
        """Whether this is one of them."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return self.step is None or value in self.values

    def _as(self, value: float) -> Value:
        return round(value) if self.whole else float(f"{value:.12g}")

    def __str__(self) -> str:
        marks = [*(["log"] if self.log else []), *([f"step {self.step:g}"] if self.step else [])]
        return ", ".join([f"{self.low:g} to {self.high:g}", *marks])


@dataclass(frozen=True)
class Choices:
    """Some values."""

    values: tuple[Value, ...]

    @property
    def count(self) -> int:
        """How many."""
        return len(self.values)

    def holds(self, value: Value) -> bool:
        """Whether this is one of them."""
        return value in self.values

    def __str__(self) -> str:
        return ", ".join(written(value) for value in self.values)


def fields(kind: str) -> dict[str, tuple[Sort, bool]]:
    """The settings of a kind that can be tried, each with its sort, and whether it may be empty."""
    declared = kinds.params_class(kind).model_fields
    found = {name: _sort(field.annotation) for name, field in declared.items() if name not in _NOT_TRIED}
    return {name: sort for name, sort in found.items() if sort is not None}


def written(value: Value) -> str:
    """A value as a line has it."""
    match value:
        case None:
            return "none"
        case bool():
            return "on" if value else "off"
        case float():
            return f"{value:.4g}"
    return str(value)


class Wrong(Exception):
    """What is wrong with a line, as a sentence."""


def _sort(annotation: Any) -> tuple[Sort, bool] | None:
    empty = False
    if get_origin(annotation) in {Union, UnionType}:
        rest = [each for each in get_args(annotation) if each is not NoneType]
        empty = len(rest) < len(get_args(annotation))
        if len(rest) != 1:
            return None
        annotation = rest[0]
    sorts: dict[Any, Sort] = {bool: "switch", int: "whole", float: "number"}
    if get_origin(annotation) is Literal:
        return "choice", empty
    return (sorts[annotation], empty) if annotation in sorts else None


def read(kind: str, base: Training, line: str) -> tuple[str, Range | Choices]:
    """The setting that a line names, and what is tried of it.

    Raises:
        Wrong: the line cannot be read, or the kind takes no such value.
    """
    found = _LINE.fullmatch(line)
    if found is None:
        raise Wrong("Write a setting, a colon, and what to try, such as: learning_rate: 1e-5 to 1e-3, log.")
    name, rest = found["field"], found["rest"]
    known = fields(kind)
    if name not in known:
        raise Wrong(f"{kind} has no such setting to try. It has: {', '.join(known)}.")
    sort, empty = known[name]
    as_range = _RANGE.fullmatch(rest)
    if as_range is not None:
        span = _range(sort, as_range["low"], as_range["high"], as_range["marks"])
        _check_values(kind, base, name, [_whole(end) if span.whole else end for end in (span.low, span.high)])
        return name, span
    some = _choices(sort, empty, [each.strip() for each in rest.split(",") if each.strip()])
    _check_values(kind, base, name, some.values)
    return name, some


def _range(sort: Sort, low: str, high: str, marks: str) -> Range:
    if sort not in {"whole", "number"}:
        raise Wrong("Only numbers have ranges. Write the values, with commas between them.")
    log, step = False, None
    for mark in [each.strip() for each in marks.split(",") if each.strip()]:
        found = _STEP.fullmatch(mark)
        if mark in {"log", "logarithmic"}:
            log = True
        elif found is not None:
            step = _number(found[1], sort)
        else:
            raise Wrong(f"“{mark[:40]}” is not understood. After a range may come log, or step and a number.")
    made = Range(_number(low, sort), _number(high, sort), sort == "whole", log, step)
    if made.low >= made.high:
        raise Wrong("The first number must be less than the second.")
    if log and made.low <= 0:
        raise Wrong("A logarithmic range begins above 0.")
    if log and step is not None:
        raise Wrong("A range has either log or a step.")
    if step is not None and not 0 < step <= made.high - made.low:
        raise Wrong("The step must fit between the two numbers.")
    return made


def _choices(sort: Sort, empty: bool, words: Sequence[str]) -> Choices:
    values: list[Value] = []
    for word in words:
        if word == "none" and empty:
            values.append(None)
        elif sort == "switch":
            if word.lower() not in _SWITCH:
                raise Wrong(f"“{word[:40]}” is neither on nor off.")
            values.append(_SWITCH[word.lower()])
        elif sort == "choice":
            values.append(word)
        else:
            values.append(_whole(_number(word, sort)) if sort == "whole" else _number(word, sort))
    if len(set(values)) < max(2, len(values)):
        raise Wrong("Give at least two values, each once; or a range, such as 1 to 4.")
    return Choices(tuple(values))


def _number(word: str, sort: Sort) -> float:
    try:
        value = float(word)
    except ValueError as error:
        raise Wrong(f"“{word[:40]}” is not a number.") from error
    if not math.isfinite(value):
        raise Wrong(f"“{word[:40]}” is not a finite number.")
    if sort == "whole" and not value.is_integer():
        raise Wrong(f"“{word[:40]}” is not a whole number.")
    return value


def _whole(value: float) -> int:
    return int(value)


def _check_values(kind: str, base: Training, name: str, values: Sequence[Value]) -> None:
    """Raises where the kind itself would not take a value, whatever the other settings are."""
    asked = base.model_dump(mode="json", exclude_unset=True)
    for value in values:
        try:
            kinds.validate(kind, asked | {name: value})
        except Invalid as error:
            mine = [each["message"] for each in error.errors if each["field"].split(".")[0] == name]
            if mine:
                raise Wrong(f"{written(value)} is not possible. {mine[0]}") from error
