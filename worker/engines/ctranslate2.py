"""Whisper models in CTranslate2's form, made into ordinary model folders once, in the source's own cache.

So they run in torch on every device, without a second runtime. Of `model.bin` (CTranslate2's `model_spec.py`): little
numbers first, all strings with their length before them and a zero at their end; a version, the model's form and its
revision; the variables, each a name, a shape, a number format and its bytes; last, second names of variables. Weights
of 8 or 16 whole bits are not read.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)

from shared.errors import JobError
from worker.engines.loading import read_json, reading
from worker.engines.unpacking import built_once

if TYPE_CHECKING:
    from shared.library import ModelSource

FILE = "model.bin"
_VERSION = 6
_FORMATS = {0: torch.float32, 1: torch.int8, 2: torch.int16, 3: torch.int32, 4: torch.float16, 5: torch.bfloat16}
#: What a layer's parts are called there and here; a part of several there is several here.
_PARTS = {
    "self_attention/layer_norm": ["self_attn_layer_norm"],
    "self_attention/linear_0": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "self_attention/linear_1": ["self_attn.out_proj"],
    "attention/layer_norm": ["encoder_attn_layer_norm"],
    "attention/linear_0": ["encoder_attn.q_proj"],
    "attention/linear_1": ["encoder_attn.k_proj", "encoder_attn.v_proj"],
    "attention/linear_2": ["encoder_attn.out_proj"],
    "ffn/layer_norm": ["final_layer_norm"],
    "ffn/linear_0": ["fc1"],
    "ffn/linear_1": ["fc2"],
}
_LAYER = re.compile(r"(encoder|decoder)/layer_(\d+)/(.+)/(weight|bias|gamma|beta)")
_WHOLE = {
    "encoder/conv1": "encoder.conv1",
    "encoder/conv2": "encoder.conv2",
    "encoder/position_encodings": "encoder.embed_positions",
    "encoder/layer_norm": "encoder.layer_norm",
    "decoder/embeddings": "decoder.embed_tokens",
    "decoder/position_encodings": "decoder.embed_positions",
    "decoder/layer_norm": "decoder.layer_norm",
}
_KINDS = {"gamma": "weight", "beta": "bias", "encodings": "weight"}


def is_ctranslate2(folder: Path) -> bool:
    """Whether this is a folder of CTranslate2's form."""
    path = folder / FILE
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == struct.pack("<I", _VERSION)


def unpacked_whisper(source: ModelSource) -> Path:
    """The folder of 32-bit safetensors made of the source's CTranslate2 folder."""
    return built_once(source.cache / "fp32", lambda folder: _unpack(source, folder))


def read_variables(path: Path) -> tuple[str, dict[str, Tensor]]:
    """The form of the model in a file (`WhisperSpec`), and its variables by name.

    Raises:
        ValueError: it is cut off, or of another version or number format.
    """
    with path.open("rb") as file:
        (version,) = _numbers(file, "I")
        if version != _VERSION:
            raise ValueError(f"Its file is of version {version}; version {_VERSION} is read here.")
        form = _text(file)
        _, count = _numbers(file, "II")
        return form, dict(_variable(file) for _ in range(count))


def whisper_weights(variables: dict[str, Tensor]) -> dict[str, Tensor]:
    """The variables of a Whisper model under the names that transformers gives them, in 32 bits."""
    weights: dict[str, Tensor] = {}
    for name, value in variables.items():
        for named, part in _renamed(name, value):
            weights[f"model.{named}"] = part.float().contiguous()
    weights["proj_out.weight"] = weights["model.decoder.embed_tokens.weight"]
    return weights


