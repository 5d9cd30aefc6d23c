"""Tokens to text, step by step: characters of several tokens, stop strings, seeds."""

import pytest
import torch

from shared.errors import JobError
from tests.engines.library import Library
from tests.engines.tiny.writers import byte_tokenizer
from worker.engines.decoding import write
from worker.engines.language import LanguageModel, load_language_model
from worker.engines.rows import Row
from worker.engines.sampling import Sampling, SeededSampler, dice_of

END = frozenset({byte_tokenizer(chat=False).eos_token_id})


def _sampling(**settings: object) -> Sampling:
    usual = {"max_new_tokens": 24, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0}
    return Sampling(**{**usual, **settings})  # type: ignore[arg-type]


def _type(text: str, *, stop: tuple[str, ...] = ()) -> tuple[Row, list[str]]:
    """A row that is given a text byte by byte, and what it showed after every byte."""
    tokenizer = byte_tokenizer(chat=False)
    row, shown = Row(tokenizer, stop, END, prompt_tail=tokenizer("so: ")["input_ids"]), []
    for token in tokenizer(text)["input_ids"]:
        row.add(token)
        shown.append(row.shown)
    return row, shown


@pytest.fixture(scope="module")
def gpt2(library: Library) -> LanguageModel:
    return load_language_model(library["tiny-gpt2"], "cpu")


def _write(lm: LanguageModel, prompt: str, seeds: list[int], **settings: object) -> list[Row]:
    return write(lm, lm.encode(prompt), _sampling(**settings), seeds=seeds, on_step=lambda step, rows: None)


@pytest.mark.parametrize("text", ["plain", "naïve café", "東京", "👩‍🚀 flies", " leading space", "a\n\nb\t"])
def test_text_grows_by_whole_characters(text: str):
    # when a text arrives byte by byte
    row, shown = _type(text)
    row.close("length")
    # then it is whole in the end, and at no time was a broken character shown
    assert row.text == text
    assert all(text.startswith(part) for part in shown)


def test_half_a_character_at_the_end_goes():
    tokenizer = byte_tokenizer(chat=False)
    row = Row(tokenizer, (), END, prompt_tail=[])
    for token in tokenizer("ok é")["input_ids"][:-1]:
        row.add(token)
    row.close("length")
    assert (row.text, row.finish) == ("ok ", "length")


@pytest.mark.parametrize(
    ("text", "stop", "left"),
    [
        ("one\ntwo", ("\n",), "one"),
        ("User: hi User: ho", ("User:", "ho"), ""),
        ("abcabd", ("abd",), "abc"),
        ("aaab", ("ab",), "aa"),
        ("über é!", ("é",), "über "),
        ("no stop", ("xyz",), "no stop"),
    ],
)
def test_text_ends_exactly_before_the_first_stop_string(text: str, stop: tuple[str, ...], left: str):
    # when a text with a stop string arrives
    row, shown = _type(text, stop=stop)
    row.close("length")
    # then it is cut there, and nothing was shown that had to be taken back
    assert row.text == left
    assert row.finish == ("length" if left == text else "stop")
    assert all(left.startswith(part) for part in shown)


def test_an_end_token_ends_the_text_and_is_not_shown():
    row, _ = _type("done")
    row.add(next(iter(END)))
    row.add(5)
    assert (row.text, row.finish, row.tokens) == ("done", "stop", 5)


def test_samples_follow_the_models_chances():
    # given four tokens with known chances
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    sampler = SeededSampler(_sampling(), dice_of([3]))
    # when they are drawn many times
    counts = torch.bincount(torch.cat([sampler(logits, logits).argmax(-1) for _ in range(4000)]), minlength=4)
    # then each comes as often as it should
    assert torch.allclose(counts / 4000, logits.softmax(-1)[0], atol=0.03)


@pytest.mark.parametrize(
    ("settings", "allowed"), [({"top_k": 2}, {0, 1}), ({"top_p": 0.6}, {0}), ({"top_p": 0.7}, {0, 1})]
)
def test_samples_stay_among_the_allowed(settings: dict, allowed: set[int]):
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])  # chances .64 .24 .09 .03
    sampler = SeededSampler(_sampling(**settings), dice_of([3]))
    assert {int(sampler(logits, logits).argmax()) for _ in range(300)} == allowed


def test_a_low_temperature_takes_the_likeliest():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    sampler = SeededSampler(_sampling(temperature=0.01), dice_of([3]))
    assert {int(sampler(logits, logits).argmax()) for _ in range(100)} == {0}


@pytest.mark.parametrize("settings", [{}, {"top_k": 20}, {"top_k": 40, "top_p": 0.9, "repetition_penalty": 1.2}])
def test_a_row_is_what_it_would_be_alone(gpt2: LanguageModel, settings: dict):
    # when several seeds are written in one batch, and each alone
    together = _write(gpt2, "hello", [5, 6, 7], **settings)
    alone = [_write(gpt2, "hello", [seed], **settings)[0] for seed in (5, 6, 7)]
    # then each is the same, and they differ from one another
    assert [row.text for row in together] == [row.text for row in alone]
    assert len({row.text for row in together}) == 3


def test_the_same_seed_writes_the_same(gpt2: LanguageModel):
    assert _write(gpt2, "hello", [5])[0].text == _write(gpt2, "hello", [5])[0].text


def test_greedy_is_what_transformers_writes(gpt2: LanguageModel):
    tokens = gpt2.encode("hello")
    theirs = gpt2.model.generate(tokens, max_new_tokens=24, do_sample=False, attention_mask=torch.ones_like(tokens))
    text = gpt2.tokenizer.decode(theirs[0, tokens.shape[-1] :], skip_special_tokens=True).rstrip("\ufffd")
    assert _write(gpt2, "hello", [1], temperature=0)[0].text == text


def test_a_step_that_raises_ends_the_writing(gpt2: LanguageModel):
    # given a watcher that gives up at the third token
    class Enough(BaseException):
        pass

    steps: list[int] = []

    def on_step(step: int, rows: list[Row]) -> None:
        steps.append(step)
        if step == 3:
            raise Enough

    # when text is written, then it ends there and the model is as good as before
    with pytest.raises(Enough):
        write(gpt2, gpt2.encode("hello"), _sampling(), seeds=[1], on_step=on_step)
    assert steps == [1, 2, 3]
    assert _write(gpt2, "hello", [5])[0].tokens == 24


def test_what_does_not_fit_the_window_is_refused(gpt2: LanguageModel):
    with pytest.raises(JobError) as caught:
        _write(gpt2, "x" * 80, [1])
    assert caught.value.code == "context_too_long"
    assert "80 tokens" in str(caught.value)
    assert _write(gpt2, "x" * 72, [1])[0].tokens == 24
