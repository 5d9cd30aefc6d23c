"""Training jobs for tests: a context that remembers checkpoints over attempts, rows to learn, and what came of it."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from shared.errors import StoodAside
from tests.engines.library import Library, source
from tests.kinds.context import FakeContext, run

GREETINGS = [
    {"messages": [{"role": "user", "content": f"Say {word}."}, {"role": "assistant", "content": f"{word}, my friend."}]}
    for word in ("hello", "thanks", "good day", "yes", "no", "well", "sun", "moon")
]


def attempt(
    make: Callable[..., FakeContext], store: dict[str, bytes] | None = None, leave_at: int | None = None
) -> FakeContext:
    """A context for one attempt, which makes room at the step `leave_at`; give the same `store` to the next."""
    ctx = make()
    ctx.checkpoints = {} if store is None else store
    if leave_at is not None:
        ctx.wishes[leave_at] = "yield"
    return ctx


def trained(
    kind: str, ctx: FakeContext, form: str, rows: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]] = (),
    **params: Any,
) -> FakeContext:  # fmt: skip
    """Run a training kind on rows."""
    return run(kind, ctx, dataset=ctx.give_dataset(form, rows, held), **params)


def with_breaks(
    make: Callable[..., FakeContext], at: Sequence[int], kind: str, form: str, rows: Sequence[Mapping[str, Any]],
    held: Sequence[Mapping[str, Any]] = (), **params: Any,
) -> FakeContext:  # fmt: skip
    """Run it, leaving at these steps and coming back in another attempt."""
    store: dict[str, bytes] = {}
    for leave_at in at:
        with pytest.raises(StoodAside):
            trained(kind, attempt(make, store, leave_at), form, rows, held, **params)
        torch.rand(leave_at)  # another process has other dice
    return trained(kind, attempt(make, store), form, rows, held, **params)


def report(ctx: FakeContext) -> dict[str, Any]:
    """What the job reports."""
    (found,) = (saved for saved in ctx.saved if saved.name == "report.json")
    return dict(json.loads(found.data))


def archive(ctx: FakeContext) -> ZipFile:
    """The model that came of it."""
    (found,) = (saved for saved in ctx.saved if saved.role == "model")
    return ZipFile(io.BytesIO(found.data))


def weights(ctx: FakeContext) -> dict[str, Tensor]:
    """All of its weights."""
    with archive(ctx) as packed:
        files = [name for name in packed.namelist() if name.endswith(".safetensors")]
        return {key: value for name in files for key, value in load(packed.read(name)).items()}


class Shelf(Library):
    """A library that has what was trained too."""

    def __init__(self, folder: Path, library: Library) -> None:
        super().__init__(library.folder)
        self.shelf, self.made = folder, {}

    def put(self, ctx: FakeContext, name: str) -> Path:
        """Put what a job trained there; its folder."""
        folder = self.shelf / name
        with archive(ctx) as packed:
            packed.extractall(folder)
        (meta,) = (saved.meta for saved in ctx.saved if saved.role == "model")
        self.made[name] = source(name, folder, task=meta["task"])
        return folder

    def __getitem__(self, name: str) -> Any:
        return self.made[name] if name in self.made else super().__getitem__(name)
