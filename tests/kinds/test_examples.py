"""Every kind's first example runs on a CPU, on the models that it names."""

from collections.abc import Callable

import pytest

from shared import kinds
from tests.kinds.context import FakeContext, run
from tests.kinds.samples import sample


@pytest.mark.quality
@pytest.mark.parametrize("kind", kinds.names())
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
