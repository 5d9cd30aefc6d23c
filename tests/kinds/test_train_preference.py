"""Learning which answers people like better."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from shared.errors import Cancelled, JobError
from tests.kinds.apprentice import attempt, report, trained, weights, with_breaks
from tests.kinds.context import FakeContext
from worker.engines.training.preference import preference_loss

PAIRS = [
    {"prompt": f"Say {each}.", "chosen": f"{each}, my friend.", "rejected": f"No {each} for you!"}
    for each in ("hello", "thanks", "good day", "yes", "no", "well")
]
TALKS = [{**pair, "prompt": [{"role": "user", "content": pair["prompt"]}]} for pair in PAIRS]
TINY = {
    "base": "tiny-llama", "name": "liked", "rank": 4, "batch_size": 3, "max_length": 96, "learning_rate": 1e-2,
}  # fmt: skip


def train(make: Callable[..., FakeContext], rows: Any = PAIRS, **params: Any) -> FakeContext:
    return trained("train_preference", attempt(make), "preference", rows, rows[:2], **{**TINY, **params})


def test_the_loss_is_the_papers():
    # given log-probabilities now and before
    now, before = torch.tensor([[-2.0, -3.0], [-4.0, -1.0]]), torch.tensor([[-2.5, -2.0], [-4.0, -1.0]])

    loss, liked, disliked = preference_loss(now[:, 0], now[:, 1], before[:, 0], before[:, 1], beta=0.5)

    # then -log sigmoid(0.5 * ((-2 + 2.5) - (-3 + 2))), and log 2 where nothing has moved
    assert loss[0].item() == pytest.approx(math.log(1 + math.exp(-0.5 * 1.5)))
    assert loss[1].item() == pytest.approx(math.log(2))
    assert liked.tolist() == pytest.approx([0.25, 0])
    assert disliked.tolist() == pytest.approx([-0.5, 0])


@pytest.mark.parametrize("method", ["lora", "full"])
def test_it_begins_at_log_two_and_comes_to_prefer_the_chosen(context: Callable[..., FakeContext], method: str):
    found = report(train(context, method=method, epochs=15))

    assert found["before"]["validation_loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert found["before"]["validation_margin"] == 0
    assert found["after"]["validation_loss"] < 0.5
    assert found["after"]["validation_accuracy"] == 1
    assert found["after"]["validation_margin"] > 0.3


def test_prompts_may_be_conversations_and_say_the_same(context: Callable[..., FakeContext]):
    plain, talks = (train(context, rows, steps=3) for rows in (PAIRS, TALKS))

    assert all(torch.equal(weights(plain)[name], each) for name, each in weights(talks).items())


@pytest.mark.parametrize("method", ["lora", "full"])
def test_who_makes_room_and_comes_back_ends_with_the_same_weights(context: Callable[..., FakeContext], method: str):
    params = {**TINY, "method": method, "steps": 6, "dropout": 0.1}
    whole = train(context, **params)
    again = with_breaks(context, [1, 4], "train_preference", "preference", PAIRS, PAIRS[:2], **params)

    assert all(torch.equal(weights(again)[name], each) for name, each in weights(whole).items())


def test_it_can_be_cancelled_and_says_what_it_cannot_do(context: Callable[..., FakeContext]):
    ctx = attempt(context)
    ctx.cancel_at = 1
    with pytest.raises(Cancelled):
        trained("train_preference", ctx, "preference", PAIRS, **TINY)
    with pytest.raises(JobError, match="cut off"):
        train(context, max_length=8)
    with pytest.raises(JobError, match="for feature-extraction"):
        train(context, base="tiny-bert")
