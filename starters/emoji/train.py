"""Train the UNet on the bank: v-prediction over 4x4 latents, captions through cross-attention.

Run as ``python -m starters.emoji.train WORK --minutes 60``; it resumes exactly (model, average,
optimiser, step, dice) from WORK/unet.pt. ``--settle`` lets the learning rate fall to nothing over the time given.
"""

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from starters.emoji.autoencoder import LATENT_CHANNELS

BATCH, PEAK, WARM_STEPS, AVERAGE = 64, 1.5e-3, 200, 0.998
DROPPED, COLOURED, STATE_NOISE, EARLY = 0.1, 0.12, 0.1, 0.75
"""Share of captions dropped, of recoloured pictures; deviation of the noise on states; power that favours noise."""
CLEAN = 3.0
"""Times where signal and noise together exceed this many noises count less: shapes come before details."""


def build() -> UNet2DConditionModel:
    """The untrained UNet, two levels, 4x4 and 2x2: 4 M weights that cost 0.03 GFLOP a sample and direction."""
    return UNet2DConditionModel(
        sample_size=4,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(88, 144),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        mid_block_type=None,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=6,
        cross_attention_dim=384,
        norm_num_groups=8,
        time_embedding_dim=192,
    )


class SmallConvolution(torch.nn.Conv2d):
    """A 3x3 convolution that treats a 2x2 map as one matrix product: half the work, the same numbers and weights."""

    TAPS = torch.tensor([[4, 5, 7, 8], [3, 4, 6, 7], [1, 2, 4, 5], [0, 1, 3, 4]])

    def forward(self, maps: Tensor) -> Tensor:
        """As a convolution."""
        if maps.shape[-2:] != (2, 2) or self.kernel_size != (3, 3) or self.stride != (1, 1) or self.bias is None:
            return super().forward(maps)
        taps = self.weight.permute(2, 3, 0, 1).flatten(0, 1)[self.TAPS]
        matrix = taps.permute(0, 2, 1, 3).flatten(2, 3).flatten(0, 1)
        made = maps.flatten(2).transpose(1, 2).flatten(1) @ matrix.T
        return made.unflatten(1, (4, -1)).transpose(1, 2).unflatten(2, (2, 2)) + self.bias[:, None, None]


def quicken(unet: UNet2DConditionModel) -> None:
    """Make training a third faster on a CPU without a change to weights or results."""
    unet.to(memory_format=torch.channels_last)
    for module in unet.modules():
        if type(module) is torch.nn.Conv2d:
            module.__class__ = SmallConvolution


def build_scheduler() -> DDIMScheduler:
    """The noise schedule of training and sampling."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        steps_offset=1,
    )


@dataclass
class Run:
    """Everything a training run must remember to go on as if it had never stopped."""

    unet: UNet2DConditionModel
    average: UNet2DConditionModel
    optimiser: torch.optim.Optimizer
    generator: torch.Generator
    step: int = 0

    def save(self, path: Path) -> None:
        """Write the checkpoint; a crash on the way leaves the one before."""
        state: dict[str, Any] = {
            "unet": self.unet.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
        }
        torch.save(state, path.with_suffix(".new"))
        os.replace(path.with_suffix(".new"), path)

    def load(self, path: Path) -> None:
        """Take over a checkpoint."""
        state = torch.load(path, weights_only=True)
        self.unet.load_state_dict(state["unet"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.step = state["step"]


def start() -> Run:
    """A fresh run."""
    unet, average = build(), build().requires_grad_(False)
    average.load_state_dict(unet.state_dict())
    optimiser = torch.optim.AdamW(unet.parameters(), lr=PEAK, betas=(0.9, 0.99), weight_decay=1e-3)
    return Run(unet, average, optimiser, torch.Generator().manual_seed(0))


def draw(bank: dict[str, Any], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch of latents and caption states: mostly true pictures, some recoloured, some captions dropped."""
    plain = bank["owners"] < bank["pictures"]
    coloured = int(BATCH * COLOURED)
    kinds = ((plain, BATCH - coloured), (~plain, coloured))
    index = torch.cat([torch.multinomial(bank["weights"] * kind, n, True, generator=generator) for kind, n in kinds])
    states = bank["states"][index].float()
    noise = torch.randn(states.shape, generator=generator)
    states = states + STATE_NOISE * bank["deviation"] * noise
    dropped = torch.rand(BATCH, generator=generator) < DROPPED
    states[dropped] = bank["empty"].float()
    return bank["latents"][bank["owners"][index]], states


def loss_of(run: Run, signal: Tensor, latents: Tensor, states: Tensor) -> Tensor:
    """Mean squared error of the predicted velocity; times are spread over the batch, noisy ones a little denser."""
    count = len(latents)
    spread = (torch.arange(count) + torch.rand(count, generator=run.generator)) / count
    spread = spread**EARLY
    times = (spread * 1000).long().clamp(max=999)[torch.randperm(count, generator=run.generator)]
    alpha, sigma = (part[times][:, None, None, None] for part in (signal.sqrt(), (1 - signal).sqrt()))
    latents = latents.contiguous(memory_format=torch.channels_last)
    noise = torch.randn(latents.shape, generator=run.generator)
    predicted = run.unet(alpha * latents + sigma * noise, times, states).sample
    error = F.mse_loss(predicted, alpha * noise - sigma * latents, reduction="none").mean((1, 2, 3))
    return (error * (sigma.flatten() ** 2 * CLEAN).clamp(max=1)).mean()


@torch.no_grad()
def follow(run: Run) -> None:
    """Move the running average towards the model."""
    keep = min(AVERAGE, (run.step + 1) / (run.step + 10))
    mine, theirs = list(run.average.parameters()), list(run.unet.parameters())
    torch._foreach_lerp_(mine, theirs, 1 - keep)


def train(work: Path, minutes: float, settle: bool, focus: float) -> None:
    """Train for ``minutes`` of wall time, a checkpoint every two of them."""
    bank = torch.load(work / "bank.pt", weights_only=True)
    bank["deviation"] = bank["states"][:2000].float().std()
    bank["weights"] = bank["weights"].float()
    share = torch.zeros(len(bank["latents"])).index_add(0, bank["owners"], bank["weights"])
    bank["weights"] *= share[bank["owners"]] ** (focus - 1)
    run, path = start(), work / "unet.pt"
    if path.exists():
        run.load(path)
    quicken(run.unet)
    signal = build_scheduler().alphas_cumprod
    begin = saved = time.time()
    first, smooth = run.step, 1.0
    while (done := (time.time() - begin) / (60 * minutes)) < 1:
        rate = PEAK * min(1.0, (run.step + 1) / WARM_STEPS) * (1 - done if settle else 1.0)
        for group in run.optimiser.param_groups:
            group["lr"] = rate
        loss = loss_of(run, signal, *draw(bank, run.generator))
        run.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(run.unet.parameters(), 1.0)
        run.optimiser.step()
        follow(run)
        run.step += 1
        smooth += (loss.item() - smooth) * max(0.01, 1 / (run.step - first + 1))
        if run.step % 100 == 0:
            pace = (run.step - first) * BATCH / (time.time() - begin)
            print(f"step {run.step} loss {smooth:.4f} rate {rate:.1e} samples/s {pace:.0f}", flush=True)
        if time.time() - saved > 120:
            run.save(path)
            saved = time.time()
    run.save(path)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--settle", action="store_true", help="let the learning rate fall to nothing")
    parser.add_argument("--focus", type=float, default=2.0, help="power of the emoji's weights; 1 gives rare ones more")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    train(args.work, args.minutes, args.settle, args.focus)


if __name__ == "__main__":
    main()
