"""Models that make pictures of noise, without words: GANs and VAEs of our own form, and unconditional diffusion.

A picture's noise comes from its seed alone, drawn on the CPU, so it is the same on every device and in every batch.
Knows no kinds, and nothing of how pictures are kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from diffusers import DiffusionPipeline
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from shared.errors import JobError
from worker.engines.canvases import Size
from worker.engines.loading import check_folder, compute_dtype, read_json, reading, weights_size
from worker.engines.networks.conv_vae import ConvVae
from worker.engines.networks.dcgan import Generator
from worker.engines.networks.shapes import PictureConfig
from worker.engines.schedulers import scheduled
from worker.engines.stepping import stepping

if TYPE_CHECKING:
    from shared.library import ModelSource

_OWN = ("dcgan", "conv_vae")
_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One picture: the noise of a seed, maybe `share` of the way to that of another, and its class if any."""

    seed: int
    label: int | None = None
    towards: int | None = None
    share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to sample. `truncation` shortens the noise of a GAN or VAE; steps and scheduler are diffusion's."""

    truncation: float = 1.0
    steps: int | None = None
    scheduler: str = "default"


class Sampler(Protocol):
    """A loaded model."""

    @property
    def size(self) -> Size:
        """Of every picture."""

    @property
    def classes(self) -> int:
        """How many; 0 where it takes none."""

    @property
    def names(self) -> Mapping[int, str]:
        """The classes that have one."""

    def sample(
        self, draws: Sequence[Draw], sampling: Sampling, on_step: Callable[[int, int], None]
    ) -> list[Image.Image]:
        """The pictures, in one batch. `on_step(done, total)` may raise to end it."""


@dataclass(frozen=True)
class VectorSampler:
    """A network that makes a picture of a vector in one pass: the generator of a GAN, the decoder of a VAE."""

    network: torch.nn.Module
    latent: int
    size: Size
    classes: int
    names: Mapping[int, str]
    device: str

    def sample(
        self, draws: Sequence[Draw], sampling: Sampling, on_step: Callable[[int, int], None]
    ) -> list[Image.Image]:
        """One pass."""
        if sampling.steps is not None or sampling.scheduler != "default":
            raise _no_setting("steps", "A GAN or VAE makes a picture at once: it takes no steps and no scheduler.")
        noise = torch.stack([_noise(draw, (self.latent,), _dice(draw.seed)) for draw in draws])
        with torch.inference_mode():
            made = self.network((noise * sampling.truncation).to(self.device), _labels(draws, self.device))
        on_step(1, 1)
        return _pictures(made)


@dataclass(frozen=True)
class DiffusionSampler:
    """A pipeline of a UNet and a scheduler, run as the pipelines of diffusers run it, with classes where it has any."""

    pipe: Any
    steps: int
    guidance: float
    size: Size
    classes: int
    names: Mapping[int, str]
    device: str

    def sample(
        self, draws: Sequence[Draw], sampling: Sampling, on_step: Callable[[int, int], None]
    ) -> list[Image.Image]:
        """Denoise step by step."""
        if sampling.truncation != 1:
            raise _no_setting("truncation", "A diffusion model takes no truncation.")
        unet, dice = self.pipe.unet, [_dice(draw.seed) for draw in draws]
        shape = (unet.config.in_channels, self.size.height, self.size.width)
        noise = torch.stack([_noise(draw, shape, die) for draw, die in zip(draws, dice, strict=True)])
        labels = _labels(draws, self.device)
        with torch.inference_mode(), scheduled(self.pipe, sampling.scheduler) as scheduler:
            random = {"generator": dice} if "generator" in inspect.signature(scheduler.step).parameters else {}
            scheduler.set_timesteps(sampling.steps or self.steps)
            made = noise.to(self.device, unet.dtype) * scheduler.init_noise_sigma
            with stepping(scheduler, lambda done, total, _: on_step(done, total)):
                for time in scheduler.timesteps:
                    seen = scheduler.scale_model_input(made, time)
                    said = guided(unet, seen, time, labels, none=self.classes, guidance=self.guidance)
                    made = scheduler.step(said, time, made, **random).prev_sample
        return _pictures(made)


