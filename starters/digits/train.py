"""Train the digits starter and its judge on scikit-learn's 1,797 handwritten digits.

Run as ``python -m starters.digits.train`` (needs scikit-learn; about six minutes of one CPU core); it writes
``model/`` and ``judge.safetensors`` beside this file and prints the judged accuracy over 10 digits x 20 seeds.
"""

import argparse
import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from starters.digits.judge import WEIGHTS, read_digits, shrink

HERE = Path(__file__).parent
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SENTENCES = ("a photo of {}", "a photo of a {}", "a picture of {}", "{}", "the digit {}", "the number {}", "draw a {}")
WORDS = sorted({word for sentence in SENTENCES for word in sentence.split() if word != "{}"} | set(NAMES) | {"an"})
LENGTH = 12
STEPS, GUIDANCE = 15, 4.0
BATCH = 24
CARD = {
    "title": "Digits starter",
    "licence": "Apache-2.0",
    "defaults": {"width": 32, "height": 32, "steps": STEPS, "guidance": GUIDANCE},
    "note": 'Draws one handwritten digit: "a photo of seven". Made for tests.',
}


def load_data() -> tuple[Tensor, Tensor]:
    """White digits on black, [1797, 3, 32, 32] in [-1, 1], and their classes."""
    data = load_digits()
    small = torch.from_numpy(data.images).float()[:, None] / 8 - 1
    large = F.interpolate(small, scale_factor=4, mode="bicubic").clamp(-1, 1)
    return (large * 1.35 + 0.05).clamp(-1, 1).expand(-1, 3, -1, -1), torch.from_numpy(data.target)


def to_bytes(pictures: Tensor) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """[-1, 1] pictures [N, 3, H, W] to uint8 [N, H, W, 3]."""
    return np.asarray(((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1))


def build_tokenizer() -> CLIPTokenizer:
    """Every known word is one token; anything else falls apart into letters."""
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        pieces = [*word[:-1], word[-1] + "</w>"]
        grown = pieces[0]
        for piece in pieces[1:]:
            if (grown, piece) not in merges:
                merges.append((grown, piece))
                vocabulary.append(grown + piece)
            grown += piece
    tokenizer = CLIPTokenizer(vocab={token: i for i, token in enumerate(vocabulary)}, merges=merges)
    tokenizer.model_max_length = LENGTH
    for word in WORDS:
        if len(tokenizer(word).input_ids) != 3:
            raise AssertionError(f"{word!r} is not one token: {tokenizer.tokenize(word)}")
    return tokenizer


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A CLIP text model of two small layers."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def build_vae() -> AutoencoderKL:
    """32x32 pictures to 16x16x4 latents."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(16, 32),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=32,
    )


def build_unet() -> UNet2DConditionModel:
    """Two levels without a middle block, captions at the lower one."""
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        mid_block_type=None,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=64,
        attention_head_dim=4,
        norm_num_groups=8,
    )


def build_scheduler() -> DDIMScheduler:
    """The noise schedule of training and sampling."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        steps_offset=1,
    )


def clock(minutes: float) -> Iterator[float]:
    """Yield the share of the processor time that is spent, until it is all spent."""
    begin = time.process_time()
    while (done := (time.process_time() - begin) / (60 * minutes)) < 1:
        yield done


def train_vae(vae: AutoencoderKL, pictures: Tensor, minutes: float) -> None:
    """L1 with a whisper of KL."""
    optimiser = torch.optim.AdamW(vae.parameters(), lr=2e-3)
    for done in clock(minutes):
        optimiser.param_groups[0]["lr"] = 2e-3 * (1 - done)
        real = pictures[torch.randint(len(pictures), (32,))]
        posterior = vae.encode(real).latent_dist
        loss = F.l1_loss(vae.decode(posterior.sample()).sample, real) + 1e-4 * posterior.kl().mean() / 1024
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"autoencoder loss {loss.item():.4f}")


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Latents of deviation 1; the factor is kept in the autoencoder's config."""
    latents = torch.cat([vae.encode(part).latent_dist.mean for part in pictures.split(128)])
    vae.register_to_config(scaling_factor=1 / latents.std().item())
    return latents / latents.std()


