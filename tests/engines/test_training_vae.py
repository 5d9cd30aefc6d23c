"""A VAE learns: its bound has two parts, each of which can be checked by hand."""

import math
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from tests.engines.picture_sets import drawn
from tests.engines.resuming import check_resume
from tests.engines.trainees import Place
from worker.engines.networks.conv_vae import divergence
from worker.engines.networks.shapes import PictureConfig
from worker.engines.training.descent import Descending, Moment
from worker.engines.training.loop import train
from worker.engines.training.picture_scores import Scores
from worker.engines.training.plan import Plan
from worker.engines.training.vae import VaeLearner

CONFIG = PictureConfig(size=8, channels=1, latent=4, width=8, classes=("bar", "square"))
PLAN = Plan(batch=16, steps=12, seed=3, at_once=16, evaluate_every=5, checkpoint_steps=4)


def learner(seed: int = 1, **settings: object) -> VaeLearner:
    """A small one."""
    how = Descending(3e-3, clip=100)
    return VaeLearner(drawn(64), drawn(20, seed=5), CONFIG, how, device="cpu", seed=seed, **settings)


def test_the_kl_is_the_closed_form():
    torch.manual_seed(0)
    mean, spread = torch.randn(6, 5), torch.randn(6, 5)
    clouds = Normal(mean, (spread / 2).exp())

    assert torch.allclose(divergence(mean, spread), kl_divergence(clouds, Normal(0.0, 1.0)).sum(1), atol=1e-5)
    assert divergence(torch.zeros(1, 5), torch.zeros(1, 5)).item() == 0


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_reconstruction_is_what_the_distributions_say(likelihood: str):
    one = learner(likelihood=likelihood)
    pictures, labels = one.pictures.take(range(4), "cpu"), one.pictures.labels_of(range(4), "cpu")
    noise = torch.zeros(4, 4)
    with torch.no_grad():
        error, _ = one._parts(pictures, noise, labels)
        values, _ = one.vae.unbounded(pictures, noise, labels)
    if likelihood == "gaussian":
        said = Normal(values.tanh(), math.exp(-1)).log_prob(pictures)
    else:
        white = (values.tanh() + 1) / 2
        shade = (pictures + 1) / 2
        said = shade * white.log() + (1 - shade) * (1 - white).log()

    assert torch.allclose(-said.flatten(1).sum(1), error, rtol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"likelihood": "gaussian", "mirror": True, "beta": 0.5}])
def test_it_goes_on_where_it_was_bit_for_bit(tmp_path: Path, settings: dict):
    check_resume(lambda: learner(**settings), PLAN, tmp_path, (3, 7))


@pytest.mark.parametrize("at_once", [1, 3, 5])
def test_a_batch_in_pieces_is_the_same_step(at_once: int):
    def stepped(at_once: int) -> tuple[dict[str, float], VaeLearner]:
        torch.manual_seed(0)
        one = learner(mirror=True)
        one.descent.forget = lambda: None  # so that the gradients can be looked at
        return dict(one.learn(range(10), Moment(0, 0.5, at_once))), one

    (whole, first), (pieces, second) = stepped(10), stepped(at_once)

    assert pieces == pytest.approx(whole, rel=1e-4)
    for one, other in zip(first.vae.parameters(), second.vae.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-6)


def test_it_learns_and_shows_what_it_makes(tmp_path: Path):
    pictures, held = drawn(200), drawn(120, seed=5)
    one = VaeLearner(
        pictures, held, CONFIG, Descending(5e-3, clip=100), device="cpu", seed=1, scores=Scores(pictures, held)
    )
    place = Place(tmp_path)
    outcome = train(one, Plan(batch=32, steps=150, seed=1, at_once=32, evaluate_every=50, show_every=50), place)

    before, after = outcome.before, outcome.after
    assert after["validation_elbo"] > before["validation_elbo"] + 10
    assert after["validation_elbo"] == -after["validation_reconstruction"] - after["validation_kl"]
    assert after["picture_distance"] < before["picture_distance"] / 3
    assert after["class_accuracy"] > 0.8
    assert {"reconstruction", "kl", "loss"} <= place.points.keys()
    assert (place.workdir / "samples.png").exists()
