"""Diffusion learns from nothing: its noise is the closed form, and stock diffusers loads what comes of it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from tests.engines.picture_sets import drawn
from tests.engines.resuming import check_resume
from tests.engines.trainees import Place
from worker.engines.training.ddpm import Diffusing, DiffusionLearner, build_unet
from worker.engines.training.descent import Descending, Moment
from worker.engines.training.loop import train
from worker.engines.training.noising import Noising
from worker.engines.training.plan import Plan

SMALL = Diffusing(width=8)
STOCK = """
import sys, torch, numpy
from diffusers import DDIMPipeline, DDPMPipeline, UNet2DModel
UNet2DModel.from_pretrained(sys.argv[1], subfolder="unet")
DDPMPipeline.from_pretrained(sys.argv[1])
pipe = DDIMPipeline.from_pretrained(sys.argv[1])
made = pipe(generator=[torch.Generator().manual_seed(3)], num_inference_steps=4, output_type="np").images
numpy.save(sys.argv[2], made)
"""


def learner(what: Diffusing = SMALL, *, classes: bool = True, seed: int = 1) -> DiffusionLearner:
    """A small one."""
    pictures, held = drawn(40), drawn(12, seed=5)
    if not classes:
        pictures, held = pictures.unclassed(), held.unclassed()
    return DiffusionLearner(pictures, held, what, Descending(2e-3), device="cpu", seed=seed)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_noise_is_what_diffusers_makes_of_it(prediction: str):
    torch.manual_seed(0)
    scheduler = DDPMScheduler(prediction_type=prediction)
    noising = Noising.of(scheduler, "cpu")
    clean, noise, times = torch.randn(6, 1, 8, 8), torch.randn(6, 1, 8, 8), noising.times(6)
    noisy = noising.hide(clean, noise, times)
    target = noise if prediction == "epsilon" else scheduler.get_velocity(clean, noise, times)

    assert torch.allclose(noisy, scheduler.add_noise(clean, noise, times), atol=1e-6)
    assert torch.allclose(noising.errors(target, clean, noise, times), torch.zeros(6), atol=1e-9)


def test_noisy_pictures_have_the_moments_of_the_closed_form():
    # q(x_t | x_0) is normal with mean √ᾱ x_0 and variance 1 - ᾱ
    torch.manual_seed(0)
    noising = Noising.of(DDIMScheduler(), "cpu")
    clean, time = torch.full((100_000, 1), 0.7), 300
    noisy = noising.hide(clean, torch.randn_like(clean), torch.full((100_000,), time))
    signal = noising.signal[time].item()

    assert noisy.mean().item() == pytest.approx(0.7 * signal**0.5, abs=0.01)
    assert noisy.var().item() == pytest.approx(1 - signal, rel=0.02)


def test_min_snr_weighs_by_its_table():
    # signal-to-noise ratios 0.25, 1, 4, 99
    signal = torch.tensor([0.2, 0.5, 0.8, 0.99])
    times = torch.arange(4)

    noise = Noising(signal, "epsilon", gamma=2.0).weights(times)
    velocity = Noising(signal, "v_prediction", gamma=2.0).weights(times)
    assert noise.tolist() == pytest.approx([1, 1, 0.5, 2 / 99], rel=1e-4)
    assert velocity.tolist() == pytest.approx([0.2, 0.5, 0.4, 0.02], rel=1e-4)
    assert Noising(signal, "epsilon").weights(times).tolist() == [1] * 4


def test_a_batch_has_early_and_late_times():
    noising = Noising.of(DDIMScheduler(), "cpu")

    assert [time // 250 for time in noising.times(4).tolist()] == [0, 1, 2, 3]


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_a_unet_fits_every_size(size: int):
    unet = build_unet(size, 3, 8, 0)

    assert unet(torch.zeros(1, 3, size, size), 5).sample.shape == (1, 3, size, size)


@pytest.mark.parametrize(
    ("what", "classes"), [(SMALL, True), (Diffusing(width=8, prediction="epsilon", gamma=5.0, mirror=True), False)]
)
def test_it_goes_on_where_it_was_bit_for_bit(tmp_path: Path, what: Diffusing, classes: bool):
    plan = Plan(batch=8, steps=7, seed=3, at_once=8, evaluate_every=4, checkpoint_steps=3)
    check_resume(lambda: learner(what, classes=classes), plan, tmp_path, (2, 5))


def test_a_batch_in_pieces_is_the_same_step():
    def stepped(at_once: int) -> tuple[dict[str, float], DiffusionLearner]:
        torch.manual_seed(0)
        one = learner()
        one.descent.forget = lambda: None  # so that the gradients can be looked at
        return dict(one.learn(range(10), Moment(0, 0.5, at_once))), one

    (whole, first), (pieces, second) = stepped(10), stepped(3)

    assert pieces == pytest.approx(whole, rel=1e-4)
    for one, other in zip(first.unet.parameters(), second.unet.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-6)


def test_it_learns(tmp_path: Path):
    one = learner()
    outcome = train(one, Plan(batch=16, steps=60, seed=1, at_once=16, show_every=50), Place(tmp_path))

    assert outcome.after["validation_loss"] < outcome.before["validation_loss"] / 2
    assert (tmp_path / "0" / "samples.png").exists()


def test_stock_diffusers_makes_the_same_picture_in_a_process_of_its_own(tmp_path: Path):
    one = learner(classes=False)
    folder = one.save(tmp_path / "model")
    command = [sys.executable, "-c", STOCK, str(folder), str(tmp_path / "made.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one.scheduler.set_timesteps(4)
    picture = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        for time in one.scheduler.timesteps:
            picture = one.scheduler.step(one.average.network(picture, time).sample, time, picture).prev_sample

    made = (picture / 2 + 0.5).clamp(0, 1)[0, 0].numpy()
    assert np.allclose(np.load(tmp_path / "made.npy")[0, ..., 0], made, atol=1e-5)
