"""`chat`, run as a worker runs it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared import kinds
from shared.errors import Cancelled, Invalid, JobError
from tests.engines.library import Library
from tests.kinds.context import FakeContext, run
from worker.engines.retrieval import read_passages
from worker.engines.sampling import Sampling, SeededSampler, dice_of

Context = Callable[..., FakeContext]
TINY = {"model": "tiny-llama", "reader": "tiny-bert", "max_new_tokens": 12, "seed": 4}
TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
SHOP = (
    "Parcels arrive within three working days. Express parcels arrive the next day.\n\n"
    "You may return goods within 30 days. The refund is paid to the card that you used.\n\n"
    "Our shop in Green Street is open from nine to six, except on Sundays.\n\n"
    "A forgotten password can be reset on the login page.\n"
)


def _ask(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.txt"
    path.write_text(SHOP)
    return path


def test_the_last_turn_is_answered_as_the_bare_library_does(context: Context, library: Library):
    # given the model's own form of the conversation, and the sampler of this seed in the bare library
    from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessorList

    folder = library["tiny-llama"].folder
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    text = tokenizer.apply_chat_template(TURNS, add_generation_prompt=True, tokenize=False)
    tokens = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    sampling = Sampling(max_new_tokens=12, temperature=0.9, top_k=0, top_p=1.0, repetition_penalty=1.0)
    theirs = model.generate(
        **tokens,
        max_new_tokens=12,
        do_sample=False,
        logits_processor=LogitsProcessorList([SeededSampler(sampling, dice_of([4]))]),
    )
    expected = tokenizer.decode(theirs[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True).rstrip("\ufffd")
    # then the kind's answer is the same
    ctx = run("chat", context(), **TINY, messages=TURNS, temperature=0.9, top_k=0, top_p=1.0, repetition_penalty=1.0)
    assert ctx.outputs[0].text == expected
    assert "handover" not in ctx.outputs[0].meta


def test_the_same_seed_gives_the_same_bytes(context: Context, shop: Path):
    def answer(seed: int) -> bytes:
        ctx = context()
        params = {**TINY, "seed": seed, "messages": _ask("the shop"), "knowledge": ctx.give(shop, "text/plain")}
        return run("chat", ctx, **params, confidence=0).outputs[0].data

    assert answer(4) == answer(4) != answer(5)


def test_the_nearest_passages_go_to_the_model_and_into_the_result(context: Context, shop: Path):
    # when a question is asked of a text, then three of its paragraphs are read besides it, and named
    ctx = context()
    without = run("chat", context(), **TINY, messages=_ask("the shop"))
    run("chat", ctx, **TINY, messages=_ask("the shop"), knowledge=ctx.give(shop, "text/plain"), confidence=0)
    sources = ctx.outputs[0].meta["sources"]
    assert len(sources) == 3
    assert [each["likeness"] for each in sources] == sorted((each["likeness"] for each in sources), reverse=True)
    assert all(each["text"] in SHOP for each in sources)
    assert ctx.outputs[0].meta["handover"] is False
    assert ctx.metrics["prompt_tokens"] > without.metrics["prompt_tokens"] + sum(len(s["text"]) for s in sources)


def test_far_from_the_knowledge_a_person_is_called_without_the_model(context: Context, shop: Path):
    ctx = context()
    table = ctx.give(shop, "text/plain")
    run("chat", ctx, **{**TINY, "model": "nobody"}, messages=_ask("x"), knowledge=table, confidence=1)
    assert ctx.outputs[0].text == "I am not sure; a person should answer this."
    assert ctx.outputs[0].meta["handover"] is True
    assert ctx.metrics["handover"] == 1


def test_a_table_of_questions_is_searched_by_one_column_and_read_whole(tmp_path: Path):
    path = tmp_path / "faq.csv"
    path.write_text("question,answer\nWhen do you open?,At nine.\n")
    (passage,) = read_passages(path, path.name, "text/csv", "question")
    assert (passage.searched, passage.text) == ("When do you open?", "When do you open?\nAt nine.")


def test_a_plain_text_is_read_by_paragraphs(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("One.\nTwo.\n\nThree.\n" + "\n" + "A long sentence it is. " * 60)
    found = read_passages(path, "a.txt", "text/plain", "text")
    assert [(passage.line, passage.text) for passage in found[:2]] == [(1, "One. Two."), (4, "Three.")]
    assert len(found) > 3
    assert all(len(passage.text) <= 600 and passage.text.endswith(".") for passage in found)


def test_cancel_comes_within_one_step(context: Context):
    ctx = context(cancel_at=3)
    with pytest.raises(Cancelled):
        run("chat", ctx, **{**TINY, "max_new_tokens": 50}, messages=TURNS)
    assert ctx.steps[-1][0] == 3
    assert ctx.saved == []


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "needed"),
        ({"messages": []}, "at least 1"),
        ({"messages": TURNS[:2]}, "last turn must be the user's"),
        ({"messages": _ask(" ")}, "blank"),
        ({"messages": [{"role": "system", "content": "s"}, *TURNS], "system": "s"}, "instructions once"),
        ({"messages": TURNS, "confidence": 2}, "1 or less"),
        ({"messages": TURNS, "knowledge": "file.txt"}, "not allowed"),
    ],
)
def test_bad_inputs_are_answered_with_a_sentence(params: dict, sentence: str):
    with pytest.raises(Invalid, match=sentence):
        kinds.validate("chat", params)


def test_a_model_without_conversations_is_refused(context: Context):
    with pytest.raises(JobError, match="knows no conversations"):
        run("chat", context(), model="tiny-gpt2", messages=TURNS)


@pytest.mark.quality
def test_the_starters_answer_from_a_shops_text_or_call_a_person(context: Context, shop: Path):
    # given questions that the text answers, each with a word of the answer, and others
    ctx = context()
    table = ctx.give(shop, "text/plain")
    for question, line, word in (
        ("How long may I take to send something back?", 3, "30"),
        ("When are you open?", 5, "nine"),
    ):
        params = {"messages": _ask(question), "knowledge": table, "temperature": 0, "max_new_tokens": 40}
        answer = run("chat", context(inputs=ctx.inputs), **params)
        assert answer.outputs[0].meta["sources"][0]["line"] == line
        assert word in answer.outputs[0].text.lower()
    for question in ("Who wrote Hamlet?", "How tall is Mount Everest?"):
        answer = run("chat", context(inputs=ctx.inputs), messages=_ask(question), knowledge=table)
        assert answer.outputs[0].meta["handover"] is True
