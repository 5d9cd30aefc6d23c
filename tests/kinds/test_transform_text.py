"""`transform_text`, run as a worker runs it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, LogitsProcessorList

from shared import kinds
from shared.errors import Cancelled, Invalid, JobError
from tests.engines.library import Library
from tests.kinds.context import FakeContext, run
from worker.engines.sampling import Sampling, SeededSampler, dice_of
from worker.engines.sentences import grouped, split

Context = Callable[..., FakeContext]
SPECIALISTS = ["tiny-t5", "tiny-bart", "tiny-marian"]
PLAIN = {"max_new_tokens": 16, "temperature": 0, "repetition_penalty": 1.0, "prefix": ""}
TEXT = "the cat sits in the house"


@pytest.mark.parametrize("model", SPECIALISTS)
@pytest.mark.parametrize("seed", [None, 7])
def test_a_specialist_writes_what_the_bare_library_writes(
    context: Context, library: Library, model: str, seed: int | None
):
    # given the bare library's tokens: greedy, or with the sampler of this seed
    folder = library[model].folder
    tokenizer, bare = AutoTokenizer.from_pretrained(folder), AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    sampling = Sampling(max_new_tokens=16, temperature=0.9, top_k=0, top_p=1.0, repetition_penalty=1.0)
    sampler = LogitsProcessorList([SeededSampler(sampling, dice_of([seed]))] if seed is not None else [])
    inputs = tokenizer(TEXT, return_tensors="pt")
    theirs = bare.generate(
        inputs["input_ids"], attention_mask=inputs["attention_mask"], do_sample=False, num_beams=1, max_new_tokens=16,
        logits_processor=sampler,
    )  # fmt: skip
    # then the kind writes the same
    settings = PLAIN if seed is None else {**PLAIN, "temperature": 0.9, "top_k": 0, "top_p": 1, "seed": seed}
    ctx = run("transform_text", context(), specialist=model, text=TEXT, **settings)
    expected = tokenizer.decode(theirs[0, 1:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert ctx.outputs[0].text == expected.rstrip("\ufffd").strip()
    assert ctx.metrics["tokens"] == int((theirs[0, 1:] != tokenizer.pad_token_id).sum())


@pytest.mark.parametrize("task", ["summarise", "translate", "rewrite"])
@pytest.mark.parametrize("model", ["tiny-llama", "tiny-gpt2"])
def test_a_language_model_is_told_the_task(context: Context, task: str, model: str):
    if model == "tiny-gpt2":  # its window holds little more than the instructions
        with pytest.raises(JobError, match="too few for the instructions"):
            run("transform_text", context(), model=model, text="hi", task=task, max_new_tokens=40)
        return
    ctx = run("transform_text", context(), model=model, text="hi", task=task, max_new_tokens=8, seed=3)
    assert ctx.outputs[0].meta["task"] == task
    assert ctx.metrics["pieces"] == 1


def test_the_same_seed_gives_the_same_bytes(context: Context):
    params = {**PLAIN, "specialist": "tiny-t5", "text": TEXT, "temperature": 1.0}
    first, again, other = (run("transform_text", context(), **params, seed=seed).outputs[0].data for seed in (4, 4, 5))
    assert first == again != other


def test_a_long_text_is_done_in_pieces_that_end_with_sentences(context: Context, tmp_path: Path):
    # given a file of two paragraphs, the first too long for the model
    text = "The cat sits. " * 40 + "\n\n" + "A dog.\n"
    path = tmp_path / "long.txt"
    path.write_text(text)
    ctx = context()
    run("transform_text", ctx, specialist="tiny-bart", file=ctx.give(path, "text/plain"), **PLAIN)
    # then each piece fits, and the paragraphs stay
    pieces = grouped(split(text), len, 255)
    assert ctx.metrics["pieces"] == len(pieces) == 4
    assert all(len(piece.text) <= 255 and piece.text.endswith(".") for piece in pieces)
    assert [piece.ends_paragraph for piece in pieces].count(True) == 2
    steps = [done for done, total, *_ in ctx.steps if total]
    assert steps == sorted(steps)
    assert steps[-1] <= ctx.steps[-1][1]


def test_t5_is_told_its_task(context: Context):
    settings = {name: value for name, value in PLAIN.items() if name != "prefix"}
    usual = run("transform_text", context(), specialist="tiny-t5", text=TEXT, **settings).outputs[0].data
    named = run("transform_text", context(), specialist="tiny-t5", text=TEXT, **settings, prefix="summarize: ")
    assert usual == named.outputs[0].data


def test_cancel_comes_within_one_step(context: Context):
    ctx = context(cancel_at=3)
    with pytest.raises(Cancelled):
        run("transform_text", ctx, specialist="tiny-t5", text=TEXT, max_new_tokens=50)
    assert ctx.steps[-1][0] == 3
    assert ctx.saved == []


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "either a text or a file"),
        ({"text": "a", "file": f"art_{0:026d}"}, "either a text or a file"),
        ({"text": "  "}, "blank"),
        ({"text": "a", "task": "sing"}, "one of"),
        ({"text": "a", "language": ""}, "at least 1"),
        ({"text": "a" * 100_001}, "100000 characters or fewer"),
    ],
)
def test_bad_inputs_are_answered_with_a_sentence(params: dict, sentence: str):
    with pytest.raises(Invalid, match=sentence):
        kinds.validate("transform_text", params)


def test_a_file_without_text_and_a_wrong_model_are_refused(context: Context, tmp_path: Path):
    for content, sentence in ((b" \n", "no text"), (b"caf\xe9", "not UTF-8"), (b"a" * 100_001, "100,000 characters")):
        path = tmp_path / "a.txt"
        path.write_bytes(content)
        ctx = context()
        with pytest.raises(JobError, match=sentence):
            run("transform_text", ctx, specialist="tiny-t5", file=ctx.give(path, "text/plain"))
    with pytest.raises(JobError, match="is for text-generation, not for text2text-generation"):
        run("transform_text", context(), specialist="tiny-llama", text="a")


@pytest.mark.quality
def test_the_starter_summarises_on_topic(context: Context):
    text = kinds.params_class("transform_text").examples[0]["text"]
    ctx = run("transform_text", context(), text=text, length="short", max_new_tokens=60, temperature=0)
    assert "bridge" in ctx.outputs[0].text
