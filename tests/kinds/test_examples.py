"""Every kind's first example runs on a CPU, on the models that it names."""

from collections.abc import Callable

import pytest

from shared import kinds
from shared.starters import STARTERS
from tests.kinds.context import FakeContext, run
from tests.kinds.samples import sample
from tests.kinds.shipped import SHIPPED


@pytest.mark.quality
@pytest.mark.parametrize("kind", SHIPPED)
def test_the_first_example_runs(context: Callable[..., FakeContext], kind: str):
    cls, ctx = kinds.params_class(kind), context()
    if cls.needs_model:
        served = {starter.task for starter in STARTERS}
        assert cls.model_tasks()["model"] not in served, "There is a starter now: the example can run."
        pytest.skip("No starter model does this.")
    example = cls.examples[0]
    # An example names an artifact that stands for one of the reader's own; here it is a sample of the first medium.
    for field, media in cls.input_media().items():
        if field in example:
            ctx.inputs[example[field]] = sample(media[0], ctx.workdir.parent)
    run(kind, ctx, **example)
    assert ctx.outputs
    assert all(saved.data for saved in ctx.outputs)
