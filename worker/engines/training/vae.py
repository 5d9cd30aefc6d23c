"""Learning a variational autoencoder: the evidence lower bound, its two parts apart."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from worker.engines.networks.conv_vae import ConvVae
from worker.engines.networks.shapes import PictureConfig
from worker.engines.training.descent import Descending, Descent, Moment
from worker.engines.training.picture_scores import Scores
from worker.engines.training.pictures import COLUMNS, Pictures, sheet, to_bytes, to_image
from worker.engines.training.plan import Heed
from worker.engines.training.state import State

Likelihood = Literal["bernoulli", "gaussian"]

#: Held-out pictures that an evaluation looks at, and how many go through together.
_JUDGED, _TOGETHER = 2048, 256
_SHOWN_SEED = 1


class VaeLearner:
    """A VAE, its optimiser, and the pictures that it learns from.

    With `bernoulli` a pixel is the chance of white; with `gaussian` it is a shade, with a deviation that all pixels
    share and that is learned (Rybkin et al., arXiv:2006.13202). `beta` weighs the KL (Higgins et al., 2017).
    """

    def __init__(
        self,
        pictures: Pictures,
        held: Pictures,
        config: PictureConfig,
        descending: Descending,
        *,
        device: str,
        seed: int,
        scores: Scores | None = None,
        beta: float = 1.0,
        likelihood: Likelihood = "bernoulli",
        mirror: bool = False,
    ) -> None:
        self.pictures, self.held, self.config, self.device = pictures.near(device), held, config, device
        self.beta, self.likelihood, self.mirror, self.scores = beta, likelihood, mirror, scores
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.vae = ConvVae(config).to(device)
        with torch.no_grad():
            # As loud as all latents together: else it takes thousands of steps until a class is heard.
            self.vae.decoder.project.weight[:, config.latent :] *= config.latent**0.5
        self._deviation = torch.nn.Parameter(torch.tensor(-1.0, device=device))
        learned = [self._deviation] if likelihood == "gaussian" else []
        self.descent = Descent([*self.vae.parameters(), *learned], descending)
        self.count = len(pictures)

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """One step."""
        self.vae.train()
        # All that is drawn is drawn for the whole batch: it is the same however the batch is cut.
        noise = torch.randn(len(rows), self.config.latent)
        mirrored = torch.rand(len(rows)) < 0.5 if self.mirror else None
        parts = [0.0, 0.0]

        def loss(piece: Sequence[int]) -> Tensor:
            taken = [rows[at] for at in piece]
            flips = None if mirrored is None else mirrored[list(piece)]
            pictures = self.pictures.take(taken, self.device, flips)
            labels = self.pictures.labels_of(taken, self.device)
            error, kl = self._parts(pictures, noise[list(piece)].to(self.device), labels)
            parts[0] += error.detach().sum().item() / len(rows)
            parts[1] += kl.detach().sum().item() / len(rows)
            return (error + self.beta * kl).sum()

        figures = self.descent.step(range(len(rows)), moment, loss)
        error, kl = moment.company.meet(*parts)
        return figures | {"reconstruction": error, "kl": kl}

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """The bound on held-out pictures, in nats a picture, with noise that is always the same; scores of samples."""
        heed()
        scored = {} if self.scores is None else self.scores.of(*self.paint(self.scores.count, _SHOWN_SEED))
        return {**self._bound(heed), **scored}

    def _bound(self, heed: Heed) -> Mapping[str, float]:
        count = min(len(self.held), _JUDGED)
        if not count:
            return {}
        self.vae.eval()
        noise = torch.randn(count, self.config.latent, generator=torch.Generator().manual_seed(_SHOWN_SEED))
        error = kl = 0.0
        with torch.inference_mode():
            for at in range(0, count, _TOGETHER):
                heed()
                rows = range(at, min(at + _TOGETHER, count))
                pictures, labels = self.held.take(rows, self.device), self.held.labels_of(rows, self.device)
                errors, kls = self._parts(pictures, noise[list(rows)].to(self.device), labels)
                error, kl = error + errors.sum().item() / count, kl + kls.sum().item() / count
        return {
            "validation_loss": error + self.beta * kl,
            "validation_elbo": -(error + kl),
            "validation_reconstruction": error,
            "validation_kl": kl,
        }

    def show(self, folder: Path, heed: Heed) -> Path:
        """Pictures, under each its reconstruction, and then samples of the prior."""
        heed()
        shown = self.held if len(self.held) else self.pictures
        rows = range(min(COLUMNS, len(shown)))
        real, labels = shown.take(rows, self.device), shown.labels_of(rows, self.device)
        self.vae.eval()
        with torch.inference_mode():
            again, _ = self.vae(real, torch.zeros(len(real), self.config.latent, device=self.device), labels)
        drawn = self.paint(2 * COLUMNS, _SHOWN_SEED)[0].float() / 127.5 - 1
        return sheet([to_image(each) for each in [*real, *again, *drawn]], folder / "samples.png", len(real))

    def paint(self, count: int, seed: int) -> tuple[Tensor, Tensor | None]:
        """Pictures as bytes of the prior, and their classes: one of each in turn."""
        self.vae.eval()
        noise = torch.randn(count, self.config.latent, generator=torch.Generator().manual_seed(seed))
        labels = torch.arange(count) % len(self.config.classes) if self.config.classes else None
        made = []
        with torch.inference_mode():
            for at in range(0, count, _TOGETHER):
                some = None if labels is None else labels[at : at + _TOGETHER].to(self.device)
                made.append(to_bytes(self.vae.decoder(noise[at : at + _TOGETHER].to(self.device), some)).cpu())
        return torch.cat(made), labels

    def name(self, row: int) -> str:
        """The picture's file."""
        return self.pictures.names[row]

    def state(self) -> State:
        """Network and optimiser."""
        return self.weights() | {"descent": self.descent.state()}

    def restore(self, state: State) -> None:
        """Both again."""
        self.take(state)
        self.descent.restore(state["descent"])

    def weights(self) -> State:
        """The network, and the deviation of a pixel."""
        return {"vae": self.vae.state_dict(), "deviation": self._deviation.detach()}

    def take(self, weights: State) -> None:
        """Be that network."""
        self.vae.load_state_dict(weights["vae"])
        with torch.no_grad():
            self._deviation.copy_(weights["deviation"])

    def _parts(self, pictures: Tensor, noise: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """What the reconstruction costs, and the KL, in nats [N] each."""
        values, kl = self.vae.unbounded(pictures, noise, labels)
        if self.likelihood == "bernoulli":
            odds = binary_cross_entropy_with_logits(2 * values, (pictures + 1) / 2, reduction="none")
            return odds.flatten(1).sum(1), kl
        errors = ((pictures - values.tanh()) / self._deviation.exp()).square().flatten(1)
        each = self._deviation + 0.5 * math.log(2 * math.pi)
        return 0.5 * errors.sum(1) + errors.shape[1] * each, kl
