"""Recurrent text generators from nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from shared.errors import Cancelled
from tests.kinds.apprentice import Shelf, attempt, report, trained, weights, with_breaks
from tests.kinds.context import FakeContext, run

TEXTS = [{"text": f"The {each} sat on the mat and looked at the moon."} for each in ("cat", "dog", "owl", "fox", "hen")]
TINY = {"name": "scribbler", "width": 48, "layers": 1, "batch_size": 4, "max_length": 32, "learning_rate": 1e-2}
#: Whole rows, so that each begins with nothing remembered.
HEART = {**TINY, "width": 96, "max_length": 64, "join_texts": False, "dropout": 0, "epochs": 100}


@pytest.fixture(scope="module")
def learned(library: object, tmp_path_factory: pytest.TempPathFactory) -> FakeContext:
    """One that has learned the texts by heart."""
    ctx = FakeContext(tmp_path_factory.mktemp("job"), library)
    return trained("train_rnn_lm", ctx, "text", TEXTS, TEXTS[:1], **HEART)


def test_it_learns_by_heart_and_writes_by_name(learned: FakeContext, tmp_path: Path):
    assert report(learned)["after"]["perplexity"] < 1.2 < report(learned)["before"]["perplexity"]
    shelf = Shelf(tmp_path, learned.models)
    shelf.put(learned, "scribbler")

    def said(**params: object) -> FakeContext:
        (tmp_path / "work").mkdir(exist_ok=True)
        asked = {"model": "scribbler", "prompt": "The owl sat", "max_new_tokens": 40, "repetition_penalty": 1.0}
        return run("generate_text", FakeContext(tmp_path / "work", shelf), **asked | params)

    ctx = said(temperature=0)
    assert ctx.outputs[0].text.startswith(" on the mat and looked at the moon")
    assert [text for *_, text in ctx.steps if text][-1] == ctx.outputs[0].text
    assert said(temperature=0, stop=["mat"]).outputs[0].text == " on the "
    warm = [said(temperature=2.0, top_k=0, top_p=1.0, seed=seed).outputs[0].text for seed in (1, 1, 2)]
    assert warm[0] == warm[1] != warm[2]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("tokens", ["characters", "bpe"])
def test_who_makes_room_and_comes_back_ends_with_the_same_weights(
    context: Callable[..., FakeContext], cell: str, tokens: str
):
    params = {**TINY, "cell": cell, "tokens": tokens, "steps": 8, "layers": 2, "dropout": 0.2}
    whole = trained("train_rnn_lm", attempt(context), "text", TEXTS, TEXTS[:1], **params)
    again = with_breaks(context, [3, 6], "train_rnn_lm", "text", TEXTS, TEXTS[:1], **params)

    assert all(torch.equal(weights(again)[name], each) for name, each in weights(whole).items())


def test_it_ends_within_a_step_when_it_is_cancelled(context: Callable[..., FakeContext]):
    ctx = attempt(context)
    ctx.cancel_at = 2
    with pytest.raises(Cancelled):
        trained("train_rnn_lm", ctx, "text", TEXTS, **TINY)
    assert ctx.steps[-1][0] == 2
