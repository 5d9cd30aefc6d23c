"""How language models learn: every method, packed or not, in pieces or whole; what learns and what stays."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.errors import JobError
from tests.engines.library import Library
from worker.engines.language import LanguageModel, load_language_model
from worker.engines.training.adaptation import Adapted, Adapting, check_method, packs
from worker.engines.training.descent import Descending, Moment
from worker.engines.training.language_learner import LanguageLearner
from worker.engines.training.masking import Reader
from worker.engines.training.packing import strips
from worker.engines.training.scratch import Shape, made_model, made_tokenizer

ADAPTERS = ["lora", "dora", "rslora", "adalora", "ia3"]
ROWS = [{"prompt": "a" * (3 * number + 1), "completion": "b" * (number + 2)} for number in range(6)]
HOW = Descending(1e-2, "constant", 0.0)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("models"))


def learner(
    lm: LanguageModel, how: Adapting, *, packed: bool = False, rows: Sequence[Mapping[str, Any]] = ROWS
) -> LanguageLearner:
    """One that learns the rows, and is judged by them too."""
    torch.manual_seed(0)
    examples = Reader(lm.tokenizer, 64).read(rows).examples
    alone = [[each] for each in examples]
    lie = strips([len(each.tokens) for each in examples], 64)
    learned = [[examples[number] for number in strip] for strip in lie] if packed else alone
    return LanguageLearner(Adapted(lm.model, how, lm.tokenizer), learned, alone, HOW, padding=0)


def logits(model: Any) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        return model(input_ids=torch.arange(1, 20)[None]).logits


@pytest.mark.parametrize("family", ["tiny-llama", "tiny-gpt2"])
@pytest.mark.parametrize("method", ADAPTERS)
def test_an_adapter_that_has_learned_nothing_changes_nothing(library: Library, family: str, method: str):
    lm = load_language_model(library[family], "cpu")
    base = logits(lm.model)
    adapted = Adapted(lm.model, Adapting(method, rank=4, steps=10), lm.tokenizer)

    assert torch.equal(logits(adapted.model), base)


@pytest.mark.parametrize("family", ["tiny-llama", "tiny-gpt2"])
@pytest.mark.parametrize("method", [*ADAPTERS, "prompt_tuning", "top_layers", "full"])
def test_what_is_frozen_stays_bit_for_bit_and_the_rest_learns(library: Library, family: str, method: str):
    lm = load_language_model(library[family], "cpu")
    before = {id(each): each.clone() for each in lm.model.parameters()}
    pupil = learner(lm, Adapting(method, rank=4, steps=6, layers=1, prompt="learn", virtual_tokens=3))
    learning = {id(each) for each in pupil.adapted.learning().values()}
    first = pupil.evaluate(lambda: None)["validation_loss"]

    for step in range(6):
        pupil.learn(range(6), Moment(step, 0.5, 4))

    assert pupil.evaluate(lambda: None)["validation_loss"] < first
    for each in lm.model.parameters():
        if id(each) in before:
            assert torch.equal(each, before[id(each)]) == (id(each) not in learning)


@pytest.mark.parametrize("family", ["tiny-llama", "tiny-gpt2"])
@pytest.mark.parametrize("method", ADAPTERS)
def test_merged_is_unmerged(library: Library, tmp_path: Path, family: str, method: str):
    lm = load_language_model(library[family], "cpu")
    pupil = learner(lm, Adapting(method, rank=4, steps=6))
    for step in range(6):
        pupil.learn(range(6), Moment(step, 0.5, 6))
    apart = logits(pupil.adapted.model)

    pupil.adapted.save(tmp_path, lm.tokenizer, family, "merged")

    merged = type(lm.model).from_pretrained(tmp_path)
    assert (logits(merged) - apart).abs().max() < 1e-5


@pytest.mark.parametrize("family", ["tiny-llama", "tiny-gpt2"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_side_by_side_the_loss_is_that_of_each_alone(library: Library, family: str, attention: str):
    lm = load_language_model(library[family], "cpu")
    lm.model.set_attn_implementation(attention)
    assert packs(lm.model, 64)

    packed, alone = (learner(lm, Adapting("full"), packed=each) for each in (True, False))

    assert packed.count < alone.count
    assert packed.loss(packed.strips).item() == pytest.approx(alone.loss(alone.strips).item(), rel=1e-6)
    # and each example of a strip has the loss that it has alone: none sees another
    (strip, *_) = packed.strips
    apart = sum(alone.loss([[each]]).item() for each in strip)
    assert packed.loss([strip]).item() == pytest.approx(apart, rel=1e-5)


def test_a_model_that_lets_neighbours_see_each_other_is_found_out(library: Library):
    lm = load_language_model(library["tiny-llama"], "cpu")
    heedless = lm.model.forward
    lm.model.forward = lambda **given: heedless(**{k: v for k, v in given.items() if k != "attention_mask"})

    assert not packs(lm.model, 64)
    lm.model.config.sliding_window = 32
    assert not packs(lm.model, 64)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_pieces_of_a_ragged_batch_teach_what_the_whole_does(library: Library, packed: bool, at_once: int):
    def taught(at_once: int) -> tuple[float, torch.Tensor]:
        lm = load_language_model(library["tiny-gpt2"], "cpu")
        pupil = learner(lm, Adapting("full"), packed=packed)
        figures = pupil.learn(range(pupil.count), Moment(0, 0.5, at_once))
        return figures["gradient_norm"], lm.model.transformer.h[0].attn.c_attn.weight.detach()

    (norm, weight), (whole_norm, whole) = taught(at_once), taught(99)
    assert norm == pytest.approx(whole_norm, rel=1e-4)
    # Adam divides by tiny gradients, so a few weights of thousands may differ more.
    assert ((weight - whole).abs() < 1e-3).float().mean() > 0.99


def test_the_perplexity_of_a_model_that_knows_nothing_is_its_vocabulary(library: Library):
    lm = load_language_model(library["tiny-llama"], "cpu")
    torch.nn.init.zeros_(lm.model.lm_head.weight)

    figures = learner(lm, Adapting("full")).evaluate(lambda: None)

    assert figures["perplexity"] == pytest.approx(lm.model.config.vocab_size, rel=1e-5)
    assert figures["validation_loss"] == pytest.approx(math.log(lm.model.config.vocab_size), rel=1e-6)


@pytest.mark.parametrize("tokens", ["characters", "bpe"])
def test_a_tokenizer_of_the_data_knows_all_of_it(tokens: str):
    rows = [{"text": "Ein Löffel, zwei  Löffel.\n\tDrei 🥄!"}]
    made = made_tokenizer(rows, tokens, 300)

    ids = made(rows[0]["text"])["input_ids"]
    assert made.decode(ids) == rows[0]["text"]
    assert made.eos_token_id is not None
    assert max(ids) < len(made)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_model_from_nothing_has_the_shape_that_was_asked_for(architecture: str):
    made = made_tokenizer([{"messages": [{"role": "user", "content": "hi"}]}], "bpe", 400)
    shape = Shape(architecture, layers=3, heads=2, width=32, context=40)
    model = made_model(shape, made)

    assert model.config.num_hidden_layers == 3
    assert model.config.max_position_embeddings == 40
    assert made.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False).startswith("<|turn|>user\nhi")
    with pytest.raises(JobError, match="multiple of 4"):
        made_model(replace(shape, width=33), made)


def test_what_needs_a_gpu_says_so():
    with pytest.raises(JobError, match="bitsandbytes"):
        check_method("qlora", "cpu")