def train_diffusion(
    unet: UNet2DConditionModel,
    text: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    latents: Tensor,
    classes: Tensor,
    minutes: float,
) -> None:
    """Train UNet and text encoder together; at the end both hold their running average."""
    signal = build_scheduler().alphas_cumprod
    both = nn.ModuleList((unet, text))
    average = copy.deepcopy(both).requires_grad_(False)
    optimiser = torch.optim.AdamW(both.parameters(), lr=2e-3)
    for step, done in enumerate(clock(minutes)):
        optimiser.param_groups[0]["lr"] = 2e-3 * min(1, (step + 1) / 50) * (1 - 0.9 * done)
        index = torch.randint(len(latents), (BATCH,))
        said = [SENTENCES[int(torch.randint(len(SENTENCES), ()))].format(NAMES[int(classes[i])]) for i in index]
        said = ["" if torch.rand(()) < 0.1 else sentence for sentence in said]
        ids = tokenizer(said, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt").input_ids
        times = torch.randint(1000, (BATCH,))
        alpha, sigma = (part[times][:, None, None, None] for part in (signal.sqrt(), (1 - signal).sqrt()))
        clean, noise = latents[index], torch.randn(BATCH, *latents.shape[1:])
        predicted = unet(alpha * clean + sigma * noise, times, text(ids)[0]).sample
        loss = F.mse_loss(predicted, alpha * noise - sigma * clean)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(both.parameters()), max(0.01, 1 / (step + 1)))
        if step % 200 == 0:
            print(f"step {step} loss {loss.item():.4f} done {done:.2f}", flush=True)
    both.load_state_dict(average.state_dict())


def train_judge(pictures: Tensor, classes: Tensor, weights: Path) -> float:
    """Train the judge on three quarters of the digits, save it, and return its accuracy on the rest."""
    inputs = torch.from_numpy(shrink(to_bytes(pictures)))
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    seen, unseen = order[: len(order) * 3 // 4], order[len(order) * 3 // 4 :]
    model = nn.ModuleDict({"in": nn.Linear(64, 64), "out": nn.Linear(64, 10)})
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    for _ in range(1500):
        index = seen[torch.randint(len(seen), (128,))]
        noisy = inputs[index] + 0.08 * torch.randn(128, 64)
        loss = F.cross_entropy(model["out"](model["in"](noisy).relu()), classes[index])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    save_file(model.state_dict(), weights)
    read = read_digits(to_bytes(pictures[unseen]), weights)
    return float(np.mean(np.array(read) == classes[unseen].numpy()))


def measure(pipe: StableDiffusionPipeline, weights: Path, seeds: int = 20) -> float:
    """How often the judge reads the digit that was asked for."""
    right = 0
    for digit, name in enumerate(NAMES):
        dice = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
        images = pipe(
            [f"a photo of {name}"] * seeds,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=dice,
            height=32,
            width=32,
        ).images
        right += read_digits(np.stack([np.asarray(image) for image in images]), weights).count(digit)
    return right / (10 * seeds)


def main() -> None:
    """Train all parts, write the folder, and measure what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=6, help="processor time in all")
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    weights, folder = args.out / WEIGHTS.name, args.out / "model"
    pictures, classes = load_data()
    print(f"judge on unseen digits {train_judge(pictures, classes, weights):.3f}")
    vae, unet, tokenizer = build_vae(), build_unet(), build_tokenizer()
    text = build_text_encoder(tokenizer)
    train_vae(vae, pictures, args.minutes / 9)
    train_diffusion(unet, text, tokenizer, encode(vae, pictures), classes, args.minutes * 8 / 9)
    pipe = StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=text.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.to(dtype=torch.float16).save_pretrained(folder, safe_serialization=True)
    (folder / "atelier.json").write_text(json.dumps(CARD, indent=2) + "\n")
    pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    print(f"asked for and read: {measure(pipe, weights):.3f}")


if __name__ == "__main__":
    main()
