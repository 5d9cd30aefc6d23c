"""The AutoencoderKL, trained towards fixed latents: 48 principal components of every 16x16 patch.

The latents are known before any training, so that the UNet can learn them at once, the decoder learns from
informative latents (one trained end to end still saw no colours after ten minutes), and the encoder is a regression.

Run as ``python -m starters.emoji.autoencoder WORK --part decoder --minutes 20``, then with ``--part encoder``; it
resumes from WORK/vae.pt. The principal components are WORK/patches.pt, made on the first run.
"""

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from starters.emoji.captions import recolour, recolourings
from starters.emoji.data import read_emoji

LATENT_CHANNELS = 48
PATCH = 16
CHANNELS = (8, 24, 48, 80, 80)
FLATTEN = 0.25
"""Each component is divided by its variance to this power: half of the way to equal deviations."""


def build() -> AutoencoderKL:
    """The untrained autoencoder, f = 16, whose residual blocks start as identities and whose latents have no spread."""
    levels = len(CHANNELS)
    model = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=1.0,
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("conv2.weight", "to_out.0.weight")):
                weight.zero_()
        model.quant_conv.weight[LATENT_CHANNELS:] = 0
        model.quant_conv.bias[LATENT_CHANNELS:] = -12
    return model


def as_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 [N, 64, 64, 3] to float [N, 3, 64, 64] in [-1, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def fit_patches(pictures: Tensor) -> dict[str, Tensor]:
    """Principal components of the ink (white is 0) of all patches, scaled to a joint deviation of 1."""
    patches = F.unfold(1 - pictures, PATCH, stride=PATCH).transpose(1, 2).flatten(0, 1)
    variance, axes = torch.linalg.eigh(patches.T @ patches / len(patches))
    variance, axes = variance.flip(0)[:LATENT_CHANNELS], axes.flip(1)[:, :LATENT_CHANNELS]
    matrix = axes / variance**FLATTEN
    latents = patches @ matrix
    spread = latents.std(0).square().mean().sqrt()
    return {"matrix": matrix / spread, "mean": latents.mean(0) / spread}


def to_latents(pictures: Tensor, components: dict[str, Tensor]) -> Tensor:
    """The latents [N, 48, 4, 4] of pictures [N, 3, 64, 64]."""
    patches = F.unfold(1 - pictures, PATCH, stride=PATCH)
    latents = torch.einsum("npk,pc->nck", patches, components["matrix"]) - components["mean"][None, :, None]
    side = pictures.shape[-1] // PATCH
    return latents.unflatten(2, (side, side))


def load_pictures(work: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The true pictures, and the recoloured ones in the order of ``recolourings``."""
    pictures: NDArray[np.uint8] = np.load(work / "pictures.npy")
    made = [recolour(pictures[one.emoji], one.colour) for one in recolourings(read_emoji(work))]
    return pictures, np.stack(made)


def load_components(work: Path, pictures: NDArray[np.uint8], coloured: NDArray[np.uint8]) -> dict[str, Tensor]:
    """The principal components, fitted once and kept in WORK/patches.pt."""
    path = work / "patches.pt"
    if not path.exists():
        torch.save(fit_patches(as_tensor(np.concatenate([pictures, coloured[::4]]))), path)
    found: dict[str, Tensor] = torch.load(path, weights_only=True)
    return found


def vary(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """A third of the pictures get another size, place or direction."""
    count = len(pictures)
    dice = torch.rand(count, 3, generator=generator)
    moved = (dice[:, 0] < 0.3).float()
    zoom = 1 + moved * (dice[:, 1] * 0.9 - 0.1)
    flip = torch.where((dice[:, 2] < 0.5) & (moved > 0), -1.0, 1.0)
    shift = moved[:, None] * (torch.rand(count, 2, generator=generator) - 0.5) * 0.5
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = zoom * flip, zoom, shift
    grid = F.affine_grid(theta, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures - 1, grid, align_corners=False) + 1


def edges(pictures: Tensor) -> Tensor:
    """Differences between neighbouring pixels, both directions in one flat row per picture."""
    across = pictures[..., :, 1:] - pictures[..., :, :-1]
    down = pictures[..., 1:, :] - pictures[..., :-1, :]
    return torch.cat([across.flatten(1), down.flatten(1)], 1)


def decoder_loss(model: AutoencoderKL, pictures: Tensor, latents: Tensor, noise: Tensor) -> Tensor:
    """L1 on pixels and edges and squares on the coarse picture, from slightly noisy latents."""
    decoded = model.decode(latents + noise).sample
    coarse = F.mse_loss(F.avg_pool2d(decoded, 4), F.avg_pool2d(pictures, 4))
    return F.l1_loss(decoded, pictures) + F.l1_loss(edges(decoded), edges(pictures)) + coarse


def encoder_loss(model: AutoencoderKL, pictures: Tensor, latents: Tensor) -> Tensor:
    """Squared error of the latents."""
    return F.mse_loss(model.encode(pictures).latent_dist.mean, latents)


def train(work: Path, part: str, minutes: float, peak: float, batch: int) -> None:
    """Train one half for ``minutes`` of wall time with a cosine from ``peak`` to nothing."""
    pictures, coloured = load_pictures(work)
    components = load_components(work, pictures, coloured)
    model, path = build(), work / f"{part}.pt"
    halves = {"decoder": (model.decoder, model.post_quant_conv), "encoder": (model.encoder, model.quant_conv)}
    half = torch.nn.ModuleList(halves[part])
    if path.exists():
        half.load_state_dict(torch.load(path, weights_only=True))
    half.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(half.parameters(), lr=peak, betas=(0.9, 0.99), weight_decay=1e-4)
    generator = torch.Generator().manual_seed(time.time_ns() % 2**31)
    begin, step, smooth = time.time(), 0, 0.0
    while (done := (time.time() - begin) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = peak * min(1.0, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * done))
        true = torch.randint(len(pictures), (batch - batch // 4,), generator=generator).numpy()
        other = torch.randint(len(coloured), (batch // 4,), generator=generator).numpy()
        seen = vary(as_tensor(np.concatenate([pictures[true], coloured[other]])), generator)
        latents = to_latents(seen, components)
        seen = seen.contiguous(memory_format=torch.channels_last)
        noise = 0.1 * torch.rand(batch, 1, 1, 1, generator=generator) * torch.randn(latents.shape, generator=generator)
        loss = decoder_loss(model, seen, latents, noise) if part == "decoder" else encoder_loss(model, seen, latents)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(half.parameters(), 1.0)
        optimiser.step()
        smooth += (loss.item() - smooth) * max(0.02, 1 / (step + 1))
        step += 1
        if step % 100 == 0:
            pace = step * batch / (time.time() - begin)
            print(f"step {step} loss {smooth:.4f} pictures/s {pace:.0f}", flush=True)
        if step % 250 == 0:
            save(half, path)
    save(half, path)


def save(half: torch.nn.Module, path: Path) -> None:
    """Write the weights of one half; a crash on the way leaves the file before."""
    torch.save(half.state_dict(), path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def assemble(work: Path) -> AutoencoderKL:
    """The autoencoder from both trained halves; the encoder may still be missing."""
    model = build()
    torch.nn.ModuleList((model.decoder, model.post_quant_conv)).load_state_dict(
        torch.load(work / "decoder.pt", weights_only=True)
    )
    if (work / "encoder.pt").exists():
        torch.nn.ModuleList((model.encoder, model.quant_conv)).load_state_dict(
            torch.load(work / "encoder.pt", weights_only=True)
        )
    return model.eval()


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--part", choices=("decoder", "encoder"), required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    train(args.work, args.part, args.minutes, args.rate, args.batch)


if __name__ == "__main__":
    main()
