"""Text-to-image pipelines."""

from pathlib import Path

from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)


def clip_tokenizer() -> CLIPTokenizer:
    """One token a character."""
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=77)


def clip_config(width: int = 32) -> CLIPTextConfig:
    """A text encoder of that width."""
    size = len(clip_tokenizer())
    return CLIPTextConfig(
        vocab_size=size, hidden_size=width, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4,
        projection_dim=width, max_position_embeddings=77, bos_token_id=size - 2, eos_token_id=size - 1,
        pad_token_id=size - 1,
    )  # fmt: skip


def vae(channels: int, *, flow: bool = False) -> AutoencoderKL:
    """An autoencoder with that many latent channels, halving the sides once."""
    return AutoencoderKL(
        block_out_channels=[16, 32], in_channels=3, out_channels=3, latent_channels=channels, norm_num_groups=8,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2, sample_size=32,
        shift_factor=0.06 if flow else None, scaling_factor=1.5 if flow else 0.18215,
        use_quant_conv=not flow, use_post_quant_conv=not flow,
    )  # fmt: skip


def sd_unet(channels: int = 4) -> UNet2DConditionModel:
    """The network of `tiny-sd`, or one for an autoencoder with other channels."""
    return UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=1, sample_size=16, in_channels=channels, out_channels=channels,
        norm_num_groups=8, cross_attention_dim=32, attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip


def sd_pipeline(folder: Path, channels: int = 4) -> None:
    """Save a Stable Diffusion of that many latent channels."""
    StableDiffusionPipeline(
        unet=sd_unet(channels), vae=vae(channels), text_encoder=CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(),
        scheduler=DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, prediction_type="v_prediction"),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip


def sdxl_unet() -> UNet2DConditionModel:
    """The network of `tiny-sdxl`."""
    return UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=1, sample_size=16, in_channels=4, out_channels=4,
        norm_num_groups=8, cross_attention_dim=64, attention_head_dim=(2, 4), use_linear_projection=True,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        addition_embed_type="text_time", addition_time_embed_dim=8, transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=80,
    )  # fmt: skip


def _sdxl(folder: Path) -> None:
    StableDiffusionXLPipeline(
        unet=sdxl_unet(), vae=vae(4), text_encoder=CLIPTextModel(clip_config()), tokenizer=clip_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(clip_config()), tokenizer_2=clip_tokenizer(),
        scheduler=EulerDiscreteScheduler(beta_schedule="scaled_linear"),
    ).save_pretrained(folder)  # fmt: skip


def sd3_transformer() -> SD3Transformer2DModel:
    """The network of `tiny-sd3`."""
    return SD3Transformer2DModel(
        sample_size=16, patch_size=1, in_channels=16, out_channels=16, num_layers=1, attention_head_dim=8,
        num_attention_heads=4, caption_projection_dim=32, joint_attention_dim=32, pooled_projection_dim=64,
    )  # fmt: skip


def _sd3(folder: Path) -> None:
    StableDiffusion3Pipeline(
        transformer=sd3_transformer(), scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0), vae=vae(16, flow=True),
        text_encoder=CLIPTextModelWithProjection(clip_config()), tokenizer=clip_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(clip_config()), tokenizer_2=clip_tokenizer(),
        text_encoder_3=None, tokenizer_3=None,
    ).save_pretrained(folder)  # fmt: skip


def flux_transformer() -> FluxTransformer2DModel:
    """The network of `tiny-flux`."""
    return FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=(4, 4, 8), guidance_embeds=True,
    )  # fmt: skip


def t5_tokenizer() -> T5Tokenizer:
    """One token a small letter."""
    letters = [(chr(code), -1.0) for code in range(97, 123)]
    return T5Tokenizer(vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *letters], extra_ids=0)


def t5_encoder() -> T5EncoderModel:
    """A text encoder of one layer."""
    return T5EncoderModel(
        T5Config(vocab_size=len(t5_tokenizer()), d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    )


def _flux(folder: Path) -> None:
    FluxPipeline(
        transformer=flux_transformer(), vae=vae(4, flow=True), text_encoder_2=t5_encoder(), tokenizer_2=t5_tokenizer(),
        text_encoder=CLIPTextModel(clip_config()), tokenizer=clip_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
    ).save_pretrained(folder)  # fmt: skip


MODELS = {
    "tiny-sd": ("text-to-image", sd_pipeline),
    "tiny-sdxl": ("text-to-image", _sdxl),
    "tiny-sd3": ("text-to-image", _sd3),
    "tiny-flux": ("text-to-image", _flux),
}
