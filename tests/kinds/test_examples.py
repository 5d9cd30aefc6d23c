"""Every kind's first example runs on a CPU, on the models that it names."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from shared import kinds
from shared.feedback import Feedback, Judged
from shared.starters import STARTERS
from tests.kinds.context import FakeContext, run
from tests.kinds.samples import pictures, rows, sample
from tests.kinds.shipped import SHIPPED

_WANTING = [kind for kind in SHIPPED if kinds.params_class(kind).needs_model]


@pytest.mark.parametrize("kind", _WANTING)
def test_a_kind_that_says_it_needs_a_model_has_no_starter(kind: str):
    served = {starter.task for starter in STARTERS}
    assert kinds.params_class(kind).model_tasks()["model"] not in served, "There is a starter now: the example can run."


@pytest.mark.quality
@pytest.mark.parametrize("kind", [kind for kind in SHIPPED if kind not in _WANTING])
def test_the_first_example_runs(context: Callable[..., FakeContext], kind: str):
    cls, ctx = kinds.params_class(kind), context()
    example = cls.examples[0]
    # An example names an artifact that stands for one of the reader's own; here it is a sample of the first medium.
    for field, media in cls.input_media().items():
        if field in example:
            ctx.inputs[example[field]] = sample(media[0], ctx.workdir.parent)
    named = {field: formats for field, formats in cls.dataset_formats().items() if field in example}
    example = example | {field: _dataset(ctx, formats[0]) for field, formats in named.items()}
    if cls.searches:
        formats = next(iter(kinds.params_class(example["training"]).dataset_formats().values()))
        example = example | {"params": example["params"] | {"dataset": _dataset(ctx, formats[0])}}
    ctx.judged = [_judged(ctx)]
    run(kind, ctx, **example)
    assert ctx.outputs
    assert all(saved.data for saved in ctx.outputs)


def _dataset(ctx: FakeContext, format_: str) -> str:
    """A dataset of this format, in place of the reader's own that the example names."""
    made = rows(format_)
    files = pictures(len(made)) if "file" in made[0] else None
    return ctx.give_dataset(format_, made[:32], made[32:], files=files)


def _judged(ctx: FakeContext) -> Judged:
    """What somebody said of a text."""
    path = ctx.workdir / "said.txt"
    path.write_text("Helo!")
    said = Feedback(ctx.give(path, "text/plain"), None, "Hello!", datetime.now(UTC))
    return Judged(said, "text/plain", path.name, "generate_text", {"prompt": "Greet me."})
