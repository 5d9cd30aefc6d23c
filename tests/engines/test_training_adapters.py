"""Adapters of diffusion models: nothing at first, the same in stock diffusers, and the same however it was cached."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from shared.errors import JobError
from shared.library import ModelSource
from tests.engines.library import Library
from tests.engines.picture_sets import drawn
from tests.engines.resuming import check_resume, leaves
from tests.engines.trainees import Place
from worker.engines.diffusion import Painting, load_pipeline, paint
from worker.engines.new_words import speaking
from worker.engines.training.captioned import CaptionLearner
from worker.engines.training.descent import Descending, Moment
from worker.engines.training.diffusion_adapters import AdapterLearner, Adapting
from worker.engines.training.diffusion_bases import Base
from worker.engines.training.loop import train
from worker.engines.training.new_words import WordLearner
from worker.engines.training.pictures import Pictures
from worker.engines.training.plan import Plan

HOW = Adapting(rank=4, alpha=8, mirror=True, dropped=0.3, noise_offset=0.05)
STOCK = """
import sys, torch, numpy
from diffusers import DiffusionPipeline
for model, adapter, prompt in zip(sys.argv[1::3], sys.argv[2::3], sys.argv[3::3]):
    pipe = DiffusionPipeline.from_pretrained(model, torch_dtype=torch.float32)
    if "<new>" in prompt:
        pipe.load_textual_inversion(adapter, weight_name="learned_embeds.safetensors")
    else:
        pipe.load_lora_weights(adapter)
    made = pipe(prompt=prompt, width=16, height=16, num_inference_steps=3, guidance_scale=3.0,
                generator=[torch.Generator().manual_seed(3)], output_type="np").images
    numpy.save(adapter + "/made.npy", (made * 255).round())
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("models"))


def quick(library: Library, model: str = "tiny-sd") -> ModelSource:
    """The model, that paints in two steps where nobody says in how many."""
    return replace(library[model], defaults={"steps": 2})


def captioned(count: int, seed: int = 0) -> Pictures:
    """Squares and bars in colour, with captions."""
    pictures = drawn(count, 16, seed)
    captions = [f"a {pictures.classes[label]}" for label in pictures.labels.tolist()]
    return replace(pictures.unclassed(), pixels=pictures.pixels.expand(-1, 3, -1, -1), captions=captions)


def learner(library: Library, model: str = "tiny-sd", *, keep: bool = True, **settings: Any) -> AdapterLearner:
    """A small one."""
    base = Base(quick(library, model), "cpu", keep=keep)
    settings = {"how": HOW, "descending": Descending(1e-2), "seed": 1} | settings
    return AdapterLearner(base, captioned(8), captioned(4, seed=5), **settings)


def painted(pipe: Any, prompt: str = "a square") -> np.ndarray:
    """One picture of a pipeline."""
    painting = Painting(
        prompt=prompt, negative_prompt=None, width=16, height=16, steps=3, guidance=3.0, scheduler="default"
    )
    return np.asarray(paint(pipe, painting, [3], lambda *_: None)[0]).astype(int)


@pytest.mark.parametrize("model", ["tiny-sd", "tiny-sdxl"])
def test_before_the_first_step_the_base_paints_as_it_did(library: Library, model: str):
    bare = painted(load_pipeline(library[model], "cpu"))

    assert np.array_equal(painted(learner(library, model).base.pipe), bare)


