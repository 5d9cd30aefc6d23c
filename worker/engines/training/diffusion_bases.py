"""A pipeline that is trained further: its parts, what it makes of pictures and captions, each made once.

Latents and words are kept by what they were made of, so that neither the autoencoder nor the text encoder runs in the
loop (kohya's sd-scripts do the same); each is made alone, so that keeping it or making it again gives the same numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from shared.errors import JobError
from worker.engines.diffusion import load_pipeline, own_size, size_multiple
from worker.engines.training.noising import Noising

if TYPE_CHECKING:
    from shared.library import ModelSource

Words = Mapping[str, Tensor]


class Base:
    """A pipeline of a UNet in latents (SD, SDXL and their kin), frozen, on a device."""

    def __init__(self, source: ModelSource, device: str, *, keep: bool = True) -> None:
        """Load it anew: what is trained is nobody else's.

        Raises:
            JobError: it is no such pipeline.
        """
        self.source, self.device = source, device
        self.pipe = load_pipeline(source, device)
        self._keep: dict[str, Any] | None = {} if keep else None
        unet: Any = getattr(self.pipe, "unet", None)
        vae: Any = getattr(self.pipe, "vae", None)
        latents = getattr(getattr(vae, "config", None), "latent_channels", None)
        if unet is None or latents is None or unet.config.in_channels != latents or not hasattr(vae, "encode"):
            raise JobError("model_unsupported", f"“{source.name}” is no model that can be trained here.", field="model")
        if not hasattr(self.pipe, "save_lora_weights") or not hasattr(self.pipe, "encode_prompt"):
            raise JobError("model_unsupported", f"“{source.name}” takes no adapters.", field="model")
        self.unet, self.vae = unet, vae
        for part in self.pipe.components.values():
            if isinstance(part, torch.nn.Module):
                part.requires_grad_(False)

    @property
    def size(self) -> int:
        """The side of the pictures that it was made for."""
        return max(own_size(self.pipe))

    @property
    def multiple(self) -> int:
        """What the side of a picture must be a multiple of."""
        return size_multiple(self.pipe)

    def noising(self, gamma: float | None) -> Noising:
        """The noise that it was trained with."""
        scheduler: Any = DDPMScheduler.from_config(self.pipe.scheduler.config)
        if scheduler.config.prediction_type not in {"epsilon", "v_prediction"}:
            raise JobError("model_unsupported", f"“{self.source.name}” predicts neither noise nor velocity.")
        return Noising.of(scheduler, self.device, gamma)

    def latents(self, pictures: Tensor) -> Tensor:
        """The latents [N, ...] of pictures [N, 3, size, size] in -1 to 1: the middle of what the encoder says."""
        return torch.stack([self._kept("p", picture, self._encode) for picture in pictures]).to(self.device)

    def words(self, captions: Sequence[str]) -> Words:
        """What the captions are to the UNet, [N, ...] each."""
        each = [self._kept("c", caption, self.encode) for caption in captions]
        return {name: torch.cat([one[name] for one in each]).to(self.device) for name in each[0]}

    def encode(self, caption: str) -> dict[str, Tensor]:
        """One caption, [1, ...]: `states`, and where the model wants it `pooled`."""
        made = self.pipe.encode_prompt(
            prompt=caption, device=self.device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        # SDXL's gives states, none, pooled, none.
        return {"states": made[0]} | ({"pooled": made[2]} if len(made) > 2 and made[2] is not None else {})

    def said(self, noisy: Tensor, times: Tensor, words: Words) -> Tensor:
        """What the UNet says of noisy latents [N, ...]."""
        added = None
        if "pooled" in words:
            side = noisy.shape[-1] * 2 ** (len(self.vae.config.block_out_channels) - 1)
            ids = torch.tensor([[side, side, 0, 0, side, side]], device=self.device, dtype=words["pooled"].dtype)
            added = {"text_embeds": words["pooled"], "time_ids": ids.repeat(len(noisy), 1)}
        dtype = self.unet.dtype
        said: Tensor = self.unet(noisy.to(dtype), times, words["states"].to(dtype), added_cond_kwargs=added).sample
        return said

    def _encode(self, picture: Tensor) -> dict[str, Tensor]:
        latents = self.vae.encode(picture[None].to(self.device, self.vae.dtype)).latent_dist.mode()[0].float()
        shift = getattr(self.vae.config, "shift_factor", None) or 0.0
        return {"latents": (latents - shift) * self.vae.config.scaling_factor}

    def _kept(self, sort: str, of: Any, make: Any) -> Any:
        """What `make` gives, from memory where it was made before."""
        content = of.encode() if isinstance(of, str) else of.contiguous().numpy().tobytes()
        key = sort + hashlib.sha256(content).hexdigest()
        if self._keep is not None and key in self._keep:
            return self._keep[key]
        with torch.no_grad():
            made = {name: each.detach().float().cpu() for name, each in make(of).items()}
        found = made["latents"] if sort == "p" else made
        if self._keep is not None:
            self._keep[key] = found
        return found


def side(asked: int | None, base: Base) -> int:
    """The side of the pictures to learn from: the one asked for, or the base's own.

    Raises:
        JobError: the base takes no such pictures.
    """
    found = asked or base.size
    if found % base.multiple:
        told = f"This model needs sizes in steps of {base.multiple} pixels."
        raise JobError("unsupported_setting", told, field="size")
    return found
