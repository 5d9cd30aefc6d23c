"""Training language models, from a base and from nothing."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from shared import kinds
from shared.errors import Cancelled, Invalid, JobError
from tests.engines.library import Library
from tests.kinds.apprentice import GREETINGS, Shelf, archive, attempt, report, trained, weights, with_breaks
from tests.kinds.context import FakeContext, run
from worker.engines.language import resident_language_model

TINY = {"base": "tiny-llama", "name": "mine", "rank": 4, "batch_size": 4, "max_length": 128, "learning_rate": 1e-2}
SCRATCH = {
    "base": None, "name": "new", "method": "full", "layers": 2, "heads": 2, "width": 32, "batch_size": 4,
    "max_length": 24, "learning_rate": 1e-2,
}  # fmt: skip
TEXTS = [{"text": f"The {each} sat on the mat and looked at the moon."} for each in ("cat", "dog", "owl", "fox", "hen")]


def at(make: Callable[..., FakeContext], shelf: Shelf) -> FakeContext:
    """A context that knows what was trained."""
    return FakeContext(make().workdir, shelf)


def train(make: Callable[..., FakeContext], **params: Any) -> FakeContext:
    """A short run over the greetings."""
    return trained("train_causal_lm", attempt(make), "chat", GREETINGS, GREETINGS[:2], **{**TINY, **params})


def test_a_tiny_model_learns_eight_rows_by_heart(context: Callable[..., FakeContext]):
    found = report(train(context, method="full", epochs=20))

    assert found["after"]["validation_loss"] < found["before"]["validation_loss"] / 4
    assert found["samples"][0]["after"] != found["samples"][0]["before"]
    assert found["data"]["rows"] == 8


@pytest.mark.parametrize(
    "how",
    [
        {"method": "lora", "dropout": 0.2}, {"method": "adalora", "rank": 4}, {"method": "prompt_tuning"},
        {"method": "full", "packing": True, "save_memory": True, "dropout": 0.1},
    ],
    ids=lambda how: how["method"],
)  # fmt: skip
def test_who_makes_room_and_comes_back_ends_with_the_same_weights(context: Callable[..., FakeContext], how: Any):
    params = {**TINY, **how, "steps": 7, "evaluations": 2}
    if how["method"] == "full":
        params |= {"max_length": 64, "batch_size": 2}
    whole = trained("train_causal_lm", attempt(context), "chat", GREETINGS, GREETINGS[:2], **params)
    again = with_breaks(context, [2, 5], "train_causal_lm", "chat", GREETINGS, GREETINGS[:2], **params)

    ours, theirs = weights(again), weights(whole)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("tokens", ["characters", "bpe"])
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_from_nothing(context: Callable[..., FakeContext], tmp_path: Path, tokens: str, architecture: str):
    how = {**SCRATCH, "tokens": tokens, "architecture": architecture, "steps": 30, "join_texts": True}
    ctx = trained("train_causal_lm", attempt(context), "text", TEXTS, TEXTS[:1], **how)

    found = report(ctx)
    assert found["after"]["validation_loss"] < found["before"]["validation_loss"] / 1.5
    shelf = Shelf(tmp_path, ctx.models)
    shelf.put(ctx, "new")
    said = run("generate_text", at(context, shelf), model="new", prompt="The cat", max_new_tokens=8, temperature=0)
    assert said.outputs[0].text


def test_what_comes_of_it_loads_in_a_clean_process_with_the_stock_libraries(
    context: Callable[..., FakeContext], tmp_path: Path, library: Library
):
    shelf, tokens = Shelf(tmp_path, library), torch.arange(1, 30)[None]
    methods = {"adapter": "lora", "weight-decomposed": "dora", "ranked": "adalora", "virtual": "prompt_tuning"}
    for name, method in methods.items():
        shelf.put(train(context, method=method, steps=4, name=name), name)
    shelf.put(train(context, steps=4, export="merged", name="merged"), "merged")
    ours = {}
    for name in (*methods, "merged"):
        lm = resident_language_model(shelf[name], at(context, shelf))
        with torch.no_grad():
            ours[name] = lm.model(input_ids=tokens).logits[0, -1].tolist()

    code = """
import json, sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, base, names = sys.argv[1], sys.argv[2], sys.argv[3].split()
said = {}
for name in names:
    if name == "merged":
        model = AutoModelForCausalLM.from_pretrained(f"{folder}/{name}")
    else:
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), f"{folder}/{name}")
    tokenizer = AutoTokenizer.from_pretrained(f"{folder}/{name}")
    assert tokenizer.chat_template and tokenizer.eos_token == "<|end|>"
    with torch.no_grad():
        said[name] = model.eval()(input_ids=torch.arange(1, 30)[None]).logits[0, -1].tolist()
print(json.dumps(said))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(library["tiny-llama"].folder), " ".join(ours)],
        capture_output=True, text=True, check=False, env={"PATH": "", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name, theirs in json.loads(done.stdout.splitlines()[-1]).items():
        assert torch.tensor(theirs).sub(torch.tensor(ours[name])).abs().max() < 1e-5, name


def test_the_archive_is_an_adapter_with_its_tokenizer_and_names_its_base(context: Callable[..., FakeContext]):
    ctx = train(context, steps=2)

    with archive(ctx) as packed:
        names = set(packed.namelist())
        config = json.loads(packed.read("adapter_config.json"))
    assert {"adapter_model.safetensors", "tokenizer.json", "atelier.json"} <= names
    assert not any(name.endswith((".md", ".bin", ".py")) for name in names)
    assert config["base_model_name_or_path"] == "tiny-llama"
    (meta,) = (saved.meta for saved in ctx.saved if saved.role == "model")
    assert (meta["base"], meta["task"], meta["name"]) == ("tiny-llama", "text-generation", "mine")


def test_the_same_seed_gives_the_same_bytes(context: Callable[..., FakeContext]):
    first, second, other = (train(context, steps=3, seed=seed) for seed in (5, 5, 6))

    made = [next(saved.data for saved in ctx.saved if saved.role == "model") for ctx in (first, second, other)]
    assert made[0] == made[1] != made[2]


def test_it_ends_within_a_step_when_it_is_cancelled(context: Callable[..., FakeContext]):
    ctx = attempt(context)
    ctx.cancel_at = 2
    with pytest.raises(Cancelled):
        trained("train_causal_lm", ctx, "chat", GREETINGS, **TINY, steps=50)
    assert ctx.steps[-1][0] == 2


@pytest.mark.parametrize(
    ("params", "code", "sentence"),
    [
        ({"base": "nobody"}, "model_missing", "no model"),
        ({"base": "tiny-bert"}, "wrong_task", "feature-extraction"),
        ({"method": "qlora"}, "needs_gpu", "bitsandbytes"),
        ({"max_length": 8}, "nothing_to_learn", "every answer is cut off"),
        ({**SCRATCH, "width": 33}, "wrong_shape", "multiple of 4"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    context: Callable[..., FakeContext], params: dict[str, Any], code: str, sentence: str
):
    with pytest.raises(JobError, match=sentence) as caught:
        train(context, **params)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"base": None}, "choose the method “full”"),
        ({"method": "adalora", "rank": 1}, "rank of 2 or more"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(params: dict[str, Any], sentence: str):
    with pytest.raises(Invalid) as caught:
        kinds.validate("train_causal_lm", {"dataset": "d", "name": "n", **params})
    assert sentence in str(caught.value.errors)
