"""Many jobs that write with one model at once: each gets what it would get alone."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import Cancelled, JobError
from tests.kinds.context import FakeContext
from tests.kinds.party import member, together
from worker.engines import writing
from worker.engines.continuous import place_bytes
from worker.engines.language import load_language_model
from worker.kinds import run_function

Context = Callable[..., FakeContext]

ASKED: list[dict[str, Any]] = [
    {"prompt": "hello", "max_new_tokens": 12, "seed": 1},
    {"prompt": "a longer beginning of a text", "max_new_tokens": 20, "seed": 2, "temperature": 0.0},
    {"prompt": "why?", "max_new_tokens": 7, "seed": 3, "top_k": 5, "repetition_penalty": 1.3},
    {"prompt": "three of these", "max_new_tokens": 9, "seed": 4, "num_sequences": 3},
]
CHATS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "hello"}], "max_new_tokens": 12},
    {"messages": [{"role": "user", "content": "What is it?"}], "system": "Be brief.", "max_new_tokens": 5},
]


def files(ctx: Any) -> list[tuple[str, bytes]]:
    return [(saved.name, saved.data) for saved in ctx.saved]


@pytest.mark.parametrize("model", ["tiny-gpt2", "tiny-llama"])
@pytest.mark.parametrize("apart", [0, 1, 4])
def test_each_writes_what_it_would_write_alone(context: Context, model: str, apart: int):
    # given jobs that were run by themselves
    alone = [context(seed=asked["seed"]) for asked in ASKED]
    for ctx, asked in zip(alone, ASKED, strict=True):
        run_function("generate_text")(member("generate_text", ctx, model=model, raw=True, **asked).params, ctx)

    # when they are run together, each joining some tokens after the one before it
    some = [member("generate_text", context(seed=asked["seed"]), model=model, raw=True, **asked) for asked in ASKED]
    party = together("generate_text", _joins(some, apart))

    # then all are done, with the same files and the same counts
    assert set(party.ended.values()) == {None}
    assert [files(each.ctx) for each in some] == [files(ctx) for ctx in alone]
    assert [each.ctx.metrics["tokens"] for each in some] == [ctx.metrics["tokens"] for ctx in alone]
    assert any(each.ctx.metrics.get("batch_size", 1) > 1 for each in some)


def _joins(some: list[Any], apart: int) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for place, each in enumerate(some):
        found.setdefault(place * apart, []).append(each)
    return found


def test_one_that_is_cancelled_and_one_that_cannot_leave_the_others_alone(context: Context):
    # given one that is cancelled at its third token, one whose prompt is too long, and one that is fine
    asked = {"model": "tiny-gpt2", "raw": True, "max_new_tokens": 10, "prompt": "hello"}
    cancelled = member("generate_text", context(cancel_at=3), **asked)
    too_long = member("generate_text", context(), **asked | {"prompt": "word " * 4000})
    fine = member("generate_text", context(), **asked)
    party = together("generate_text", {0: [cancelled, too_long, fine]})

    # then each has its own end
    assert isinstance(party.ended[cancelled], Cancelled)
    error = party.ended[too_long]
    assert isinstance(error, JobError)
    assert error.code == "context_too_long"
    assert party.ended[fine] is None
    assert [saved.name for saved in fine.ctx.saved] == ["text.txt"]
    assert cancelled.ctx.saved == []


def test_conversations_share_passes_too(context: Context):
    some = [member("chat", context(), model="tiny-llama", **asked) for asked in CHATS]
    party = together("chat", {0: some})
    for each, asked in zip(some, CHATS, strict=True):
        ctx = context()
        run_function("chat")(member("chat", ctx, model="tiny-llama", **asked).params, ctx)
        assert (party.ended[each], files(each.ctx)) == (None, files(ctx))


def test_a_model_that_shares_no_passes_writes_one_after_the_other(context: Context):
    # given a job that tries again and one that joins it, whose model remembers in its own way
    asked = {"prompt": "Add two numbers.", "language": "bash", "max_new_tokens": 6, "model": "tiny-gpt2"}
    some = [member("generate_code", context(), **asked) for _ in range(2)]
    party = together("generate_code", {0: some[:1], 2: some[1:]})
    assert set(party.ended) == set(some)


def test_one_for_which_there_is_no_memory_waits_for_the_others(context: Context, monkeypatch: pytest.MonkeyPatch):
    # given memory for a few short texts, and one among them that is long
    asked = {"model": "tiny-gpt2", "raw": True, "prompt": "hello", "max_new_tokens": 8}
    short = [member("generate_text", context(seed=seed), **asked) for seed in range(3)]
    long = member("generate_text", context(), **asked | {"max_new_tokens": 80})
    lm = load_language_model(short[0].ctx.models["tiny-gpt2"], "cpu")
    monkeypatch.setattr(writing, "_free", lambda device: 4 * 80 * place_bytes(lm))
    party = together("generate_text", {0: short[:1], 1: [long, *short[1:]]})

    # then it is written after them, and all are done
    assert set(party.ended.values()) == {None}
    assert list(party.ended) == [*short, long]
    assert long.ctx.metrics["tokens"] == 80


def test_what_a_place_takes_is_what_the_library_keeps(context: Context):
    lm = load_language_model(context().models["tiny-llama"], "cpu")
    memory = lm.model(input_ids=lm.encode("hello")).past_key_values
    kept = sum(layer.keys.nbytes + layer.values.nbytes for layer in memory.layers)
    assert place_bytes(lm) == kept // memory.get_seq_length()
