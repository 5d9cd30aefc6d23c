"""`generate_text`, run as a worker runs it."""

import json
from collections.abc import Callable

import pytest

from shared.errors import Cancelled, JobError
from tests.kinds.context import FakeContext, run
from worker.engines.decoding import write
from worker.engines.language import load_language_model
from worker.engines.sampling import Sampling

Context = Callable[..., FakeContext]


def test_a_prompt_becomes_a_text_that_streams(context: Context):
    # when a prompt is answered
    ctx = run("generate_text", context(), model="tiny-llama", prompt="hi", max_new_tokens=20, seed=4)
    # then there is one text, told token by token, with its figures
    (saved,) = ctx.outputs
    assert (saved.name, saved.media_type) == ("text.txt", "text/plain; charset=utf-8")
    assert saved.meta == {"finish_reason": "length", "tokens": 20, "seed": 4}
    assert [step[0] for step in ctx.steps] == list(range(21))
    shown = [text for *_, text in ctx.steps[1:] if text is not None]
    assert all(saved.text.startswith(text) for text in shown)
    assert ctx.metrics["tokens"] == 20
    assert ctx.metrics["tokens_per_second"] > 0
    assert ctx.metrics["prompt_tokens"] == len("hi") + 3


def test_the_same_seed_gives_the_same_bytes(context: Context):
    params = {"model": "tiny-llama", "prompt": "hi", "max_new_tokens": 20}
    first, again, other = (run("generate_text", context(), **params, seed=seed) for seed in (4, 4, 5))
    assert first.outputs[0].data == again.outputs[0].data != other.outputs[0].data


def test_the_best_are_kept_and_are_those_that_all_together_had(context: Context):
    # given five texts, each with what the model thinks of it
    params = {"model": "tiny-llama", "prompt": "hi", "max_new_tokens": 20, "num_sequences": 5, "seed": 4}
    every = run("generate_text", context(), **params).outputs[:-1]
    # when two are to be kept
    *kept, _ = run("generate_text", context(), **params, keep_best=2).outputs
    # then they are two of the five, with their own seeds
    assert len(kept) == 2
    of_all = {saved.meta["seed"]: saved.text for saved in every}
    assert all(of_all[saved.meta["seed"]] == saved.text for saved in kept)


def test_the_best_text_is_the_likeliest(context: Context):
    # given that low temperatures write what the model itself thinks likely
    ctx = context()
    lm = ctx.resident("tiny-llama@judge", lambda: load_language_model(ctx.models["tiny-llama"], "cpu"))
    prompt = lm.encode_chat([{"role": "user", "content": "hi"}])
    settings = {"max_new_tokens": 20, "top_k": 0, "top_p": 1, "repetition_penalty": 1}
    thought = {
        temperature: write(
            lm, prompt, Sampling(**settings, temperature=temperature), seeds=[1], on_step=lambda *_: None
        )[0]
        for temperature in (0, 1, 2)
    }
    # then its own score says so
    scores = [row.likelihood / row.tokens for row in thought.values()]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] < 0


def test_alike_texts_are_kept_once(context: Context):
    # a temperature near 0 writes one text five times over
    params = {"model": "tiny-llama", "prompt": "hi", "max_new_tokens": 20, "num_sequences": 5, "temperature": 1e-5}
    assert len(run("generate_text", context(), **params, keep_best=5).outputs) == 1


def test_lean_writes_the_same_one_by_one(context: Context):
    params = {"model": "tiny-llama", "prompt": "hi", "max_new_tokens": 20, "num_sequences": 3, "seed": 4}
    usual, lean = (run("generate_text", context(lean=lean), **params) for lean in (False, True))
    assert [saved.data for saved in usual.outputs] == [saved.data for saved in lean.outputs]


def test_sequences_are_what_single_jobs_would_write(context: Context):
    # given three answers in one job
    params = {"model": "tiny-llama", "prompt": "hi", "max_new_tokens": 20}
    ctx = run("generate_text", context(), **params, num_sequences=3, seed=4)
    *texts, listing = ctx.outputs
    # when the same seeds run alone
    alone = [run("generate_text", context(), **params, seed=seed).outputs[0].text for seed in (4, 5, 6)]
    # then nothing differs, and one file lists them all
    assert [text.text for text in texts] == alone
    assert [answer["text"] for answer in json.loads(listing.text)] == alone
    assert [answer["seed"] for answer in json.loads(listing.text)] == [4, 5, 6]
    assert ctx.metrics["tokens"] == 60


def test_a_conversation_and_its_instructions_take_the_models_form(context: Context):
    # given the same conversation, its instructions as a message or in their own field
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    params = {"model": "tiny-llama", "max_new_tokens": 8, "seed": 4}
    first = run("generate_text", context(), **params, messages=[{"role": "system", "content": "s"}, *turns])
    second = run("generate_text", context(), **params, messages=turns, system="s")
    # then both are the same tokens: one a letter, two around each turn, one for the answer
    assert first.metrics["prompt_tokens"] == second.metrics["prompt_tokens"] == 4 * 3 + 1
    assert first.outputs[0].data == second.outputs[0].data


def test_raw_text_is_continued_without_a_form(context: Context):
    ctx = run("generate_text", context(), model="tiny-llama", prompt="hello", raw=True, max_new_tokens=4)
    assert ctx.metrics["prompt_tokens"] == 5


def test_a_model_without_a_chat_form_continues_prompts_and_refuses_conversations(context: Context):
    ctx = run("generate_text", context(), model="tiny-gpt2", prompt="hello", max_new_tokens=4)
    assert ctx.metrics["prompt_tokens"] == 5
    for wrong in ({"messages": [{"role": "user", "content": "a"}]}, {"prompt": "a", "system": "b"}):
        with pytest.raises(JobError) as caught:
            run("generate_text", context(), model="tiny-gpt2", **wrong)
        assert caught.value.code == "no_chat_template"


def test_cancel_comes_within_one_step(context: Context):
    ctx = context(cancel_at=3)
    with pytest.raises(Cancelled):
        run("generate_text", ctx, model="tiny-llama", prompt="hi", max_new_tokens=50)
    assert ctx.steps[-1][0] == 3
    assert ctx.saved == []


def test_a_prompt_beyond_the_window_is_refused(context: Context):
    with pytest.raises(JobError) as caught:
        run("generate_text", context(), model="tiny-gpt2", prompt="x" * 200)
    assert caught.value.code == "context_too_long"


def test_an_unknown_model_is_refused(context: Context):
    with pytest.raises(JobError) as caught:
        run("generate_text", context(), model="nobody", prompt="x")
    assert caught.value.code == "model_missing"


@pytest.mark.quality
def test_the_starter_answers_on_topic(context: Context):
    # given the starter model and a question that has one answer
    ctx = run("generate_text", context(), prompt="What is the capital of France?", temperature=0, max_new_tokens=24)
    # then it says so, and stops by itself
    assert "Paris" in ctx.outputs[0].text
    assert ctx.outputs[0].meta["finish_reason"] == "stop"


@pytest.mark.quality
def test_the_starter_stops_at_a_stop_string(context: Context):
    params = {"prompt": "What is the capital of France?", "temperature": 0, "max_new_tokens": 24}
    ctx = run("generate_text", context(), **params, stop=[" is"])
    assert ctx.outputs[0].text == "The capital of France"
    assert ctx.outputs[0].meta["finish_reason"] == "stop"
