"""Painting over a part of a picture with a family that has no pipeline for it: the rest is put back at every step.

After Lugmayr et al., arXiv:2201.09865, without going back in time: as the inpainting pipelines of diffusers do it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image

#: The input channels of a UNet that the inpainting pipelines of diffusers take.
_TAKEN = {4, 9}
Hold = Callable[[Any, int, int, Any], None]


def needs_holding(pipe: Any) -> bool:
    """Whether the family's own inpainting pipeline refuses this network."""
    unet = getattr(pipe, "unet", None)
    return unet is not None and unet.config.in_channels not in _TAKEN


def holding(pipe: Any, image: Image.Image, mask: Image.Image, seeds: Sequence[int]) -> Hold:
    """What to call after each step with the scheduler, the steps done and in all, and what the step made."""
    vae, dtype = pipe.vae, pipe.unet.dtype
    pixels = pipe.image_processor.preprocess(image).to(pipe.device, vae.dtype)
    with torch.inference_mode():
        known = (vae.encode(pixels).latent_dist.mode() * vae.config.scaling_factor).to(dtype)
    dice = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    noise = torch.cat([torch.randn(known.shape, generator=die) for die in dice]).to(known)
    share = torch.frombuffer(bytearray(mask.tobytes()), dtype=torch.uint8).view(1, 1, mask.height, mask.width)
    # A latent that stands for any pixel to paint anew is free.
    free = torch.nn.functional.adaptive_max_pool2d(share.float(), known.shape[-2:]).to(known) / 255

    def hold(scheduler: Any, done: int, steps: int, made: Any) -> None:
        latents: Tensor = made[0] if isinstance(made, tuple) else made.prev_sample
        kept = known.expand_as(latents)
        if done < steps:
            after = scheduler.timesteps[len(scheduler.timesteps) - steps + done]
            kept = scheduler.add_noise(kept, noise, after.reshape(1))
        latents.copy_(free * latents + (1 - free) * kept)

    return hold
