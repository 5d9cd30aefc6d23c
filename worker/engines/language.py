"""Language models: loading them from safetensors or GGUF, and turning prompts and conversations into tokens.

Does not know how tokens are chosen; that is `decoding`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer

from shared.errors import JobError
from worker.engines.loading import check_folder, compute_dtype, model_file, reading, weights_size

if TYPE_CHECKING:
    from shared.library import ModelSource

#: A 4-bit file grows about this much when its weights become 32-bit numbers.
_GGUF_GROWTH = 6


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model with its tokenizer, ready on a device."""

    model: Any
    tokenizer: Any
    window: int
    ends: frozenset[int]

    @property
    def chats(self) -> bool:
        """Whether the model knows conversations."""
        return bool(self.tokenizer.chat_template)

    def encode(self, text: str) -> torch.Tensor:
        """Plain text as tokens, [1, length]."""
        return self._fit(self.tokenizer(text, return_tensors="pt")["input_ids"])

    def encode_chat(self, messages: Sequence[dict[str, str]], begin: str = "") -> torch.Tensor:
        """A conversation in the model's own form, up to where its answer begins, [1, length].

        `begin` is the answer's beginning, which the model then continues.
        """
        if not self.chats:
            raise JobError("no_chat_template", "This model knows no conversations; send a prompt instead.")
        try:
            text = self.tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
        except TemplateError as error:
            raise JobError("bad_messages", f"This model does not accept the conversation: {error}.") from error
        # The form already holds the special tokens.
        return self._fit(self.tokenizer(text + begin, add_special_tokens=False, return_tensors="pt")["input_ids"])

    def _fit(self, tokens: torch.Tensor) -> torch.Tensor:
        if not tokens.shape[-1]:
            raise JobError("empty_prompt", "Nothing is left of the prompt once it is split into tokens.")
        return tokens.to(dtype=torch.long, device=self.model.device)


def load_language_model(source: ModelSource, device: str) -> LanguageModel:
    """Load a model folder or a GGUF file."""
    if source.file and source.file.endswith(".gguf"):
        folder = unpacked_gguf(source)
    elif source.file:
        raise JobError("model_unsupported", f"“{source.name}” is neither a GGUF file nor a model folder.")
    else:
        folder = check_folder(source)
    with reading(source):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=compute_dtype(device),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    model = model.eval().requires_grad_(False).to(device)
    return LanguageModel(model, tokenizer, _window(model), _end_tokens(model, tokenizer))


def language_model_size(source: ModelSource) -> int:
    """About how many bytes the loaded model takes, told from its files."""
    if source.file:
        return _GGUF_GROWTH * model_file(source, ".gguf").stat().st_size
    return weights_size(source.folder)


def unpacked_gguf(source: ModelSource) -> Path:
    """The folder of the model's weights as 32-bit safetensors; made at the first use, in the source's cache.

    Reading a GGUF file takes half a minute, most of it the vocabulary; the folder takes a second.
    """
    file = model_file(source, ".gguf")
    folder = source.cache / "fp32"
    if (folder / "config.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A folder of this process's own, then one rename: two workers may do this at once, and either may be killed.
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with reading(source):
            _unpack(file, building)
        building.chmod(0o755)
        os.rename(building, folder)
    except OSError:
        if not (folder / "config.json").is_file():
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _unpack(file: Path, folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    tokenizer.save_pretrained(folder)
    packed = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, local_files_only=True
    )
    # transformers refuses to save a model that it loaded from GGUF, so its weights move to one that it did not.
    config = type(packed.config).from_dict(
        {name: value for name, value in packed.config.to_dict().items() if name != "quantization_config"}
    )
    with torch.device("meta"):
        plain = type(packed)(config)
    plain.load_state_dict(packed.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = packed.generation_config
    plain.save_pretrained(folder)


def _window(model: Any) -> int:
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**31)


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    named = model.generation_config.eos_token_id
    ends = list(named) if isinstance(named, list | tuple) else [named]
    return frozenset(int(token) for token in [*ends, tokenizer.eos_token_id] if token is not None)
