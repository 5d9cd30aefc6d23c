"""Adapters on one base: they take turns, the base is there once, and each says what stock peft says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from shared.errors import JobError
from shared.library import ModelSource
from tests.engines.library import Library, source
from tests.engines.tiny.writers import byte_tokenizer
from worker.engines.language import load_language_model, resident_language_model

T = TypeVar("T")
PROMPT = torch.arange(5, 25)[None]


class Desk:
    """Models by name, and what is resident."""

    device = "cpu"

    def __init__(self, library: Library, made: dict[str, ModelSource]) -> None:
        self.library, self.made, self.held = library, made, {}

    def model(self, name: str) -> ModelSource:
        return self.made[name] if name in self.made else self.library[name]

    def resident(self, key: str, load: Callable[[], T], size: int | None = None) -> T:
        if key not in self.held:
            self.held[key] = load()
        return self.held[key]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("models"))


def adapter(library: Library, folder: Path, name: str, base: str = "tiny-llama", **how: Any) -> ModelSource:
    """An adapter with weights of its own."""
    torch.manual_seed(len(name))
    model = AutoModelForCausalLM.from_pretrained(library[base].folder)
    config = LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", init_lora_weights=False, **how)
    get_peft_model(model, config).save_pretrained(folder / name)
    (folder / name / "atelier.json").write_text(f'{{"base": "{base}"}}')
    return source(name, folder / name)


def written(model: Any) -> list[int]:
    return model.generate(input_ids=PROMPT, max_new_tokens=12, do_sample=False, pad_token_id=0)[0].tolist()


@pytest.fixture
def desk(library: Library, tmp_path: Path) -> Desk:
    names = {"one": {"r": 4}, "second": {"r": 8, "use_rslora": True}, "the-third": {"r": 4, "use_dora": True}}
    return Desk(library, {name: adapter(library, tmp_path, name, **how) for name, how in names.items()})


def test_each_writes_the_tokens_of_stock_peft_and_the_base_its_own(desk: Desk, library: Library):
    def stock(name: str | None) -> list[int]:
        model = AutoModelForCausalLM.from_pretrained(library["tiny-llama"].folder)
        return written(PeftModel.from_pretrained(model, desk.made[name].folder) if name else model)

    expected = {name: stock(name) for name in (None, *desk.made)}
    assert len({tuple(each) for each in expected.values()}) == 4

    # in any order, over and over
    for name in ("one", None, "second", "the-third", "one", None, "the-third"):
        lm = resident_language_model(desk.model(name or "tiny-llama"), desk)
        assert written(lm.model) == expected[name], name


def test_the_base_is_in_memory_once(desk: Desk):
    bodies = [resident_language_model(desk.model(name), desk).model for name in (*desk.made, "tiny-llama")]

    assert list(desk.held) == ["tiny-llama@test"]
    assert len({id(body) for body in bodies}) == 1
    embedding = bodies[0].get_input_embeddings().weight
    assert sum(each.data_ptr() == embedding.data_ptr() for each in bodies[0].parameters()) == 1


def test_the_adapters_own_tokenizer_and_chat_template_are_used(desk: Desk):
    own = byte_tokenizer(chat=True)
    own.chat_template = "{% for message in messages %}~{{ message.content }}{% endfor %}"
    own.save_pretrained(desk.made["one"].folder)

    lm = resident_language_model(desk.made["one"], desk)
    plain = resident_language_model(desk.model("tiny-llama"), desk)

    messages = [{"role": "user", "content": "hi"}]
    assert lm.tokenizer.decode(lm.encode_chat(messages)[0]) == "~hi"
    assert plain.tokenizer.decode(plain.encode_chat(messages)[0]) == "<|user|>hi<|end|><|assistant|>"


def test_one_that_changes_the_base_gets_a_base_of_its_own(library: Library, tmp_path: Path):
    changing = adapter(library, tmp_path, "changing", r=4, modules_to_save=["lm_head"])
    desk = Desk(library, {"changing": changing})
    base = written(resident_language_model(desk.model("tiny-llama"), desk).model)

    stock = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(library["tiny-llama"].folder), changing.folder
    )
    assert written(resident_language_model(changing, desk).model) == written(stock)
    assert written(resident_language_model(desk.model("tiny-llama"), desk).model) == base
    assert list(desk.held) == ["tiny-llama@test", "changing@test+tiny-llama@test"]


def test_no_more_than_so_many_stay(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("worker.engines.tuned.KEPT", 1)
    for name in ("one", "second", "the-third", "one"):
        lm = resident_language_model(desk.made[name], desk)
        held = {part for name, _ in lm.model.named_parameters() for part in name.split(".") if part.startswith("a")}
        assert len({each for each in held if len(each) == 17}) == 1


@pytest.mark.parametrize("beside", [False, True])
def test_one_that_fits_another_base_is_refused_and_does_no_harm(library: Library, tmp_path: Path, beside: bool):
    stray = adapter(library, tmp_path, "stray", base="tiny-gpt2", r=4, fan_in_fan_out=True)
    (stray.folder / "atelier.json").write_text('{"base": "tiny-llama"}')
    stray = source("stray", stray.folder)
    desk = Desk(library, {"stray": stray, "one": adapter(library, tmp_path, "one", r=4)})
    if beside:
        resident_language_model(desk.made["one"], desk)
    before = written(resident_language_model(desk.model("tiny-llama"), desk).model)

    with pytest.raises(JobError):
        resident_language_model(stray, desk)

    assert written(resident_language_model(desk.model("tiny-llama"), desk).model) == before
    homeless = source("homeless", tmp_path / "stray")
    with pytest.raises(JobError, match="does not say which model"):
        resident_language_model(ModelSource(**{**vars(homeless), "base": None}), desk)


def test_swapping_is_faster_than_loading(desk: Desk, library: Library):
    import time

    for name in desk.made:
        resident_language_model(desk.made[name], desk)
    began = time.perf_counter()
    for name in desk.made:
        resident_language_model(desk.made[name], desk)
    swap = (time.perf_counter() - began) / 3
    began = time.perf_counter()
    load_language_model(library["tiny-llama"], "cpu")
    load = time.perf_counter() - began
    print(f"swap {swap * 1000:.2f} ms, load {load * 1000:.1f} ms")
    assert swap < load
