"""Learning a GAN: a generator and a discriminator against each other, by one of three losses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from worker.engines.networks.dcgan import Discriminator, Generator
from worker.engines.networks.shapes import PictureConfig
from worker.engines.training.descent import Descending, Descent, Moment
from worker.engines.training.ema import Average
from worker.engines.training.picture_scores import Scores
from worker.engines.training.pictures import COLUMNS, Pictures, sheet, to_bytes, to_image
from worker.engines.training.plan import Heed
from worker.engines.training.state import State

Objective = Literal["hinge", "bce", "wgan_gp"]

_TOGETHER, _SHOWN_SEED = 256, 1
#: Batches of 64 from which batch norm takes its averages.
_SETTLING = 16
#: What is left of the learning rate at the end.
_FLOOR = 0.1


@dataclass(frozen=True)
class Recipe:
    """What goes with a loss: the rate and betas of both optimisers, and steps of the critic for one of the generator.

    `bce` is Radford et al.'s (arXiv:1511.06434), with spectral norm in place of the discriminator's batch norm;
    `wgan_gp` Gulrajani et al.'s (arXiv:1704.00028); `hinge` Miyato et al.'s (arXiv:1802.05957). The papers' rates, of
    1e-4 and 2e-4, are for hundreds of thousands of steps on large pictures; these are for thousands on small ones.
    """

    learning_rate: float
    betas: tuple[float, float]
    critic_steps: int = 1
    penalty: float = 0.0


RECIPES: Mapping[Objective, Recipe] = {
    "hinge": Recipe(1e-3, (0.0, 0.99)),
    "bce": Recipe(5e-4, (0.5, 0.999)),
    "wgan_gp": Recipe(5e-4, (0.0, 0.9), critic_steps=5, penalty=10.0),
}


class GanLearner:
    """Generator, discriminator, their optimisers, and the generator's average, which is the result.

    A batch is never cut: the generator's batch norms look at all of it, and on a device group each at its device's
    share. With `wgan_gp` a batch has the pictures of all steps of the critic.
    """

    def __init__(
        self,
        pictures: Pictures,
        config: PictureConfig,
        descending: Descending,
        objective: Objective,
        scores: Scores,
        *,
        device: str,
        seed: int,
        average: float = 0.995,
        mirror: bool = False,
    ) -> None:
        self.pictures, self.config, self.device = pictures.near(device), config, device
        self.objective, self.recipe, self.scores, self.mirror = objective, RECIPES[objective], scores, mirror
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.generator = Generator(config).to(device)
            self.critic = Discriminator(config, normed=objective != "wgan_gp").to(device)
        how = replace(descending, betas=self.recipe.betas, floor=_FLOOR)
        self._paints = Descent(self.generator.parameters(), how)
        self._judges = Descent(self.critic.parameters(), how)
        self.average = Average(self.generator, average)
        self.count = len(pictures)

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """Steps of the critic, one of the generator."""
        self.generator.train()
        whole = replace(moment, at_once=len(rows))
        apart = -(-len(rows) // self.recipe.critic_steps)
        figures: dict[str, float] = {}
        for at in range(0, len(rows), apart):
            figures |= self._judge(rows[at : at + apart], whole)
        labels = self.pictures.labels_of(rows[:apart], self.device)
        noise = torch.randn(len(rows[:apart]), self.config.latent).to(self.device)

        def loss(some: Sequence[int]) -> Tensor:
            told = _some(labels, some)
            return self._fooled(self.critic(self.generator(noise[list(some)], told), told)).sum()

        self.critic.requires_grad_(False)
        painted = self._paints.step(range(len(noise)), whole, loss)
        self.critic.requires_grad_(True)
        # Running means and spectral norms: each process of a group has seen its own share.
        moment.company.align([*self.generator.buffers(), *self.critic.buffers()])
        self.average.follow(self.generator)
        return figures | painted

    def _judge(self, rows: Sequence[int], moment: Moment) -> dict[str, float]:
        mirrored = torch.rand(len(rows)) < 0.5 if self.mirror else None
        real, labels = self.pictures.take(rows, self.device, mirrored), self.pictures.labels_of(rows, self.device)
        with torch.no_grad():
            made = self.generator(torch.randn(len(rows), self.config.latent).to(self.device), labels)
        shares = torch.rand(len(rows), 1, 1, 1).to(self.device)
        penalties = 0.0

        def loss(some: Sequence[int]) -> Tensor:
            nonlocal penalties
            at, classes = list(some), _some(labels, some)
            told = self._told(self.critic(real[at], classes), self.critic(made[at], classes))
            if not self.recipe.penalty:
                return told.sum()
            penalty = gradient_penalty(self.critic, real[at] + shares[at] * (made[at] - real[at]), classes)
            penalties += penalty.detach().sum().item() / len(rows)
            return (told + self.recipe.penalty * penalty).sum()

        judged = self._judges.step(range(len(rows)), moment, loss)
        (penalties,) = moment.company.meet(penalties)
        figures = {"gradient_penalty": penalties} if self.recipe.penalty else {}
        return figures | {"critic_loss": judged["loss"], "critic_gradient_norm": judged["gradient_norm"]}

    def _told(self, real: Tensor, made: Tensor) -> Tensor:
        """What it costs not to tell made pictures from real ones, by their scores [N] each."""
        if self.objective == "hinge":
            return (1 - real).relu() + (1 + made).relu()
        return softplus(-real) + softplus(made) if self.objective == "bce" else made - real

    def _fooled(self, made: Tensor) -> Tensor:
        """What it costs the generator that its pictures were told."""
        return softplus(-made) if self.objective == "bce" else -made

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """The scores of samples that are always of the same noise."""
        heed()
        return self.scores.of(*self.paint(self.scores.count, _SHOWN_SEED))

    def show(self, folder: Path, heed: Heed) -> Path:
        """A sheet of samples, always of the same noise; where there are classes, a column for each."""
        heed()
        columns = min(len(self.config.classes), 2 * COLUMNS) or COLUMNS
        made = self.paint(columns * COLUMNS, _SHOWN_SEED, classes=columns)[0].float() / 127.5 - 1
        return sheet([to_image(each) for each in made], folder / "samples.png", columns)

    def paint(self, count: int, seed: int, classes: int | None = None) -> tuple[Tensor, Tensor | None]:
        """Pictures as bytes by the generator's average, and their classes: one of each in turn."""
        self._settle()
        network = self.average.network
        noise = torch.randn(count, self.config.latent, generator=torch.Generator().manual_seed(seed))
        labels = torch.arange(count) % (classes or len(self.config.classes)) if self.config.classes else None
        made = []
        with torch.inference_mode():
            for at in range(0, count, _TOGETHER):
                some = None if labels is None else labels[at : at + _TOGETHER].to(self.device)
                made.append(to_bytes(network(noise[at : at + _TOGETHER].to(self.device), some)).cpu())
        return torch.cat(made), labels

    def name(self, row: int) -> str:
        """The picture's file."""
        return self.pictures.names[row]

    def state(self) -> State:
        """Networks, optimisers and average."""
        return {
            "generator": self.generator.state_dict(), "critic": self.critic.state_dict(),
            "paints": self._paints.state(), "judges": self._judges.state(), "average": self.average.state(),
        }  # fmt: skip

    def restore(self, state: State) -> None:
        """All again."""
        self.generator.load_state_dict(state["generator"])
        self.critic.load_state_dict(state["critic"])
        self._paints.restore(state["paints"])
        self._judges.restore(state["judges"])
        self.average.restore(state["average"])

    def weights(self) -> State:
        """The average."""
        self._settle()
        return dict(self.average.network.state_dict())

    def take(self, weights: State) -> None:
        """Be that average."""
        self.average.network.load_state_dict(weights)

    @torch.no_grad()
    def _settle(self) -> None:
        """Measure the averages that batch norm uses afresh: those of training belong to other weights."""
        network = self.average.network
        norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # all batches alike
        dice = torch.Generator().manual_seed(_SHOWN_SEED)
        network.train()
        for _ in range(_SETTLING):
            noise = torch.randn(64, self.config.latent, generator=dice).to(self.device)
            labels = torch.arange(64) % len(self.config.classes) if self.config.classes else None
            network(noise, None if labels is None else labels.to(self.device))
        network.eval()


def _some(labels: Tensor | None, at: Sequence[int]) -> Tensor | None:
    return None if labels is None else labels[list(at)]


def gradient_penalty(critic: Callable[..., Tensor], between: Tensor, labels: Tensor | None = None) -> Tensor:
    """How far the critic's gradient at each picture [N, ...] is from the length 1: (|g| - 1)², [N]."""
    between = between.detach().requires_grad_(True)
    (slopes,) = torch.autograd.grad(critic(between, labels).sum(), between, create_graph=True)
    lengths: Tensor = slopes.flatten(1).norm(dim=1)
    return (lengths - 1).square()
