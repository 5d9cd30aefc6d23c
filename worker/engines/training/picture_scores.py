"""How near made pictures come to real ones: by the features of a fixed random network, without anybody's weights.

The network is the same everywhere: convolutions drawn from one seed, after Ulyanov et al. (arXiv:1711.10925) and Naeem
et al. (arXiv:2002.09797), who show that random features tell distributions of pictures apart, where trained ones are
not at hand. Distances by it compare models of one dataset with each other; they are no published FID.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.engines.training.pictures import Pictures

_SEED, _SIDE = 20_130_610, 32
_WIDTHS = (32, 64, 96)
#: The numbers of a picture that its distance is measured by, and what a class is read from.
_PROJECTED, _POOLED = 64, 4
_BATCH = 256
#: Pictures that a set is known by.
ENOUGH = 1024
#: How strongly the reader of classes is kept from trusting single features.
_RIDGE = 1e-2


class Features:
    """Features of pictures: 3 random layers on pictures of 32 × 32, pooled 4 × 4."""

    def __init__(self) -> None:
        dice = torch.Generator().manual_seed(_SEED)
        self._layers, before = [], 3
        for width in _WIDTHS:
            weights = torch.randn(width, before * 9, generator=dice)
            # Orthogonal rows: random, but none like another.
            rows = torch.linalg.qr(weights.T if width <= before * 9 else weights).Q
            self._layers.append((rows.T if width <= before * 9 else rows).reshape(width, before, 3, 3) * 2**0.5)
            before = width
        self._project: Tensor = torch.linalg.qr(torch.randn(self.width, _PROJECTED, generator=dice)).Q

    @property
    def width(self) -> int:
        """How many features a picture has."""
        return _WIDTHS[-1] * _POOLED**2

    @torch.no_grad()
    def of(self, pixels: Tensor) -> Tensor:
        """Features [N, width] on the CPU of pictures as bytes [N, 1 or 3, height, width]."""
        return torch.cat([self._some(part) for part in pixels.split(_BATCH)])

    def few(self, features: Tensor) -> Tensor:
        """The 64 numbers [N, 64] of each picture that distances are measured by."""
        return features @ self._project

    def _some(self, pixels: Tensor) -> Tensor:
        maps = pixels.to("cpu").float().expand(-1, 3, -1, -1) / 127.5 - 1
        if maps.shape[-1] != _SIDE:
            maps = torch.nn.functional.interpolate(maps, size=_SIDE, mode="bilinear", antialias=True)
        for number, weights in enumerate(self._layers):
            maps = torch.nn.functional.conv2d(maps, weights, padding=1, stride=2 if number else 1).abs()
        pooled: Tensor = torch.nn.functional.adaptive_avg_pool2d(maps, _POOLED)
        return pooled.flatten(1)


def frechet(first: Tensor, second: Tensor) -> float:
    """The Fréchet distance of two sets of features [N, D], each taken for a normal cloud (Heusel et al., 2017).

    |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½), of double precision.
    """
    first, second = first.double(), second.double()
    apart = (first.mean(0) - second.mean(0)).square().sum()
    one, two = torch.cov(first.T), torch.cov(second.T)
    values, vectors = torch.linalg.eigh(one)
    root = vectors @ (values.clamp(min=0).sqrt()[:, None] * vectors.T)
    # (C1 C2)^½ and (C1^½ C2 C1^½)^½ have one trace, and the latter is symmetric.
    shared = torch.linalg.eigvalsh(root @ two @ root).clamp(min=0).sqrt().sum()
    return max(0.0, float(apart + one.trace() + two.trace() - 2 * shared))


def spread(features: Tensor) -> float:
    """How far two pictures of a set are from each other on average."""
    return float(torch.pdist(features[:512].float()).mean()) if len(features) > 1 else 0.0


@dataclass(frozen=True)
class Reader:
    """Reads the class of a picture from its features: ridge regression, solved at once."""

    weights: Tensor
    mean: Tensor
    scale: Tensor

    @classmethod
    def learn(cls, features: Tensor, labels: Tensor, classes: int) -> "Reader":
        """From the data itself."""
        mean, scale = features.mean(0), features.std(0).clamp(min=1e-6)
        inputs = torch.cat([(features - mean) / scale, torch.ones(len(features), 1)], 1).double()
        targets = torch.nn.functional.one_hot(labels.cpu(), classes).double()
        product = inputs.T @ inputs + _RIDGE * len(inputs) * torch.eye(inputs.shape[1], dtype=torch.float64)
        return cls(torch.linalg.solve(product, inputs.T @ targets).float(), mean, scale)

    def read(self, features: Tensor) -> Tensor:
        """The class of each picture."""
        inputs = torch.cat([(features - self.mean) / self.scale, torch.ones(len(features), 1)], 1)
        return (inputs @ self.weights).argmax(1)


class Scores:
    """What made pictures are measured against: held-out pictures where there are enough, or those learned from."""

    def __init__(self, pictures: Pictures, held: Pictures, count: int = 500) -> None:
        #: Made pictures that are enough to be scored.
        self.count = count
        self._features = Features()
        against = held if len(held) >= 100 else pictures
        # Far ones, not the first: a dataset may lie in order.
        self._real = self._features.of(against.pixels[:: max(1, len(against) // ENOUGH)][:ENOUGH])
        self._spread = max(spread(self._features.few(self._real)), 1e-9)
        self._reader: Reader | None = None
        self.reads: float | None = None
        if pictures.labels is not None:
            apart = max(1, len(pictures) // (4 * ENOUGH))
            seen = self._features.of(pictures.pixels[::apart])
            self._reader = Reader.learn(seen, pictures.labels[::apart], len(pictures.classes))
            if held.labels is not None and len(held):
                read = self._reader.read(self._features.of(held.pixels))
                self.reads = (read == held.labels).float().mean().item()
        self._classes = len(pictures.classes)

    @property
    def about(self) -> dict[str, object]:
        """What a report says of where the scores come from: how well the reader reads held-out pictures."""
        about: dict[str, object] = {"features": "a fixed random network"}
        return about if self.reads is None else about | {"reader_accuracy": self.reads}

    def of(self, made: Tensor, labels: Tensor | None = None) -> Mapping[str, float]:
        """Of made pictures as bytes [N, channels, height, width], of the classes [N] that were asked for.

        Returns:
            `picture_distance` to the real ones (less is better); `diversity`, 1 where the pictures differ from each
            other as real ones do and 0 where all are one; where there are classes `class_coverage`, the share of the
            classes of which there is at least a third of their due, and `class_accuracy` where some were asked for.
        """
        features = self._features.of(made)
        few = self._features.few(features)
        figures = {
            "picture_distance": frechet(few, self._features.few(self._real)),
            "diversity": spread(few) / self._spread,
        }
        if self._reader is not None:
            read = self._reader.read(features)
            due = len(read) / self._classes / 3
            counts = torch.bincount(read, minlength=self._classes)
            figures["class_coverage"] = (counts >= max(1.0, due)).float().mean().item()
            if labels is not None:
                figures["class_accuracy"] = (read == labels.cpu()).float().mean().item()
        return figures
