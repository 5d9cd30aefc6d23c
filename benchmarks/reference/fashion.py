"""Fashion-MNIST as a zip for the doctor and as tensors for a judge: a small convolutional network trained on it."""

import gzip
import io
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.reference.sources import FASHION, located
from worker.engines.training.picture_scores import frechet

NAMES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")

#: Pixels of black around each picture: 28 become 32, and no pixel is another than it was.
_EDGE = 2
#: Pictures that the trainings are given; and that the judge learns from, which are others.
LEARNED, JUDGED = 11_000, 24_000


@dataclass(frozen=True)
class Fashion:
    """Pictures [N, 28, 28] as bytes, and their classes."""

    pictures: np.ndarray
    classes: np.ndarray
    test_pictures: np.ndarray
    test_classes: np.ndarray

    @classmethod
    def unpacked(cls, data: Path, folder: Path) -> "Fashion":
        """From the Debian package."""
        package = located(FASHION, data)
        if not (found := list(folder.rglob("train-images-idx3-ubyte.gz"))):
            subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
            found = list(folder.rglob("train-images-idx3-ubyte.gz"))
        place = found[0].parent
        return cls(*(_numbers(place / f"{name}-ubyte.gz") for name in (
            "train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"
        )))  # fmt: skip

    def zipped(self, path: Path, count: int = LEARNED) -> Path:
        """The first pictures of the training set, in class folders, with a black edge: 32 × 32."""
        with ZipFile(path, "w") as packed:
            for number, (picture, name) in enumerate(zip(self.pictures[:count], self.classes, strict=False)):
                file = io.BytesIO()
                Image.fromarray(edged(picture)).save(file, "PNG")
                packed.writestr(f"{NAMES[name]}/{number:05}.png", file.getvalue())
        return path

    @cached_property
    def judge(self) -> "Judge":
        """Who reads classes: trained here, on pictures that no training was given."""
        return Judge.trained(self)


@dataclass(frozen=True)
class Judge:
    """Reads classes of pictures of 28 × 28, and tells sets of pictures apart by the 64 features under its answer."""

    network: nn.Module
    accuracy: float
    real: Tensor
    apart: float

    @classmethod
    def trained(cls, fashion: Fashion) -> "Judge":
        """Three epochs over its pictures; `accuracy` and `real` are of the test set, which nothing learns from."""
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Dropout(0.3), nn.Linear(64 * 49, 64), nn.ReLU(), nn.Linear(64, len(NAMES)),
        )  # fmt: skip
        pictures, classes = torch.from_numpy(fashion.pictures), torch.from_numpy(fashion.classes).long()
        optimiser = torch.optim.Adam(network.parameters(), 1e-3)
        steps = 3 * JUDGED // 64
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
        for _ in range(steps):
            rows = torch.randint(JUDGED, (64,)) + LEARNED
            optimiser.zero_grad()
            cross_entropy(network(_floats(pictures[rows])), classes[rows]).backward()
            optimiser.step()
            schedule.step()
        network.eval()
        made = cls(network, 0.0, torch.empty(0), 0.0)
        read, real = made.read(torch.from_numpy(fashion.test_pictures))
        accuracy = (read == torch.from_numpy(fashion.test_classes)).float().mean().item()
        return cls(network, accuracy, real, frechet(made.read(pictures[:500])[1], real))

    @torch.inference_mode()
    def read(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The class of each picture of bytes [N, 28, 28], and its features [N, 64]."""
        features = torch.cat([self.network[:-1](_floats(some)) for some in pictures.split(500)])
        return self.network[-1](features).argmax(1), features

    def scores(self, pictures: Tensor, asked: Tensor) -> dict[str, float]:
        """How many are of the class that was asked for, of how many classes there are any, and how far from real."""
        read, features = self.read(pictures)
        counts = torch.bincount(read, minlength=len(NAMES))
        return {
            "accuracy": (read == asked).float().mean().item(),
            "least_of_a_class": counts.min().item() / len(read) * len(NAMES),
            "distance": frechet(features, self.real),
            "spread": torch.pdist(features[:500]).mean().item() / torch.pdist(self.real[:500]).mean().item(),
        }


def edged(picture: np.ndarray) -> np.ndarray:
    """A picture with a black edge."""
    return np.pad(picture, [(0, 0)] * (picture.ndim - 2) + [(_EDGE, _EDGE)] * 2)


def plain(images: Sequence[bytes]) -> Tensor:
    """Pictures of files, 32 × 32 or smaller, as bytes [N, 28, 28]: without the edge."""
    read = [Image.open(io.BytesIO(each)).convert("L") for each in images]
    large = [each.resize((32, 32), Image.Resampling.BICUBIC) if each.width < 32 else each for each in read]
    return torch.stack([torch.from_numpy(np.array(each)[_EDGE:-_EDGE, _EDGE:-_EDGE]) for each in large])


def _floats(pictures: Tensor) -> Tensor:
    return pictures[:, None].float() / 127.5 - 1


def _numbers(path: Path) -> np.ndarray:
    """A file of the idx form: its third byte is the type (bytes here), the fourth how many sizes follow."""
    content = gzip.decompress(path.read_bytes())
    sizes = [int.from_bytes(content[4 + 4 * at : 8 + 4 * at]) for at in range(content[3])]
    return np.frombuffer(bytearray(content), np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)
