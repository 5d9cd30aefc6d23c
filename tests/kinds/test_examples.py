"""Every kind's first example runs on a CPU, on the models that it names."""

from collections.abc import Callable

import pytest

from shared import kinds
from tests.kinds.context import FakeContext, run
from tests.kinds.shipped import SHIPPED


@pytest.mark.quality
@pytest.mark.parametrize("kind", SHIPPED)
def test_the_first_example_runs(context: Callable[..., FakeContext], kind: str):
    ctx = run(kind, context(), **kinds.params_class(kind).examples[0])
    assert ctx.outputs
    assert all(saved.data for saved in ctx.outputs)