def guided(unet: Any, pictures: Tensor, time: Any, labels: Tensor | None, *, none: int, guidance: float) -> Tensor:
    """What the network says of pictures [N, ...] of classes [N], away from what it says of them without one.

    `none` is the class that stands for none (Ho & Salimans, arXiv:2207.12598); guidance 1 does without it.
    """
    if labels is None or guidance == 1:
        said: Tensor = unet(pictures, time, **({} if labels is None else {"class_labels": labels})).sample
        return said
    both = torch.cat([labels, torch.full_like(labels, none)])
    told, untold = unet(torch.cat([pictures, pictures]), time, class_labels=both).sample.chunk(2)
    away: Tensor = untold + guidance * (told - untold)
    return away


def load_sampler(source: ModelSource, device: str) -> Sampler:
    """Load a folder of our own form, or a diffusers pipeline of a UNet and a scheduler."""
    folder = check_folder(source)
    config = read_json(folder / "config.json")
    if config.get("model_type") in _OWN:
        return _load_own(source, config, device)
    index = read_json(folder / "model_index.json")
    parts = {name: part[-1] for name, part in index.items() if isinstance(part, list) and part[0] == "diffusers"}
    if parts.keys() != {"unet", "scheduler"} or parts["unet"] != "UNet2DModel":
        raise JobError("model_unsupported", f"“{source.name}” makes no pictures of noise alone.", field="model")
    with reading(source):
        pipe = DiffusionPipeline.from_pretrained(
            folder, dtype=compute_dtype(device), use_safetensors=True, local_files_only=True
        ).to(device)
    side = pipe.unet.config.sample_size
    height, width = side if isinstance(side, list | tuple) else (side, side)
    names = [str(name) for name in read_json(folder / "atelier.json").get("classes", [])]
    known = pipe.unet.config.num_class_embeds or 0
    # One more than there are names for: the one that stands for none, with which guidance is possible.
    guidable = known == len(names) + 1 > 1
    return DiffusionSampler(
        pipe=pipe,
        steps=int(source.defaults.get("steps", _STEPS)),
        guidance=float(source.defaults.get("guidance", 1.0)) if guidable else 1.0,
        size=Size(width, height),
        classes=known - guidable,
        names=dict(enumerate(names)),
        device=device,
    )


def sampler_size(source: ModelSource) -> int:
    """About how many bytes the loaded model takes: its weights may be 16-bit in the file."""
    return 2 * weights_size(source.folder)


def _load_own(source: ModelSource, data: dict[str, Any], device: str) -> VectorSampler:
    with reading(source):
        config = PictureConfig.read(data)
        whole: Any = Generator(config) if data["model_type"] == "dcgan" else ConvVae(config)
        whole.load_state_dict(load_file(source.folder / "model.safetensors"))
    return VectorSampler(
        network=getattr(whole, "decoder", whole).eval().to(device),
        latent=config.latent,
        size=Size(config.size, config.size),
        classes=len(config.classes),
        names=dict(enumerate(config.classes)),
        device=device,
    )


def _dice(seed: int) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def _noise(draw: Draw, shape: tuple[int, ...], dice: torch.Generator) -> Tensor:
    # One more dimension, as the pipelines draw it for each picture of a batch.
    noise = torch.randn((1, *shape), generator=dice)[0]
    if draw.towards is None:
        return noise
    return _between(noise, torch.randn((1, *shape), generator=_dice(draw.towards))[0], draw.share)


def _between(first: Tensor, last: Tensor, share: float) -> Tensor:
    """A point on the arc from one noise to the other: on the straight line it would be too short to be noise."""
    cosine = torch.nn.functional.cosine_similarity(first.flatten(), last.flatten(), dim=0).clamp(-1, 1)
    angle = cosine.acos()
    if angle < 1e-3:
        return first
    return (((1 - share) * angle).sin() * first + (share * angle).sin() * last) / angle.sin()


def _labels(draws: Sequence[Draw], device: str) -> Tensor | None:
    labels = [draw.label for draw in draws if draw.label is not None]
    return torch.tensor(labels, device=device) if labels else None


def _pictures(made: Tensor) -> list[Image.Image]:
    """Pictures of values in -1 to 1, [N, channels, height, width], with 1 or 3 channels."""
    values = (made.float() / 2 + 0.5).clamp(0, 1).cpu().permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).numpy()
    return [Image.fromarray(value.squeeze(-1) if value.shape[-1] == 1 else value) for value in values]


def _no_setting(field: str, sentence: str) -> JobError:
    return JobError("unsupported_setting", sentence, field=field)
