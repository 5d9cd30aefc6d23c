"""Painters of further families, and what steers painters: ControlNets, LoRA adapters, an IP-Adapter."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    DPMSolverMultistepScheduler,
    FluxControlNetModel,
    FluxPipeline,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SD3ControlNetModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.engines.tiny.painters import (
    flux_transformer,
    sd3_transformer,
    sd_pipeline,
    sd_unet,
    sdxl_unet,
    t5_encoder,
    t5_tokenizer,
    vae,
)

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]


def _pixart(pipeline: type[Any]) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        transformer = PixArtTransformer2DModel(
            sample_size=16, patch_size=2, in_channels=4, out_channels=8, num_layers=1, attention_head_dim=8,
            num_attention_heads=4, caption_channels=32, cross_attention_dim=32, use_additional_conditions=False,
        )  # fmt: skip
        pipeline(
            transformer=_awake(transformer), vae=vae(4), text_encoder=t5_encoder(), tokenizer=t5_tokenizer(),
            scheduler=DPMSolverMultistepScheduler(),
        ).save_pretrained(folder)  # fmt: skip

    return save


def _dit(folder: Path) -> None:
    transformer = DiTTransformer2DModel(
        sample_size=16, patch_size=2, in_channels=4, out_channels=8, num_layers=1, attention_head_dim=8,
        num_attention_heads=4, num_embeds_ada_norm=1000,
    )  # fmt: skip
    small: AutoencoderKL = vae(4)
    DiTPipeline(transformer=_awake(transformer), vae=small, scheduler=DDIMScheduler()).save_pretrained(folder)
    index = json.loads(
        (folder / "model_index.json").read_text()
    )  # the pipeline keeps its names, but does not save them
    index["id2label"] = {"0": "tench, Tinca tinca", "1": "goldfish", "2": "great white shark"}
    (folder / "model_index.json").write_text(json.dumps(index))


def _awake(network: Any) -> Any:
    """The network without zeros where it begins with zeros: as if it had learnt to heed what steers it."""
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.2)
    return network


def _controlnet(made: Callable[[], Any]) -> Callable[[Path], None]:
    return lambda folder: _awake(made()).save_pretrained(folder)


def _lora(pipeline: type[Any], network: Callable[[], Any], part: str, targets: list[str]) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        steered = network()
        steered.add_adapter(LoraConfig(r=4, lora_alpha=16, init_lora_weights=False, target_modules=targets))
        layers = get_peft_model_state_dict(steered)
        metadata = {f"{part}_lora_adapter_metadata": steered.peft_config["default"].to_dict()}
        pipeline.save_lora_weights(folder, **{f"{part}_lora_layers": layers}, **metadata)

    return save


def _ip_adapter(folder: Path) -> None:
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=37, num_hidden_layers=1, num_attention_heads=4, image_size=32, patch_size=8,
        projection_dim=24,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(folder / "image_encoder")
    wide = sd_unet().config.cross_attention_dim
    state = {
        "image_proj.proj.weight": torch.randn(4 * wide, 24) / 4,
        "image_proj.proj.bias": torch.zeros(4 * wide),
        "image_proj.norm.weight": torch.ones(wide),
        "image_proj.norm.bias": torch.zeros(wide),
    }
    layers = [
        module.to_q.out_features
        for name, module in sd_unet().named_modules()
        if name.endswith("attn2")
    ]  # fmt: skip
    for number, out in enumerate(layers):
        for half in ("to_k_ip", "to_v_ip"):
            state[f"ip_adapter.{2 * number + 1}.{half}.weight"] = torch.randn(out, wide) / 4
    save_file(state, folder / "ip-adapter.safetensors")


_FLUX_CONTROL = {"num_layers": 1, "num_single_layers": 0, "attention_head_dim": 16, "num_attention_heads": 2}

MODELS = {
    "tiny-pixart": ("text-to-image", _pixart(PixArtAlphaPipeline)),
    "tiny-pixart-sigma": ("text-to-image", _pixart(PixArtSigmaPipeline)),
    "tiny-sd-wide": ("text-to-image", lambda folder: sd_pipeline(folder, 8)),
    "tiny-dit": ("text-to-image", _dit),
    "tiny-control-sd": ("controlnet", _controlnet(lambda: ControlNetModel.from_unet(
        sd_unet(), conditioning_embedding_out_channels=(4, 8)))),
    "tiny-control-sdxl": ("controlnet", _controlnet(lambda: ControlNetModel.from_unet(
        sdxl_unet(), conditioning_embedding_out_channels=(4, 8)))),
    "tiny-control-sd3": ("controlnet", _controlnet(lambda: SD3ControlNetModel(
        sample_size=16, patch_size=1, in_channels=16, num_layers=1, attention_head_dim=8, num_attention_heads=4,
        caption_projection_dim=32, joint_attention_dim=32, pooled_projection_dim=64))),
    "tiny-control-flux": ("controlnet", _controlnet(lambda: FluxControlNetModel.from_transformer(
        flux_transformer(), **_FLUX_CONTROL))),
    "tiny-lora-sd": ("image-adapter", _lora(StableDiffusionPipeline, sd_unet, "unet", ATTENTION)),
    "tiny-lora-sd-conv": ("image-adapter", _lora(StableDiffusionPipeline, sd_unet, "unet", [*ATTENTION, "conv1"])),
    "tiny-lora-sdxl": ("image-adapter", _lora(StableDiffusionXLPipeline, sdxl_unet, "unet", ATTENTION)),
    "tiny-lora-sd3": ("image-adapter", _lora(StableDiffusion3Pipeline, sd3_transformer, "transformer", ATTENTION)),
    "tiny-lora-flux": ("image-adapter", _lora(FluxPipeline, flux_transformer, "transformer", ATTENTION)),
    "tiny-ip-adapter": ("image-adapter", _ip_adapter),
}  # fmt: skip