def test_stock_diffusers_paints_the_same_in_a_process_of_its_own(library: Library, tmp_path: Path):
    given: list[str] = []
    here: list[np.ndarray] = []
    for one, prompt in (
        (learner(library), "a square"),
        (learner(library, "tiny-sdxl"), "a square"),
        (word_learner(library), "a <new> square"),
    ):
        bare = painted(one.base.pipe, prompt)
        place = tmp_path / f"run-{len(here)}"
        place.mkdir()
        train(one, Plan(batch=4, steps=5, seed=1, at_once=4), Place(place))
        here.append(painted(one.base.pipe, prompt))
        assert not np.array_equal(here[-1], bare)
        given += [str(one.base.source.folder), str(one.save(place / "adapter")), prompt]

    done = subprocess.run([sys.executable, "-c", STOCK, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for folder, mine in zip(given[1::3], here, strict=True):
        assert np.abs(np.load(f"{folder}/made.npy")[0] - mine).max() <= 1
    assert Path(given[1], "pytorch_lora_weights.safetensors").is_file()


def test_it_goes_on_where_it_was_bit_for_bit(library: Library, tmp_path: Path):
    prior = replace(captioned(5, seed=9), captions=["a thing"] * 5)
    plan = Plan(batch=3, steps=6, seed=3, at_once=3, evaluate_every=4, checkpoint_steps=3)
    check_resume(lambda: learner(library, prior=prior), plan, tmp_path, (2, 5))


def test_what_is_kept_changes_no_loss(library: Library, tmp_path: Path):
    def curve(name: str, keep: bool) -> tuple[dict[int, float], list[torch.Tensor]]:
        (tmp_path / name).mkdir()
        place, one = Place(tmp_path / name), learner(library, keep=keep)
        train(one, Plan(batch=4, steps=6, seed=1, at_once=4), place)
        return place.points["loss"], leaves(one.weights())

    (kept, mine), (anew, theirs) = curve("kept", True), curve("anew", False)

    assert kept == anew
    assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_batch_in_pieces_is_the_same_step(library: Library, at_once: int):
    def stepped(at_once: int) -> tuple[float, list[torch.Tensor]]:
        torch.manual_seed(0)
        one = learner(library, prior=captioned(5, seed=9))
        one.descent.forget = lambda: None
        figures = one.learn(range(5), Moment(0, 0.5, at_once))
        return figures["loss"], [each.grad for each in one._module.parameters() if each.requires_grad]

    (whole, first), (pieces, second) = stepped(10), stepped(at_once)

    assert pieces == pytest.approx(whole, rel=1e-5)
    assert all(torch.allclose(one, other, rtol=1e-3, atol=1e-7) for one, other in zip(first, second, strict=True))


def test_the_base_stays_as_it_was(library: Library, tmp_path: Path):
    one = learner(library)
    before = {name: each.clone() for name, each in one.base.unet.named_parameters() if "lora" not in name}
    train(one, Plan(batch=4, steps=3, seed=1, at_once=4), Place(tmp_path))
    after = dict(one.base.unet.named_parameters())

    assert all(torch.equal(each, after[name]) for name, each in before.items())
    assert all("lora" in name for name, each in after.items() if each.requires_grad)


def fresh(library: Library) -> CaptionLearner:
    """One whose UNet is drawn anew."""
    base = Base(quick(library), "cpu")
    return CaptionLearner(base, captioned(8), captioned(4, seed=5), HOW, Descending(1e-2), seed=1, average=0.9)


def test_a_model_of_captions_goes_on_where_it_was_bit_for_bit(library: Library, tmp_path: Path):
    plan = Plan(batch=3, steps=6, seed=3, at_once=3, evaluate_every=4, checkpoint_steps=3)
    check_resume(lambda: fresh(library), plan, tmp_path, (2, 5))


def test_a_model_of_captions_learns_and_its_average_is_what_stock_diffusers_paints_by(library: Library, tmp_path: Path):
    one = fresh(library)
    outcome = train(one, Plan(batch=8, steps=30, seed=1, at_once=8), Place(tmp_path))
    assert outcome.after["validation_loss"] < outcome.before["validation_loss"]
    here = np.asarray(one.paint(["a square"], [3], lambda: None)[0]).astype(int)
    folder = one.save(tmp_path / "model")

    pipe = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    made = pipe(
        prompt="a square", width=16, height=16, num_inference_steps=2, output_type="np",
        generator=[torch.Generator().manual_seed(3)],
    ).images  # fmt: skip
    assert np.abs((made[0] * 255).round() - here).max() <= 1


def test_the_class_counts_by_its_weight(library: Library):
    def loss(weight: float) -> float:
        torch.manual_seed(0)
        one = learner(library, prior=captioned(5, seed=9), how=replace(HOW, prior_weight=weight))
        return one.learn(range(4), Moment(0, 0.5, 8))["loss"]

    none, half, full = loss(0.0), loss(0.5), loss(1.0)

    assert half - none == pytest.approx((full - none) / 2, rel=1e-4)
    assert full > none


def test_a_model_without_a_unet_of_latents_is_refused(library: Library):
    with pytest.raises(JobError, match=r"no model that can be trained|takes no adapters"):
        learner(library, "tiny-pixart")


def word_learner(library: Library, vectors: int = 2) -> WordLearner:
    """A small one: every caption has the word."""
    pictures = replace(captioned(8), captions=["a <new> square"] * 8)
    how = replace(HOW, dropped=0.0)
    base, descending = Base(quick(library), "cpu"), Descending(1e-1)
    return WordLearner(base, pictures, pictures, how, descending, seed=1, word="<new>", like="square", vectors=vectors)


def test_a_new_word_leaves_all_others_as_they_were(library: Library, tmp_path: Path):
    one = word_learner(library)
    before = {name: each.clone() for name, each in one.base.pipe.text_encoder.named_parameters()}
    train(one, Plan(batch=4, steps=2, seed=1, at_once=4), Place(tmp_path))

    assert all(torch.equal(before[name], each) for name, each in one.base.pipe.text_encoder.named_parameters())


def test_a_word_goes_on_where_it_was_bit_for_bit(library: Library, tmp_path: Path):
    plan = Plan(batch=3, steps=6, seed=3, at_once=3, checkpoint_steps=2)
    check_resume(lambda: word_learner(library), plan, tmp_path, (3,))


def test_a_word_is_gone_when_it_is_not_asked_for(library: Library):
    pipe = load_pipeline(library["tiny-sd"], "cpu")
    width = pipe.text_encoder.get_input_embeddings().weight.shape[1]
    bare = painted(pipe)
    with speaking(pipe, {"<new>": torch.randn(1, width)}):
        spoken = painted(pipe, "a <new> square")
        assert np.array_equal(painted(pipe), bare)
    assert np.array_equal(painted(pipe), bare)
    assert not np.array_equal(painted(pipe, "a <new> square"), spoken)


def test_a_word_of_another_width_is_refused(library: Library):
    pipe = load_pipeline(library["tiny-sd"], "cpu")
    with pytest.raises(JobError, match="of another model"), speaking(pipe, {"<new>": torch.zeros(1, 3)}):
        pass
