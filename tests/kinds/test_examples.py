"""Every kind's first example runs on a CPU, on the models that it names."""

from collections.abc import Callable

import pytest

from shared import kinds
from shared.starters import STARTERS
from tests.kinds.context import FakeContext, run
from tests.kinds.samples import sample
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
    run(kind, ctx, **example)
    assert ctx.outputs
    assert all(saved.data for saved in ctx.outputs)
