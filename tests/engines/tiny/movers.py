"""Text-to-video and image-to-video pipelines, and a motion adapter for a text-to-image one."""

from pathlib import Path
from typing import Any

from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKLCogVideoX,
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    MotionAdapter,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

from tests.engines.tiny.painters import clip_config, clip_tokenizer, vae


def _t5(*, wan: bool = False) -> dict[str, Any]:
    letters = [(chr(code), -1.0) for code in range(97, 123)]
    tokenizer = T5Tokenizer(vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *letters], extra_ids=0)
    sizes = {"vocab_size": len(tokenizer), "d_model": 32, "d_kv": 8, "d_ff": 37, "num_layers": 1, "num_heads": 4}
    encoder = UMT5EncoderModel(UMT5Config(**sizes)) if wan else T5EncoderModel(T5Config(**sizes))
    return {"text_encoder": encoder, "tokenizer": tokenizer}


def _motion() -> MotionAdapter:
    return MotionAdapter(
        block_out_channels=(16, 32), motion_layers_per_block=1, motion_norm_num_groups=8, motion_num_attention_heads=4,
        use_motion_mid_block=False, motion_max_seq_length=24,
    )  # fmt: skip


def _animatediff(folder: Path) -> None:
    unet = UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=1, sample_size=16, in_channels=4, out_channels=4,
        norm_num_groups=8, cross_attention_dim=32, attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    AnimateDiffPipeline(
        unet=unet, motion_adapter=_motion(), vae=vae(4), text_encoder=CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(), scheduler=DDIMScheduler(beta_schedule="linear", clip_sample=False),
    ).save_pretrained(folder)  # fmt: skip


def _adapter(folder: Path) -> None:
    _motion().save_pretrained(folder)


def _cogvideox(folder: Path, *, of_pictures: bool = False) -> None:
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=8 if of_pictures else 4, out_channels=4,
        time_embed_dim=2, text_embed_dim=32, num_layers=1, sample_width=8, sample_height=8, sample_frames=9,
        patch_size=2, temporal_compression_ratio=4, max_text_seq_length=226, use_rotary_positional_embeddings=True,
        use_learned_positional_embeddings=of_pictures,
    )  # fmt: skip
    autoencoder = AutoencoderKLCogVideoX(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1,
        norm_num_groups=2, temporal_compression_ratio=4, sample_height=64, sample_width=64,
        down_block_types=("CogVideoXDownBlock3D",) * 4, up_block_types=("CogVideoXUpBlock3D",) * 4,
    )  # fmt: skip
    cls = CogVideoXImageToVideoPipeline if of_pictures else CogVideoXPipeline
    cls(**_t5(), vae=autoencoder, transformer=transformer, scheduler=CogVideoXDDIMScheduler()).save_pretrained(folder)


def _cogvideox_i2v(folder: Path) -> None:
    _cogvideox(folder, of_pictures=True)


def _ltx(folder: Path) -> None:
    transformer = LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, patch_size=1, patch_size_t=1, num_attention_heads=4, attention_head_dim=8,
        cross_attention_dim=32, num_layers=1, caption_channels=32,
    )  # fmt: skip
    autoencoder = AutoencoderKLLTXVideo(
        in_channels=3, out_channels=3, latent_channels=8, block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8), layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1), spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False), decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4, upsample_factor=(1,) * 4, timestep_conditioning=False, patch_size=1,
        patch_size_t=1, encoder_causal=True, decoder_causal=False,
    )  # fmt: skip
    LTXPipeline(
        **_t5(), vae=autoencoder, transformer=transformer, scheduler=FlowMatchEulerDiscreteScheduler()
    ).save_pretrained(folder)


def _wan_transformer(channels: int, **more: int) -> WanTransformer3DModel:
    return WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=channels, out_channels=16,
        text_dim=32, freq_dim=256, ffn_dim=32, num_layers=2, cross_attn_norm=True, qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32, **more,
    )  # fmt: skip


def _wan_vae() -> AutoencoderKLWan:
    return AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def _wan_scheduler() -> UniPCMultistepScheduler:
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)


def _wan(folder: Path) -> None:
    WanPipeline(
        **_t5(wan=True), vae=_wan_vae(), transformer=_wan_transformer(16), scheduler=_wan_scheduler()
    ).save_pretrained(folder)


def _wan_both(folder: Path) -> None:
    """As Wan 2.2 5B: the same network films a prompt, and a picture."""
    WanPipeline(
        **_t5(wan=True),
        vae=_wan_vae(),
        transformer=_wan_transformer(16),
        scheduler=_wan_scheduler(),
        expand_timesteps=True,
    ).save_pretrained(folder)


def _wan_i2v(folder: Path) -> None:
    eyes = CLIPVisionConfig(
        hidden_size=4, projection_dim=4, num_hidden_layers=2, num_attention_heads=2, image_size=32,
        intermediate_size=16, patch_size=1,
    )  # fmt: skip
    WanImageToVideoPipeline(
        **_t5(wan=True), vae=_wan_vae(), transformer=_wan_transformer(36, image_dim=4), scheduler=_wan_scheduler(),
        image_encoder=CLIPVisionModel(eyes),
        image_processor=CLIPImageProcessor(crop_size=32, size={"shortest_edge": 32}),
    ).save_pretrained(folder)  # fmt: skip


MODELS = {
    "tiny-animatediff": ("text-to-video", _animatediff),
    "tiny-motion": ("text-to-video", _adapter),
    "tiny-cogvideox": ("text-to-video", _cogvideox),
    "tiny-cogvideox-i2v": ("text-to-video", _cogvideox_i2v),
    "tiny-ltx": ("text-to-video", _ltx),
    "tiny-wan": ("text-to-video", _wan),
    "tiny-wan-both": ("text-to-video", _wan_both),
    "tiny-wan-i2v": ("text-to-video", _wan_i2v),
}
