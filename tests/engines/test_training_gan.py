"""A GAN learns by each of its losses, goes on where it was, and its measures see a collapse."""

from functools import cache
from pathlib import Path

import pytest
import torch

from tests.engines.picture_sets import drawn
from tests.engines.resuming import check_resume
from tests.engines.trainees import Place
from worker.engines.networks.shapes import PictureConfig
from worker.engines.training.descent import Descending
from worker.engines.training.ema import Average
from worker.engines.training.gan import GanLearner, gradient_penalty
from worker.engines.training.loop import train
from worker.engines.training.picture_scores import Scores
from worker.engines.training.plan import Plan

CONFIG = PictureConfig(size=8, channels=1, latent=4, width=8, classes=("bar", "square"))
LOSSES = ["hinge", "bce", "wgan_gp"]


@cache
def scores(count: int) -> Scores:
    """What made pictures are scored by."""
    return Scores(drawn(100), drawn(100, seed=5), count)


def learner(objective: str, *, rate: float = 1e-3, count: int = 16) -> GanLearner:
    """A small one."""
    pictures = drawn(100)
    how = Descending(rate, schedule="linear", warm_up=0.0, clip=None)
    return GanLearner(pictures, CONFIG, how, objective, scores(count), device="cpu", seed=1)


def test_the_penalty_of_a_linear_critic_is_the_closed_form():
    torch.manual_seed(0)
    slope = torch.randn(64)
    pictures = torch.randn(5, 1, 8, 8)

    def penalty(length: float) -> torch.Tensor:
        weights = slope / slope.norm() * length
        return gradient_penalty(lambda seen, _: seen.flatten(1) @ weights, pictures)

    assert torch.allclose(penalty(1.0), torch.zeros(5), atol=1e-10)
    assert torch.allclose(penalty(3.0), torch.full((5,), 4.0), rtol=1e-5)


def test_the_penalty_pulls_the_slope_to_one():
    critic = torch.nn.Linear(64, 1)
    with torch.no_grad():
        critic.weight.mul_(10)
    descent = torch.optim.Adam(critic.parameters(), lr=0.02)
    for _ in range(300):
        descent.zero_grad()
        gradient_penalty(lambda seen, _: critic(seen.flatten(1))[:, 0], torch.randn(4, 1, 8, 8)).mean().backward()
        descent.step()

    assert critic.weight.norm().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("objective", LOSSES)
def test_it_goes_on_where_it_was_bit_for_bit(tmp_path: Path, objective: str):
    plan = Plan(
        batch=20, steps=7, seed=3, at_once=1, evaluate_every=4, checkpoint_steps=3, judged_by="picture_distance"
    )
    check_resume(lambda: learner(objective), plan, tmp_path, (2, 5))


@pytest.mark.parametrize(("objective", "rate"), [("hinge", 2e-3), ("wgan_gp", 2e-3)])
def test_it_learns_to_make_pictures_like_those_it_sees(tmp_path: Path, objective: str, rate: float):
    one = learner(objective, rate=rate, count=128)
    batch = 20 * one.recipe.critic_steps
    plan = Plan(batch=batch, steps=120, seed=1, at_once=1, evaluate_every=60, judged_by="picture_distance")
    place = Place(tmp_path)
    outcome = train(one, plan, place)

    assert outcome.after["picture_distance"] < outcome.before["picture_distance"] / 3
    assert 0.2 < outcome.after["diversity"] < 2
    assert {"loss", "critic_loss", "learning_rate"} <= place.points.keys()
    assert ("gradient_penalty" in place.points) == (objective == "wgan_gp")


def test_an_average_is_the_mean_of_what_it_followed():
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, 0.0)
    average = Average(layer, 0.9)
    torch.nn.init.constant_(layer.weight, 1.0)
    average.follow(layer)
    assert average.network.weight.item() == pytest.approx(1 - 2 / 11)
    for _ in range(200):
        average.follow(layer)
    assert average.network.weight.item() == pytest.approx(1, abs=1e-6)
    # Later it is slow.
    torch.nn.init.constant_(layer.weight, 0.0)
    average.follow(layer)
    assert average.network.weight.item() == pytest.approx(0.9)
