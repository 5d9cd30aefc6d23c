"""Train the diffusion starter on scikit-learn's 1,797 handwritten digits.

Run as ``python -m starters.digit_ddpm.train`` (needs scikit-learn; a minute and a quarter of one CPU core); it writes
``model/`` beside this file and prints how often the digit that was asked for is read.
"""

import argparse
import copy
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel
from torch import Tensor

from starters.digits.judge import read_digits
from starters.digits.train import NAMES, clock, load_data, to_bytes

HERE = Path(__file__).parent
SIDE, STEPS, BATCH, RATE = 16, 20, 32, 2e-3
CARD = {
    "title": "Digits by diffusion, 16 × 16",
    "licence": "Apache-2.0",
    "classes": NAMES,
    "defaults": {"steps": STEPS},
    "note": "Handwritten digits from a small diffusion model; a class for each digit.",
}


def build_unet() -> UNet2DModel:
    """Three levels without attention: at this size it learns more a minute than with."""
    return UNet2DModel(
        sample_size=SIDE, in_channels=1, out_channels=1, block_out_channels=(16, 32, 64), layers_per_block=1,
        down_block_types=("DownBlock2D",) * 3, up_block_types=("UpBlock2D",) * 3, norm_num_groups=8,
        add_attention=False, num_class_embeds=len(NAMES),
    )  # fmt: skip


def build_scheduler() -> DDIMScheduler:
    """The noise schedule of training and sampling."""
    return DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", timestep_spacing="trailing")


def train(unet: UNet2DModel, pictures: Tensor, classes: Tensor, minutes: float) -> None:
    """Predict velocity; at the end the network holds its running average."""
    signal = build_scheduler().alphas_cumprod
    average = copy.deepcopy(unet).requires_grad_(False)
    optimiser = torch.optim.AdamW(unet.parameters(), lr=RATE)
    for step, done in enumerate(clock(minutes)):
        optimiser.param_groups[0]["lr"] = RATE * min(1, (step + 1) / 50) * (1 - 0.9 * done)
        index = torch.randint(len(pictures), (BATCH,))
        times = torch.randint(1000, (BATCH,))
        alpha, sigma = (part[times][:, None, None, None] for part in (signal.sqrt(), (1 - signal).sqrt()))
        clean, noise = pictures[index], torch.randn(BATCH, 1, SIDE, SIDE)
        predicted = unet(alpha * clean + sigma * noise, times, class_labels=classes[index]).sample
        loss = F.mse_loss(predicted, alpha * noise - sigma * clean)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(unet.parameters()), max(0.005, 1 / (step + 1)))
        if step % 100 == 0:
            print(f"step {step} loss {loss.item():.4f} done {done:.2f}", flush=True)
    unet.load_state_dict(average.state_dict())


@torch.inference_mode()
def measure(unet: UNet2DModel, each: int = 20) -> float:
    """How often the judge reads the digit that was asked for."""
    labels = torch.arange(10).repeat_interleave(each)
    scheduler = build_scheduler()
    scheduler.set_timesteps(STEPS)
    made = torch.randn(len(labels), 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    for time in scheduler.timesteps:
        made = scheduler.step(unet(made, time, class_labels=labels).sample, time, made).prev_sample
    read = read_digits(to_bytes(F.interpolate(made, scale_factor=32 // SIDE).expand(-1, 3, -1, -1)))
    return sum(a == b for a, b in zip(read, labels.tolist(), strict=True)) / len(labels)


def main() -> None:
    """Train, write the folder, and measure what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.2, help="processor time")
    parser.add_argument("--out", type=Path, default=HERE / "model")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pictures, classes = load_data()
    unet = build_unet()
    small = F.avg_pool2d(pictures[:, :1], 32 // SIDE)
    train(unet, small, classes, args.minutes)
    pipe = DDIMPipeline(unet=unet.eval(), scheduler=build_scheduler())
    pipe.to(dtype=torch.float16).save_pretrained(args.out, safe_serialization=True)
    (args.out / "unet" / "diffusion_pytorch_model.safetensors").chmod(0o644)  # it is written for its owner alone
    (args.out / "atelier.json").write_text(json.dumps(CARD, indent=2, ensure_ascii=False) + "\n")
    pipe = DDIMPipeline.from_pretrained(args.out, dtype=torch.float32)
    print(f"asked for and read: {measure(pipe.unet):.3f}")


if __name__ == "__main__":
    main()
