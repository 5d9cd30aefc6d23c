"""Models that make pictures of noise."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from safetensors.torch import save_file
from torch import nn

from worker.engines.networks.conv_vae import ConvVae
from worker.engines.networks.dcgan import Generator
from worker.engines.networks.shapes import PictureConfig

NAMES = ("cat", "dog", "Canis lupus, wolf")


def _own(kind: str, network: type[nn.Module], config: PictureConfig) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        folder.mkdir(parents=True)
        save_file(network(config).state_dict(), folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps({"model_type": kind} | asdict(config)))

    return save


def _unet(channels: int, classes: int | None = None) -> UNet2DModel:
    return UNet2DModel(
        sample_size=16, in_channels=channels, out_channels=channels, block_out_channels=(8, 16), layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"), norm_num_groups=4,
        add_attention=False, num_class_embeds=classes,
    )  # fmt: skip


def _ddpm(folder: Path) -> None:
    DDPMPipeline(unet=_unet(3), scheduler=DDPMScheduler()).save_pretrained(folder)


def _ddim(folder: Path) -> None:
    DDIMPipeline(unet=_unet(1), scheduler=DDIMScheduler()).save_pretrained(folder)


def _classes(folder: Path) -> None:
    DDIMPipeline(unet=_unet(3, len(NAMES)), scheduler=DDIMScheduler()).save_pretrained(folder)
    (folder / "atelier.json").write_text(json.dumps({"classes": NAMES, "defaults": {"steps": 4}}))


_GREY = PictureConfig(size=16, channels=1, latent=8, width=8)
_COLOUR = PictureConfig(size=16, channels=3, latent=8, width=8, classes=NAMES)
_TASK = "unconditional-image-generation"

MODELS = {
    "tiny-gan": (_TASK, _own("dcgan", Generator, _GREY)),
    "tiny-gan-classes": (_TASK, _own("dcgan", Generator, _COLOUR)),
    "tiny-vae": (_TASK, _own("conv_vae", ConvVae, _GREY)),
    "tiny-vae-classes": (_TASK, _own("conv_vae", ConvVae, _COLOUR)),
    "tiny-ddpm": (_TASK, _ddpm),
    "tiny-ddim": (_TASK, _ddim),
    "tiny-ddim-classes": (_TASK, _classes),
}
