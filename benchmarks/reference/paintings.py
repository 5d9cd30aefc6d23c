"""A VAE, a DCGAN and a DDPM on Fashion-MNIST, their samples made by `sample_image` and read by a judge."""

import io
import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.overhead import UNFINISHED
from benchmarks.reference.fashion import LEARNED, NAMES, Fashion, edged, plain
from benchmarks.reference.house import House
from benchmarks.reference.results import Result
from worker.engines.networks.conv_vae import ConvVae, divergence
from worker.engines.networks.shapes import PictureConfig
from worker.engines.training.pictures import sheet

_EACH, _SHOWN = 60, 8
_LATENT, _EPOCHS = 20, 10
_HELD = 1 / 11


def vae(house: House, data: Path) -> Result:
    """The bound on the test set, beside that of pytorch/examples' VAE on the same pictures; and its samples."""
    fashion, name = _given(house, data)
    house.trained(
        "train_vae", name="fashion-vae", dataset=name, latent=_LATENT, epochs=_EPOCHS, batch_size=64, evaluations=5,
        seed=1,
    )  # fmt: skip
    ours, theirs = _bound(house.model("fashion-vae"), fashion), _examples_bound(fashion)
    scores = _sampled(house, data, fashion, "fashion-vae")
    return Result(
        row="VAE",
        published=f"105.6 on MNIST; its recipe on these pictures: {theirs:.1f}",
        source="−ELBO in nats, pytorch/examples",
        ours=f"{ours:.1f}; {_told(scores)}",
        target="≤ its recipe",
        reached=ours <= theirs,
        data=_about(fashion),
        figures={"bound": ours, "recipe": theirs, **scores},
    )


def dcgan(house: House, data: Path) -> Result:
    """DCGAN's loss, at 16 pixels for a processor's sake."""
    fashion, name = _given(house, data)
    house.trained(
        "train_gan", name="fashion-gan", dataset=name, size=16, objective="bce", width=32, epochs=20, evaluations=5,
        seed=1,
    )  # fmt: skip
    return _scored(house, data, fashion, "DCGAN", "fashion-gan")


def ddpm(house: House, data: Path) -> Result:
    """A DDPM, at 16 pixels too."""
    fashion, name = _given(house, data)
    house.trained(
        "train_diffusion", name="fashion-ddpm", dataset=name, size=16, width=16, steps=1200, batch_size=64,
        evaluations=3, scored=0, seed=1,
    )  # fmt: skip
    return _scored(house, data, fashion, "DDPM", "fashion-ddpm")


def _given(house: House, data: Path) -> tuple[Fashion, str]:
    fashion = _unpacked(data, house.folder / "unpacked")
    path = fashion.zipped(house.folder / "fashion.zip")
    return fashion, house.dataset("fashion", path, format="classed", validation=_HELD, drop_duplicates=False)


#: Once for all rows, and with it the judge.
_unpacked = cache(Fashion.unpacked)


def _about(fashion: Fashion) -> str:
    return f"Fashion-MNIST: {LEARNED - int(LEARNED * _HELD):,} of its {len(fashion.pictures):,} pictures"


def _scored(house: House, data: Path, fashion: Fashion, row: str, model: str) -> Result:
    scores = _sampled(house, data, fashion, model)
    return Result(
        row=row,
        published=f"none by this judge, who reads {fashion.judge.accuracy:.3f} of the real test pictures right",
        source="a classifier trained in the same run",
        ours=_told(scores),
        target="≥ 0.80 right",
        reached=scores["accuracy"] >= 0.8,
        data=f"{_about(fashion)}; at 16 pixels",
        figures=scores,
    )


def _told(scores: dict[str, float]) -> str:
    return (
        f"{scores['accuracy']:.3f} of the samples read as asked for; Fréchet distance {scores['distance']:.1f} (real "
        f"pictures {scores['distance_of_real']:.1f}); spread {scores['spread']:.2f}"
    )


def _sampled(house: House, data: Path, fashion: Fashion, model: str) -> dict[str, float]:
    """Samples of every class by jobs of `sample_image`, what the judge says of them, and a sheet to look at."""
    made = [house.made("sample_image", model=model, label=name, images=_EACH, seed=number * 1000, **UNFINISHED)
            for number, name in enumerate(NAMES)]  # fmt: skip
    pictures = plain([file for files in made for file in files])
    asked = torch.arange(len(NAMES)).repeat_interleave(_EACH)
    shown = [Image.open(io.BytesIO(files[row])).convert("L") for row in range(_SHOWN) for files in made]
    sheet(shown, data / f"{model}.png", columns=len(NAMES))
    judge = fashion.judge
    return {**judge.scores(pictures, asked), "distance_of_real": judge.apart, "judge": judge.accuracy}


@torch.inference_mode()
def _bound(folder: Path, fashion: Fashion) -> float:
    """−ELBO of the test pictures, of one draw each, by the network of the library's own files.

    It was told the classes: naming one of ten costs ln 10 more. The black edge is counted, too: both against us.
    """
    config = PictureConfig.read(json.loads((folder / "config.json").read_text()))
    network = ConvVae(config).eval()
    network.load_state_dict(load_file(folder / "model.safetensors"))
    pictures = torch.from_numpy(edged(fashion.test_pictures))[:, None].float() / 127.5 - 1
    order = torch.tensor([config.classes.index(name) for name in NAMES])
    labels = order[torch.from_numpy(fashion.test_classes).long()]
    dice, total = torch.Generator().manual_seed(0), 0.0
    for some, classes in zip(pictures.split(250), labels.split(250), strict=True):
        values, kl = network.unbounded(some, torch.randn(len(some), config.latent, generator=dice), classes)
        error = binary_cross_entropy_with_logits(2 * values, (some + 1) / 2, reduction="none").flatten(1).sum(1)
        total += (error + kl).sum().item()
    return total / len(pictures) + math.log(len(NAMES))


class _Examples(nn.Module):
    """The VAE of pytorch/examples: 784-400-20-400-784."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.code = nn.Linear(784, 400), nn.Linear(400, 2 * _LATENT)
        self.again, self.paint = nn.Linear(_LATENT, 400), nn.Linear(400, 784)

    def cost(self, pictures: Tensor) -> Tensor:
        """−ELBO summed over pictures [N, 784] in 0 to 1."""
        mean, spread = self.code(self.hidden(pictures).relu()).chunk(2, 1)
        latents = mean + (spread / 2).exp() * torch.randn_like(mean)
        odds = self.paint(self.again(latents).relu())
        return binary_cross_entropy_with_logits(odds, pictures, reduction="sum") + divergence(mean, spread).sum()


def _examples_bound(fashion: Fashion) -> float:
    """Its recipe on as many of the same pictures: batches of 128, Adam at 1e-3, as many epochs."""
    torch.manual_seed(1)
    network = _Examples()
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    pictures = _flat(fashion.pictures[: LEARNED - int(LEARNED * _HELD)])
    for _ in range(_EPOCHS):
        for rows in torch.randperm(len(pictures)).split(128):
            optimiser.zero_grad()
            network.cost(pictures[rows]).backward()
            optimiser.step()
    with torch.inference_mode():
        return network.cost(_flat(fashion.test_pictures)).item() / len(fashion.test_pictures)


def _flat(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures.reshape(len(pictures), -1)).float() / 255
