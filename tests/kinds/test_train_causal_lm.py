"""Training language models, from a base and from nothing."""

from collections.abc import Callable

import pytest

from tests.kinds.apprentice import GREETINGS, attempt, report, trained, weights
from tests.kinds.context import FakeContext

TINY = {"base": "tiny-llama", "name": "mine", "rank": 4, "batch_size": 4, "max_length": 128, "learning_rate": 1e-2}


def test_a_tiny_model_learns_eight_rows_by_heart(context: Callable[..., FakeContext]):
    ctx = trained("train_causal_lm", attempt(context), "chat", GREETINGS, GREETINGS[:2], **TINY, method="full", epochs=20)

    found = report(ctx)
    assert found["after"]["validation_loss"] < found["before"]["validation_loss"] / 4


@pytest.mark.quality
def test_the_starter_learns(context: Callable[..., FakeContext]):
    ctx = trained("train_causal_lm", attempt(context), "chat", GREETINGS, GREETINGS[:2], name="mine", epochs=3)

    found = report(ctx)
    print(found)
    assert found["after"]["validation_loss"] < found["before"]["validation_loss"]
