"""Music models."""

from pathlib import Path

from diffusers import (
    AudioLDM2Pipeline,
    AudioLDM2ProjectionModel,
    AudioLDM2UNet2DConditionModel,
    AutoencoderKL,
    AutoencoderOobleck,
    DDIMScheduler,
    EDMDPMSolverMultistepScheduler,
    StableAudioDiTModel,
    StableAudioPipeline,
    StableAudioProjectionModel,
)
from transformers import (
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
    EncodecConfig,
    GPT2Config,
    GPT2LMHeadModel,
    MusicgenConfig,
    MusicgenDecoderConfig,
    MusicgenForConditionalGeneration,
    RobertaTokenizer,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)


def _t5_tokenizer() -> T5Tokenizer:
    letters = [(chr(code), -1.0) for code in range(97, 123)]
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *letters]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=32)


def _t5_config() -> T5Config:
    return T5Config(vocab_size=len(_t5_tokenizer()), d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4)


def _musicgen(folder: Path) -> None:
    codec = EncodecConfig(
        sampling_rate=800, target_bandwidths=[1.0], hidden_size=16, num_filters=4, num_residual_layers=1,
        upsampling_ratios=[4, 4], codebook_size=16, codebook_dim=16, num_lstm_layers=1,
    )  # fmt: skip
    decoder = MusicgenDecoderConfig(
        vocab_size=16, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, ffn_dim=32, num_codebooks=2,
        pad_token_id=16, bos_token_id=16, max_position_embeddings=256,
    )  # fmt: skip
    config = MusicgenConfig(
        text_encoder=_t5_config().to_dict(), audio_encoder=codec.to_dict(), decoder=decoder.to_dict()
    )
    model = MusicgenForConditionalGeneration(config)
    model.generation_config.update(
        do_sample=True, guidance_scale=3.0, max_length=100, pad_token_id=16, bos_token_id=16, decoder_start_token_id=16
    )
    model.save_pretrained(folder)
    _t5_tokenizer().save_pretrained(folder)


def _stable_audio(folder: Path) -> None:
    StableAudioPipeline(
        transformer=StableAudioDiTModel(
            sample_size=64, in_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=4,
            num_key_value_attention_heads=2, out_channels=4, cross_attention_dim=32, time_proj_dim=16,
            global_states_input_dim=64, cross_attention_input_dim=32,
        ),
        vae=AutoencoderOobleck(
            encoder_hidden_size=6, downsampling_ratios=[2, 4], decoder_channels=6, decoder_input_channels=4,
            audio_channels=2, channel_multiples=[1, 2], sampling_rate=400,
        ),
        text_encoder=T5EncoderModel(_t5_config()), tokenizer=_t5_tokenizer(),
        projection_model=StableAudioProjectionModel(
            text_encoder_dim=32, conditioning_dim=32, min_value=0, max_value=32
        ),
        scheduler=EDMDPMSolverMultistepScheduler(solver_order=2, prediction_type="v_prediction"),
    ).save_pretrained(folder)  # fmt: skip


def _audioldm2(folder: Path) -> None:
    letters = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *(chr(code) for code in range(97, 123)), "Ġ"]
    roberta = RobertaTokenizer(
        vocab={word: number for number, word in enumerate(letters)}, merges=[], model_max_length=77
    )
    text = ClapTextConfig(
        vocab_size=len(letters), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=37,
        max_position_embeddings=80, projection_dim=16, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    audio = ClapAudioConfig(
        spec_size=64, window_size=4, num_mel_bins=64, intermediate_size=37, depths=[1, 1],
        num_attention_heads=[1, 1], num_hidden_layers=2, hidden_size=192, patch_size=2, patch_stride=2,
        patch_embed_input_channels=4, projection_dim=16, patch_embeds_hidden_size=96,
    )  # fmt: skip
    AudioLDM2Pipeline(
        unet=AudioLDM2UNet2DConditionModel(
            block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=8, sample_size=32, in_channels=4,
            out_channels=4, cross_attention_dim=[[None, 16, 32]] * 2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=4,
        ),
        vae=AutoencoderKL(
            block_out_channels=[8, 16], in_channels=1, out_channels=1, norm_num_groups=8, latent_channels=4,
            down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
        ),
        text_encoder=ClapModel(ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=16)),
        text_encoder_2=T5EncoderModel(_t5_config()), tokenizer=roberta, tokenizer_2=_t5_tokenizer(),
        language_model=GPT2LMHeadModel(GPT2Config(n_embd=16, n_head=2, n_layer=1, vocab_size=50, n_positions=99)),
        projection_model=AudioLDM2ProjectionModel(text_encoder_dim=16, text_encoder_1_dim=32, langauge_model_dim=16),
        feature_extractor=ClapFeatureExtractor(feature_size=64, sampling_rate=16_000, hop_length=480, max_length_s=1),
        vocoder=SpeechT5HifiGan(
            SpeechT5HifiGanConfig(
                model_in_dim=8, sampling_rate=16_000, upsample_initial_channel=16, upsample_rates=[2, 2],
                upsample_kernel_sizes=[4, 4], resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1, 3]],
                normalize_before=False,
            )
        ),
        scheduler=DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False),
    ).save_pretrained(folder)  # fmt: skip


MODELS = {
    "tiny-musicgen": ("text-to-audio", _musicgen),
    "tiny-stable-audio": ("text-to-audio", _stable_audio),
    "tiny-audioldm2": ("text-to-audio", _audioldm2),
}
