"""A DCGAN: a generator that makes pictures of noise, and a discriminator (or critic) that tells them from real ones.

After Radford et al., arXiv:1511.06434, with nearest-neighbour upsampling against checkerboards; classes are told to the
discriminator by projection (Miyato & Koyama, arXiv:1802.05637).
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from worker.engines.networks.shapes import CORE, ClassCode, PictureConfig


class Generator(nn.Module):
    """Noise [N, latent] and classes [N] to pictures [N, channels, size, size] in -1 to 1."""

    def __init__(self, config: PictureConfig) -> None:
        super().__init__()
        widths = config.widths[::-1]
        self.first = widths[0]
        self.code = ClassCode(config)
        self.project = nn.Linear(config.latent + len(config.classes), self.first * CORE**2)
        self.begin = nn.Sequential(nn.BatchNorm2d(self.first), nn.ReLU())
        steps = [_grow(before, after) for before, after in pairwise([*widths, widths[-1]])]
        self.grow = nn.Sequential(*steps)
        self.paint = nn.Conv2d(widths[-1], config.channels, 3, padding=1)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """The pictures."""
        core = self.project(self.code(noise, labels)).view(-1, self.first, CORE, CORE)
        pictures: Tensor = self.paint(self.grow(self.begin(core))).tanh()
        return pictures


class Discriminator(nn.Module):
    """Pictures [N, channels, size, size] and classes [N] to a score [N]: high is real.

    With `normed` its layers are bounded (spectral norm), as a hinge loss wants; a WGAN-GP critic is not.
    """

    def __init__(self, config: PictureConfig, *, normed: bool = True) -> None:
        super().__init__()

        def bounded(module: nn.Module) -> nn.Module:
            return spectral_norm(module) if normed else module

        layers: list[nn.Module] = []
        for before, after in pairwise([config.channels, *config.widths]):
            layers += [bounded(nn.Conv2d(before, after, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        self.shrink = nn.Sequential(*layers)
        features = config.widths[-1] * CORE**2
        self.score = bounded(nn.Linear(features, 1))
        self.classes = bounded(nn.Embedding(len(config.classes), features)) if config.classes else None

    def forward(self, pictures: Tensor, labels: Tensor | None = None) -> Tensor:
        """The scores."""
        features = self.shrink(pictures).flatten(1)
        score: Tensor = self.score(features)[:, 0]
        if self.classes is not None and labels is not None:
            score = score + (self.classes(labels) * features).sum(1)
        return score


def _grow(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
