"""A variational autoencoder of convolutions: an encoder to a cloud of latents, and a decoder to pictures.

After Kingma & Welling, arXiv:1312.6114; with classes, both halves are told them (Sohn et al., 2015).
"""

from itertools import pairwise

from torch import Tensor, nn

from worker.engines.networks.shapes import CORE, ClassCode, PictureConfig


class Encoder(nn.Module):
    """Pictures [N, channels, size, size] in -1 to 1 and classes [N] to means and log variances, [N, latent] each."""

    def __init__(self, config: PictureConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise([config.channels, *config.widths]):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.GroupNorm(1, after), nn.SiLU()]
        self.shrink = nn.Sequential(*layers)
        self.code = ClassCode(config)
        self.project = nn.Linear(config.widths[-1] * CORE**2 + len(config.classes), 2 * config.latent)

    def forward(self, pictures: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log variance; the latter bounded, so that its exponent is."""
        mean, spread = self.project(self.code(self.shrink(pictures).flatten(1), labels)).chunk(2, 1)
        return mean, spread.clamp(-20, 10)


class Decoder(nn.Module):
    """Latents [N, latent] and classes [N] to pictures [N, channels, size, size] in -1 to 1."""

    def __init__(self, config: PictureConfig) -> None:
        super().__init__()
        widths = config.widths[::-1]
        self.first = widths[0]
        self.code = ClassCode(config)
        self.project = nn.Linear(config.latent + len(config.classes), self.first * CORE**2)
        steps = [_grow(before, after) for before, after in pairwise([*widths, widths[-1]])]
        self.grow = nn.Sequential(*steps)
        self.paint = nn.Conv2d(widths[-1], config.channels, 3, padding=1)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """The pictures."""
        return self.unbounded(latents, labels).tanh()

    def unbounded(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """The pictures before they are bounded by tanh: half the log odds of white against black."""
        core = self.project(self.code(latents, labels)).view(-1, self.first, CORE, CORE)
        values: Tensor = self.paint(self.grow(core))
        return values


class ConvVae(nn.Module):
    """Encoder and decoder together, as they are trained and saved."""

    def __init__(self, config: PictureConfig) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(config), Decoder(config)

    def forward(self, pictures: Tensor, noise: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The pictures again, and how far each cloud [N] is from the standard one (KL, in nats).

        `noise` [N, latent] is standard normal; it is given, so that a step can be repeated.
        """
        values, kl = self.unbounded(pictures, noise, labels)
        return values.tanh(), kl

    def unbounded(self, pictures: Tensor, noise: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As `forward`, the pictures before they are bounded by tanh."""
        mean, spread = self.encoder(pictures, labels)
        latents = mean + (spread / 2).exp() * noise
        return self.decoder.unbounded(latents, labels), divergence(mean, spread)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """How far each normal cloud [N, latent] is from the standard one, in nats [N] (KL, in closed form)."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)


def _grow(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(1, after), nn.SiLU()
    )
