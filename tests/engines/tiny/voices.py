"""Speech models."""

import io
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from transformers import (
    SpeechT5Config,
    SpeechT5ForTextToSpeech,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    SpeechT5Tokenizer,
    VitsConfig,
    VitsModel,
    VitsTokenizer,
)


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


MODELS = {"tiny-vits": ("text-to-speech", _vits), "tiny-speecht5": ("text-to-speech", _speecht5)}
