"""Models that learn to fill in hidden words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from shared.errors import Cancelled, JobError
from tests.kinds.apprentice import Shelf, attempt, report, trained, weights, with_breaks
from tests.kinds.context import FakeContext, run
from worker.engines.training.masked import chunks, hide, make_reading

ROWS = [
    {"text": f"The {one} sat on the {two} and looked at the moon."}
    for one in ("cat", "dog", "owl", "fox", "hen")
    for two in ("mat", "roof", "wall")
]
TINY: dict[str, Any] = {
    "base": None, "name": "reader", "width": 32, "layers": 1, "vocabulary": 300, "max_length": 32, "batch_size": 4,
    "learning_rate": 1e-2, "dropout": 0.0,
}  # fmt: skip


def train(make: Callable[..., FakeContext], **params: Any) -> FakeContext:
    return trained("train_masked_lm", attempt(make), "text", ROWS, ROWS[:4], **{**TINY, **params})


def test_of_a_hundred_words_fifteen_are_guessed_and_most_of_them_hidden():
    tokenizer = make_reading(ROWS, 300, 1, 2, 16, 64, "cpu").tokenizer
    piece = chunks(tokenizer, ROWS * 40, 64)[:100]
    masked = hide(tokenizer, piece, [torch.Generator().manual_seed(n) for n in range(100)], 0.15)

    special = torch.isin(masked.true, torch.tensor(tokenizer.all_special_ids))
    assert not (masked.guessed & special).any()
    shown, true = masked.tokens[masked.guessed], masked.true[masked.guessed]
    hidden = (shown == tokenizer.mask_token_id).float().mean().item()
    left = (shown == true).float().mean().item()
    assert masked.guessed.sum().item() / (~special).sum().item() == pytest.approx(0.15, abs=0.01)
    assert hidden == pytest.approx(0.8, abs=0.06)
    assert left == pytest.approx(0.1, abs=0.04)
    assert torch.equal(masked.tokens[~masked.guessed], masked.true[~masked.guessed])


def test_what_is_hidden_belongs_to_the_row_whoever_shares_its_batch():
    tokenizer = make_reading(ROWS, 300, 1, 2, 16, 64, "cpu").tokenizer
    one, other = chunks(tokenizer, ROWS, 24)[:2]

    def dice(*seeds: int) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    alone, both = hide(tokenizer, [other], dice(7), 0.15), hide(tokenizer, [one, other], dice(3, 7), 0.15)
    assert torch.equal(alone.tokens[0], both.tokens[1][: len(other)])
    again = hide(tokenizer, [other], dice(8), 0.15)
    assert not torch.equal(again.guessed, alone.guessed)


def test_texts_lie_one_after_another_in_pieces_that_fit():
    tokenizer = make_reading(ROWS, 300, 1, 2, 16, 64, "cpu").tokenizer
    pieces = chunks(tokenizer, ROWS[:5], 20)

    assert all(len(piece) <= 20 for piece in pieces)
    assert all((piece[0], piece[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id) for piece in pieces)
    words = tokenizer.decode([token for piece in pieces for token in piece], skip_special_tokens=True)
    assert words.count("moon") == 5


def test_it_learns_to_fill_in_and_the_stock_libraries_load_it(context: Callable[..., FakeContext], tmp_path: Path):
    ctx = train(context, epochs=100, width=64, learning_rate=3e-3)

    found = report(ctx)
    assert found["after"]["validation_loss"] < found["before"]["validation_loss"] / 1.8
    assert found["after"]["accuracy"] > found["before"]["accuracy"]
    assert found["fresh_head"]
    assert found["samples"][0]["after"] != found["samples"][0]["before"]
    shelf = Shelf(tmp_path, ctx.models)
    folder = shelf.put(ctx, "reader")
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    given = tokenizer("The cat sat on the wall and looked at the [MASK].", return_tensors="pt")
    assert model(**given).logits.shape == (1, given["input_ids"].shape[1], len(tokenizer))
    # and it is a base for others
    again = FakeContext(context().workdir, shelf)
    trained("train_masked_lm", again, "text", ROWS, ROWS[:4], **{**TINY, "base": "reader", "name": "more", "steps": 2})
    assert not report(again)["fresh_head"]
    run("embed_text", FakeContext(context().workdir, shelf), model="reader", texts=["The cat sat."])


def test_who_makes_room_and_comes_back_ends_with_the_same_weights(context: Callable[..., FakeContext]):
    params = {**TINY, "steps": 8, "dropout": 0.2}
    whole = train(context, **params)
    again = with_breaks(context, [2, 5], "train_masked_lm", "text", ROWS, ROWS[:4], **params)

    assert all(torch.equal(weights(again)[name], each) for name, each in weights(whole).items())


def test_it_can_be_cancelled_and_says_what_it_cannot_do(context: Callable[..., FakeContext]):
    ctx = attempt(context)
    ctx.cancel_at = 2
    with pytest.raises(Cancelled):
        trained("train_masked_lm", ctx, "text", ROWS, **TINY)
    with pytest.raises(JobError, match="for text-generation"):
        train(context, base="tiny-llama")
    with pytest.raises(JobError, match="knows no mask"):
        train(context, base="tiny-bert")


@pytest.mark.quality
def test_the_starter_reads_with_a_new_head(context: Callable[..., FakeContext]):
    ctx = trained(
        "train_masked_lm", attempt(context), "text", ROWS, ROWS[:4], name="read", steps=6, max_length=48, batch_size=4
    )
    found = report(ctx)
    assert found["fresh_head"]
    assert found["after"]["validation_loss"] < found["before"]["validation_loss"]
