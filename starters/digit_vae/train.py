"""Train the VAE starter on scikit-learn's 1,797 handwritten digits.

Run as ``python -m starters.digit_vae.train`` (needs scikit-learn; a minute of one CPU core); it writes
``model/`` beside this file and prints how often the digit that was asked for is read.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from starters.digits.judge import read_digits
from starters.digits.train import NAMES, clock, load_data, to_bytes
from starters.folders import save_network
from worker.engines.networks.conv_vae import ConvVae
from worker.engines.networks.shapes import PictureConfig

HERE = Path(__file__).parent
CONFIG = PictureConfig(size=32, channels=1, latent=16, width=12, classes=NAMES)
BATCH, RATE = 32, 3e-3
#: How much the clouds must overlap, against a pixel's squared error: more is blurrier, less leaves holes between them.
OVERLAP = 0.3
CARD = {
    "title": "Digits VAE, 32 × 32",
    "licence": "Apache-2.0",
    "note": "Handwritten digits from a variational autoencoder; a class for each digit.",
}


def train(vae: ConvVae, pictures: Tensor, classes: Tensor, minutes: float) -> None:
    """Squared error and KL."""
    optimiser = torch.optim.AdamW(vae.parameters(), lr=RATE)
    for step, done in enumerate(clock(minutes)):
        optimiser.param_groups[0]["lr"] = RATE * min(1, (step + 1) / 50) * (1 - done)
        index = torch.randint(len(pictures), (BATCH,))
        again, kl = vae(pictures[index], torch.randn(BATCH, CONFIG.latent), classes[index])
        error = F.mse_loss(again, pictures[index], reduction="none").sum((1, 2, 3))
        loss = (error + OVERLAP * CONFIG.size * kl).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 200 == 0:
            print(f"step {step} error {error.mean().item():.2f} kl {kl.mean().item():.2f} done {done:.2f}", flush=True)


@torch.inference_mode()
def measure(vae: ConvVae, each: int = 50) -> float:
    """How often the judge reads the digit that was asked for."""
    labels = torch.arange(10).repeat_interleave(each)
    noise = torch.randn(len(labels), CONFIG.latent, generator=torch.Generator().manual_seed(1))
    made = vae.decoder(noise, labels).expand(-1, 3, -1, -1)
    return sum(a == b for a, b in zip(read_digits(to_bytes(made)), labels.tolist(), strict=True)) / len(labels)


def main() -> None:
    """Train, write the folder, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.7, help="processor time")
    parser.add_argument("--out", type=Path, default=HERE / "model")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pictures, classes = load_data()
    vae = ConvVae(CONFIG)
    train(vae, pictures[:, :1].contiguous(), classes, args.minutes)
    vae = save_network(vae.eval(), "conv_vae", CONFIG, CARD, args.out)
    print(f"asked for and read: {measure(vae):.3f}")


if __name__ == "__main__":
    main()
