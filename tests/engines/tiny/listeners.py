"""Speech recognition models: they hear two seconds at a time, so that a short sound takes several windows."""

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)

_SECONDS = 2
_SPECIAL = (
    "endoftext", "startoftranscript", "en", "de", "translate", "transcribe", "startoflm", "startofprev", "nospeech",
    "notimestamps",
)  # fmt: skip


def _tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={byte: number for number, byte in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([f"<|{name}|>" for name in _SPECIAL])
    return tokenizer


def _whisper(folder: Path) -> None:
    tokenizer = _tokenizer()
    number = {name: tokenizer.token_to_id(f"<|{name}|>") for name in _SPECIAL}
    config = WhisperConfig(
        vocab_size=len(tokenizer.get_vocab()) + 50 * _SECONDS + 1, num_mel_bins=16, d_model=16, encoder_layers=1,
        decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
        max_source_positions=50 * _SECONDS, max_target_positions=24, bos_token_id=number["endoftext"],
        eos_token_id=number["endoftext"], pad_token_id=number["endoftext"], init_std=0.4,
        decoder_start_token_id=number["startoftranscript"],
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id,
        decoder_start_token_id=config.decoder_start_token_id, max_length=24, is_multilingual=True,
        # Only letters and times: what random weights say is then text.
        suppress_tokens=[*range(32), *range(60, 256), *(number[name] for name in _SPECIAL[1:])],
        begin_suppress_tokens=[number["endoftext"]], no_timestamps_token_id=number["notimestamps"],
        prev_sot_token_id=number["startofprev"],
        lang_to_id={"<|en|>": number["en"], "<|de|>": number["de"]},
        task_to_id={task: number[task] for task in ("transcribe", "translate")},
    )  # fmt: skip
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=16, chunk_length=_SECONDS).save_pretrained(folder)
    WhisperTokenizer(tokenizer_object=tokenizer).save_pretrained(folder)


MODELS = {"tiny-whisper": ("automatic-speech-recognition", _whisper)}
