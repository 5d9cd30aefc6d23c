"""Bark, with vocabularies of a few dozen: the numbers that its three models hand each other are all settings."""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BarkConfig, BarkModel, EncodecConfig, PreTrainedTokenizerFast

_MEANINGS, _CODES = 20, 16


def _bark(folder: Path) -> None:
    letters = [*" abcdefghijklmnopqrstuvwxyz.,!?", "[UNK]", "[PAD]"]
    tokenizer = Tokenizer(models.WordLevel({each: number for number, each in enumerate(letters)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)
    size = {"num_layers": 1, "num_heads": 2, "hidden_size": 16, "block_size": 64}
    codec = EncodecConfig(
        sampling_rate=800, target_bandwidths=[2.0], hidden_size=16, num_filters=4, num_residual_layers=1,
        upsampling_ratios=[4, 4], codebook_size=_CODES, codebook_dim=16,
        num_lstm_layers=1, kernel_size=3, last_kernel_size=3,
    )  # fmt: skip
    config = BarkConfig(
        semantic_config={**size, "input_vocab_size": 60, "output_vocab_size": _MEANINGS + 1},
        coarse_acoustics_config={**size, "input_vocab_size": 56, "output_vocab_size": 56},
        fine_acoustics_config={
            **size, "input_vocab_size": _CODES + 1, "output_vocab_size": _CODES, "n_codes_total": 4, "n_codes_given": 1,
        },
        codec_config=codec.to_dict(),
    )  # fmt: skip
    BarkModel(config).save_pretrained(folder)
    settings = {
        "codebook_size": _CODES,
        "sample_rate": 800,
        "semantic_config": {
            "max_new_tokens": 16, "min_new_tokens": 12,
            "semantic_vocab_size": _MEANINGS, "semantic_pad_token": _MEANINGS,
            "eos_token_id": _MEANINGS,
            "text_encoding_offset": _MEANINGS, "text_pad_token": 57,
            "semantic_infer_token": 58, "max_input_semantic_length": 16, "semantic_rate": 10, "do_sample": True,
        },
        "coarse_acoustics_config": {
            "semantic_vocab_size": _MEANINGS, "coarse_semantic_pad_token": 52, "coarse_infer_token": 53,
            "n_coarse_codebooks": 2, "coarse_rate_hz": 15, "max_coarse_input_length": 16, "max_coarse_history": 12,
            "sliding_window_len": 6, "do_sample": True,
        },
        "fine_acoustics_config": {
            "n_fine_codebooks": 4, "max_fine_history_length": 8, "max_fine_input_length": 16, "temperature": 0.5,
        },
    }  # fmt: skip
    (folder / "generation_config.json").write_text(json.dumps(settings))


MODELS = {"tiny-bark": ("text-to-speech", _bark)}
