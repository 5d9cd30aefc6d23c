"""Models of every form that the engines load: random, a few hundred kilobytes, built in code and saved to folders."""

import io
from collections.abc import Callable
from pathlib import Path

import sentencepiece
import torch
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
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    SpeechT5Config,
    SpeechT5ForTextToSpeech,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    SpeechT5Tokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    VitsConfig,
    VitsModel,
    VitsTokenizer,
)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def build(name: str, folder: Path) -> None:
    """Save the model of that name into a folder."""
    torch.manual_seed(0)
    BUILDERS[name](folder)


def byte_tokenizer(chat: bool) -> PreTrainedTokenizerFast:
    """One token a byte: every text can come out, and a character of several bytes comes in pieces."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={byte: number for number, byte in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>")
    fast.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|assistant|>", "<|system|>"]})
    if chat:
        fast.chat_template = CHAT_TEMPLATE
    return fast


def _gpt2(folder: Path) -> None:
    tokenizer = byte_tokenizer(chat=False)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=96, n_embd=32, n_layer=2, n_head=2,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _llama(folder: Path) -> None:
    tokenizer = byte_tokenizer(chat=True)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=512, bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _clip_tokenizer() -> CLIPTokenizer:
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=77)


def _clip_config(width: int = 32) -> CLIPTextConfig:
    size = len(_clip_tokenizer())
    return CLIPTextConfig(
        vocab_size=size, hidden_size=width, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4,
        projection_dim=width, max_position_embeddings=77, bos_token_id=size - 2, eos_token_id=size - 1,
        pad_token_id=size - 1,
    )  # fmt: skip


def _vae(channels: int, *, flow: bool = False) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=[16, 32], in_channels=3, out_channels=3, latent_channels=channels, norm_num_groups=8,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2, sample_size=32,
        shift_factor=0.06 if flow else None, scaling_factor=1.5 if flow else 0.18215,
        use_quant_conv=not flow, use_post_quant_conv=not flow,
    )  # fmt: skip


def _sd(folder: Path) -> None:
    unet = UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=1, sample_size=16, in_channels=4, out_channels=4,
        norm_num_groups=8, cross_attention_dim=32, attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    StableDiffusionPipeline(
        vae=_vae(4), unet=unet, text_encoder=CLIPTextModel(_clip_config()), tokenizer=_clip_tokenizer(),
        scheduler=DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, prediction_type="v_prediction"),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip


def _sdxl(folder: Path) -> None:
    unet = UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=1, sample_size=16, in_channels=4, out_channels=4,
        norm_num_groups=8, cross_attention_dim=64, attention_head_dim=(2, 4), use_linear_projection=True,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        addition_embed_type="text_time", addition_time_embed_dim=8, transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=80,
    )  # fmt: skip
    StableDiffusionXLPipeline(
        vae=_vae(4), unet=unet, text_encoder=CLIPTextModel(_clip_config()), tokenizer=_clip_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(_clip_config()), tokenizer_2=_clip_tokenizer(),
        scheduler=EulerDiscreteScheduler(beta_schedule="scaled_linear"),
    ).save_pretrained(folder)  # fmt: skip


def _sd3(folder: Path) -> None:
    transformer = SD3Transformer2DModel(
        sample_size=16, patch_size=1, in_channels=16, out_channels=16, num_layers=1, attention_head_dim=8,
        num_attention_heads=4, caption_projection_dim=32, joint_attention_dim=32, pooled_projection_dim=64,
    )  # fmt: skip
    StableDiffusion3Pipeline(
        transformer=transformer, scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0), vae=_vae(16, flow=True),
        text_encoder=CLIPTextModelWithProjection(_clip_config()), tokenizer=_clip_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(_clip_config()), tokenizer_2=_clip_tokenizer(),
        text_encoder_3=None, tokenizer_3=None,
    ).save_pretrained(folder)  # fmt: skip


def _flux(folder: Path) -> None:
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=(4, 4, 8), guidance_embeds=True,
    )  # fmt: skip
    letters = [(chr(code), -1.0) for code in range(97, 123)]
    t5 = T5Tokenizer(vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *letters], extra_ids=0)
    t5_config = T5Config(vocab_size=len(t5), d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    FluxPipeline(
        transformer=transformer, vae=_vae(4, flow=True), text_encoder_2=T5EncoderModel(t5_config), tokenizer_2=t5,
        text_encoder=CLIPTextModel(_clip_config()), tokenizer=_clip_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
    ).save_pretrained(folder)  # fmt: skip


def _vits(folder: Path) -> None:
    letters = "_ abcdefghijklmnopqrstuvwxyz'.,!?"
    folder.mkdir(parents=True)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text("{" + ", ".join(f'"{letter}": {number}' for number, letter in enumerate(letters)) + "}")
    VitsTokenizer(str(vocabulary), phonemize=False, is_uroman=False, pad_token="_").save_pretrained(folder)
    config = VitsConfig(
        vocab_size=len(letters), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=32, flow_size=16,
        spectrogram_bins=9, upsample_initial_channel=16, upsample_rates=[8, 8], upsample_kernel_sizes=[16, 16],
        resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1, 3]], wavenet_dilation_rate=1,
        prior_encoder_num_flows=1, prior_encoder_num_wavenet_layers=1, posterior_encoder_num_wavenet_layers=1,
        duration_predictor_num_flows=2, depth_separable_num_layers=1, sampling_rate=8000,
    )  # fmt: skip
    VitsModel(config).save_pretrained(folder)


def _speecht5(folder: Path) -> None:
    folder.mkdir(parents=True)
    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["abcdefghijklm nopqrstuvwxyz"] * 20), model_writer=pieces, model_type="char",
        vocab_size=40, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (folder / "spm_char.model").write_bytes(pieces.getvalue())
    tokenizer = SpeechT5Tokenizer(str(folder / "spm_char.model"))
    tokenizer.save_pretrained(folder)
    config = SpeechT5Config(
        vocab_size=len(tokenizer), hidden_size=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_mel_bins=20, reduction_factor=2,
        speech_decoder_prenet_units=32, speech_decoder_postnet_units=32, speech_decoder_postnet_layers=2,
        speaker_embedding_dim=8,
    )  # fmt: skip
    SpeechT5ForTextToSpeech(config).save_pretrained(folder)
    vocoder = SpeechT5HifiGanConfig(
        model_in_dim=20, upsample_initial_channel=16, upsample_rates=[4, 4], upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1, 3]],
    )  # fmt: skip
    SpeechT5HifiGan(vocoder).save_pretrained(folder / "vocoder")
    (folder / "voices").mkdir()
    for number, name in enumerate(("anna", "bert")):
        save_file({"embedding": torch.full((8,), float(number))}, folder / "voices" / f"{name}.safetensors")


BUILDERS: dict[str, Callable[[Path], None]] = {
    "tiny-gpt2": _gpt2,
    "tiny-llama": _llama,
    "tiny-sd": _sd,
    "tiny-sdxl": _sdxl,
    "tiny-sd3": _sd3,
    "tiny-flux": _flux,
    "tiny-vits": _vits,
    "tiny-speecht5": _speecht5,
}