def _renamed(name: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    if not value.is_floating_point():
        if value.dtype == torch.int8 and value.ndim > 1:
            raise ValueError("Its weights are whole numbers; only 16- and 32-bit ones with a point are read here.")
        return  # a setting, such as the number of heads
    whole, _, kind = name.rpartition("/")
    if whole in _WHOLE:
        yield f"{_WHOLE[whole]}.{_KINDS.get(kind, kind)}", value
    elif match := _LAYER.fullmatch(name):
        side, number, part, kind = match.groups()
        names = _PARTS[part]
        for to, piece in zip(names, value.chunk(len(names)), strict=True):
            if not (to.endswith("k_proj") and kind == "bias"):  # there all zeros, and here it has none
                yield f"{side}.layers.{number}.{to}.{_KINDS.get(kind, kind)}", piece


def _unpack(source: ModelSource, folder: Path) -> None:
    with reading(source):
        form, variables = read_variables(source.folder / FILE)
        if form != "WhisperSpec":
            raise JobError("model_unsupported", f"“{source.name}” is a {form} of CTranslate2, not a Whisper model.")
        tokenizer = Tokenizer.from_file(str(source.folder / "tokenizer.json"))
        weights, config = whisper_weights(variables), _config(variables, tokenizer)
        with torch.device("meta"):
            model = WhisperForConditionalGeneration(config)
        model.load_state_dict(weights, assign=True)
        model.tie_weights()
        model.generation_config = _generation(read_json(source.folder / "config.json"), tokenizer, config)
        model.save_pretrained(folder)
        WhisperFeatureExtractor(feature_size=config.num_mel_bins).save_pretrained(folder)
        WhisperTokenizer(tokenizer_object=tokenizer).save_pretrained(folder)


def _config(variables: dict[str, Tensor], tokenizer: Tokenizer) -> WhisperConfig:
    conv, embeddings = variables["encoder/conv1/weight"], variables["decoder/embeddings/weight"]
    layers = {side: 1 + max(int(m[2]) for m in map(_LAYER.fullmatch, variables) if m and m[1] == side)
              for side in ("encoder", "decoder")}  # fmt: skip
    start, end = (_token(tokenizer, name) for name in ("startoftranscript", "endoftext"))
    return WhisperConfig(
        vocab_size=embeddings.shape[0],
        num_mel_bins=conv.shape[1],
        d_model=conv.shape[0],
        encoder_layers=layers["encoder"],
        decoder_layers=layers["decoder"],
        encoder_attention_heads=int(variables["encoder/num_heads"]),
        decoder_attention_heads=int(variables["decoder/num_heads"]),
        encoder_ffn_dim=variables["encoder/layer_0/ffn/linear_0/weight"].shape[0],
        decoder_ffn_dim=variables["decoder/layer_0/ffn/linear_0/weight"].shape[0],
        max_source_positions=variables["encoder/position_encodings/encodings"].shape[0],
        max_target_positions=variables["decoder/position_encodings/encodings"].shape[0],
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
    )


def _generation(settings: dict[str, Any], tokenizer: Tokenizer, config: WhisperConfig) -> GenerationConfig:
    languages = {token: number for token, number in tokenizer.get_vocab().items() if _is_language(token)}
    # English alone: 51,864 tokens, one fewer than the models of many languages have.
    many = config.vocab_size > 51_864
    tasks = {task: _token(tokenizer, task) for task in ("transcribe", "translate")} if many else {}
    return GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        decoder_start_token_id=config.decoder_start_token_id,
        max_length=config.max_target_positions,
        suppress_tokens=settings.get("suppress_ids"),
        begin_suppress_tokens=settings.get("suppress_ids_begin"),
        alignment_heads=settings.get("alignment_heads"),
        no_timestamps_token_id=tokenizer.token_to_id("<|notimestamps|>"),
        prev_sot_token_id=tokenizer.token_to_id("<|startofprev|>"),
        is_multilingual=many,
        return_timestamps=False,
        **({"lang_to_id": languages, "task_to_id": tasks} if many else {}),
    )


def _token(tokenizer: Tokenizer, name: str) -> int:
    number = tokenizer.token_to_id(f"<|{name}|>")
    if number is None:
        raise ValueError(f"Its vocabulary has no “{name}”.")
    return int(number)


def _is_language(token: str) -> bool:
    return re.fullmatch(r"<\|[a-z]{2,3}\|>", token) is not None


def _variable(file: BinaryIO) -> tuple[str, Tensor]:
    name = _text(file)
    (rank,) = _numbers(file, "B")
    shape = _numbers(file, f"{rank}I")
    form, size = _numbers(file, "BI")
    if form not in _FORMATS:
        raise ValueError(f"Its variable {name} has a number format that is not known here.")
    return name, torch.frombuffer(bytearray(_take(file, size)), dtype=_FORMATS[form]).reshape(shape)


def _text(file: BinaryIO) -> str:
    (length,) = _numbers(file, "H")
    return _take(file, length)[:-1].decode("utf-8")


def _numbers(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(f"<{form}", _take(file, struct.calcsize(f"<{form}")))


def _take(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise ValueError("Its file ends too early.")
    return data
