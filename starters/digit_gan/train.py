"""Train the GAN starter on scikit-learn's 1,797 handwritten digits.

Run as ``python -m starters.digit_gan.train`` (needs scikit-learn; a minute and a quarter of one CPU core); it writes
``model/`` beside this file and prints how often the digit that was asked for is read.
"""

import argparse
import copy
from pathlib import Path

import torch
from torch import Tensor

from starters.digits.judge import read_digits
from starters.digits.train import NAMES, clock, load_data, to_bytes
from starters.folders import save_network
from worker.engines.networks.dcgan import Discriminator, Generator
from worker.engines.networks.shapes import PictureConfig

HERE = Path(__file__).parent
CONFIG = PictureConfig(size=32, channels=1, latent=32, width=16, classes=NAMES)
BATCH, RATE = 32, 1e-3
CARD = {
    "title": "Digits GAN, 32 × 32",
    "licence": "Apache-2.0",
    "note": "Handwritten digits from a DCGAN; a class for each digit.",
}


def train(generator: Generator, pictures: Tensor, classes: Tensor, minutes: float) -> Generator:
    """Hinge loss with a bounded discriminator; the generator's running average."""
    discriminator = Discriminator(CONFIG)
    average = copy.deepcopy(generator).requires_grad_(False)
    paints = torch.optim.Adam(generator.parameters(), lr=RATE, betas=(0.0, 0.99))
    judges = torch.optim.Adam(discriminator.parameters(), lr=RATE, betas=(0.0, 0.99))
    for step, done in enumerate(clock(minutes)):
        for optimiser in (paints, judges):
            optimiser.param_groups[0]["lr"] = RATE * (1 - 0.9 * done)
        index = torch.randint(len(pictures), (BATCH,))
        labels = classes[index]
        made = generator(torch.randn(BATCH, CONFIG.latent), labels)
        real, fake = discriminator(pictures[index], labels), discriminator(made.detach(), labels)
        judged = (1 - real).relu().mean() + (1 + fake).relu().mean()
        judges.zero_grad()
        judged.backward()
        judges.step()
        fooled = -discriminator(made, labels).mean()
        paints.zero_grad()
        fooled.backward()
        paints.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(generator.parameters()), max(0.005, 1 / (step + 1)))
            for kept, now in zip(average.buffers(), generator.buffers(), strict=True):
                kept.copy_(now)
        if step % 200 == 0:
            print(f"step {step} judged {judged.item():.3f} fooled {fooled.item():.3f} done {done:.2f}", flush=True)
    return settle(average, classes)


@torch.no_grad()
def settle(generator: Generator, classes: Tensor) -> Generator:
    """Measure the averages that batch norm uses afresh: those of training belong to other weights."""
    norms = [module for module in generator.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    generator.train()
    for _ in range(60):
        generator(torch.randn(64, CONFIG.latent), classes[torch.randint(len(classes), (64,))])
    return generator.eval()


@torch.inference_mode()
def measure(generator: Generator, each: int = 50) -> float:
    """How often the judge reads the digit that was asked for."""
    labels = torch.arange(10).repeat_interleave(each)
    noise = torch.randn(len(labels), CONFIG.latent, generator=torch.Generator().manual_seed(1))
    made = generator(noise, labels).expand(-1, 3, -1, -1)
    return sum(a == b for a, b in zip(read_digits(to_bytes(made)), labels.tolist(), strict=True)) / len(labels)


def main() -> None:
    """Train, write the folder, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.2, help="processor time")
    parser.add_argument("--out", type=Path, default=HERE / "model")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pictures, classes = load_data()
    generator = train(Generator(CONFIG), pictures[:, :1].contiguous(), classes, args.minutes)
    generator = save_network(generator, "dcgan", CONFIG, CARD, args.out)
    print(f"asked for and read: {measure(generator):.3f}")


if __name__ == "__main__":
    main()
