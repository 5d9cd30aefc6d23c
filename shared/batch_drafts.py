"""A batch before it is queued: every item checked, and its job's row written down in a file on disk.

So nothing is queued unless all of it is right, however long the source; memory holds one item at a time; and the
transaction that queues them has nothing left to do but to copy the file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from sqlalchemy import func, select

from shared import kinds, library
from shared.batch_copy import copy_line
from shared.complaints import sentence
from shared.datasets import Datasets
from shared.db import Database
from shared.drafts import Placement, draft, pool_of
from shared.errors import FieldError, Invalid
from shared.ids import new_id
from shared.inputs import Inputs
from shared.kinds.params import Params
from shared.owners import Owner
from shared.sources import MAX_ITEMS, Item, Source, too_many

MAX_ERRORS = 100
"""Wrong fields that are listed; further ones are only counted."""


@dataclass(frozen=True)
class BatchDraft:
    """A checked batch: its id, its jobs' rows as lines in a file, how many, and the first one's title."""

    id: str
    kind: str
    pool: str
    lines: BinaryIO
    total: int
    title: str


@contextmanager
def write_down(db: Database, owner: Owner, kind: str, source: Source, placement: Placement) -> Iterator[BatchDraft]:
    """Check a whole source and write down its jobs; the file goes at the end of the block.

    Raises:
        NotFound: there is no such kind.
        Invalid: some items are wrong: its errors name up to 100 of their fields. Or the source is empty, or too long.
    """
    pool = pool_of(kinds.params_class(kind), placement)
    checked = _Checked(db, owner, kind, source)
    with db.begin() as connection:
        now = connection.execute(select(func.extract("epoch", func.now()))).scalar_one()
    batch_id, title, total = new_id("bat"), "", 0
    with TemporaryFile() as lines:
        for params in checked:
            total += 1
            row = draft(kind, params, placement)
            title = title or row["title"]
            row |= {"owner_id": owner.id, "batch_id": batch_id, "batch_index": total}
            lines.write(copy_line(row, float(now)))
        checked.refuse_wrong()
        if not total:
            raise Invalid("There is nothing in this batch: it needs at least one job.", code="empty_batch")
        lines.seek(0)
        yield BatchDraft(batch_id, kind, pool, lines, total, title)


class _Checked:
    """The params of a source, one after the other as long as all are right; then only what is wrong is noted."""

    def __init__(self, db: Database, owner: Owner, kind: str, source: Source) -> None:
        self._db, self._owner, self._kind, self._source = db, owner, kind, source
        self._model_tasks = kinds.params_class(kind).model_tasks()
        self._adapter_tasks = kinds.params_class(kind).adapter_tasks()
        self._library = library.tasks(db, owner.id) if self._model_tasks or self._adapter_tasks else {}
        self._inputs = Inputs(db, owner.id)
        self._datasets = Datasets(db, owner.id)
        self._errors: dict[tuple[Any, ...], FieldError] = {}
        self._wrong_items = 0

    def __iter__(self) -> Iterator[Params]:
        for count, item in enumerate(self._source, 1):
            if count > MAX_ITEMS:
                raise too_many("items")
            params = self._check(item)
            if params is not None and not self._wrong_items:
                yield params

    def refuse_wrong(self) -> None:
        """Raises Invalid where any item was wrong."""
        if not self._wrong_items:
            return
        errors = list(self._errors.values())
        told = "" if self._wrong_items == 1 else f" {self._wrong_items:,} are wrong"
        told += f"; the first {len(errors)} faults are listed." if told and self._full() else "." if told else ""
        raise Invalid(
            f"{_capital(sentence(errors[0]))}{told} Nothing was queued.",
            field=errors[0]["field"] or None,
            errors=errors,
        )

    def _full(self) -> bool:
        return len(self._errors) >= MAX_ERRORS

    def _check(self, item: Item) -> Params | None:
        """The params of an item, or None where they are wrong, and what is wrong is noted."""
        if item.wrong is not None:
            self._note(item, [item.wrong])
            return None
        try:
            params = kinds.validate(self._kind, item.params, strict=self._source.strict)
            self._check_models(params)
            self._inputs.check(params)
            params = self._datasets.pin(params)
        except Invalid as error:
            self._note(item, error.errors)
            return None
        return params

    def _check_models(self, params: Params) -> None:
        for field, task in self._model_tasks.items():
            name = getattr(params, field)
            if name is not None:
                self._check_model(name, task, field)
        for field, task in self._adapter_tasks.items():
            for adapter in getattr(params, field) or ():
                self._check_model(adapter.model, task, field)

    def _check_model(self, name: str, task: str, field: str) -> None:
        if self._library.get(name) == task:
            return
        if not self._full():
            library.check(self._db, self._owner.id, name, task, field)
        raise Invalid("There is no such model.", code="unknown_model", field=field)

    def _note(self, item: Item, errors: list[FieldError]) -> None:
        self._wrong_items += 1
        if self._full():
            return
        for error in errors:
            told = self._source.complain(item, error)
            # A value that is varied is wrong in many combinations; it is told once.
            self._errors.setdefault(tuple(sorted(told.items())), told)
            if self._full():
                return


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
