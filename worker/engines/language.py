"""Language models: loading them from safetensors or GGUF, and turning prompts and conversations into tokens.

Models that continue a text, and models that read one with an encoder and write another (T5, BART, Marian).

Does not know how tokens are chosen; that is `decoding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from jinja2 import TemplateError
from peft import get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, BitsAndBytesConfig

from shared.errors import JobError
from worker.engines.loading import Models, check_folder, check_task, compute_dtype, model_file, reading, weights_size
from worker.engines.networks import rnn  # noqa: F401 - transformers knows its model type from here on
from worker.engines.tuned import Adapters, adapter_config, fill, is_adapter, own_tokenizer, shares_its_base
from worker.engines.unpacking import unpacked_gguf

if TYPE_CHECKING:
    from shared.library import ModelSource

#: A 4-bit file grows about this much when its weights become 32-bit numbers.
_GGUF_GROWTH = 6


@dataclass(frozen=True)
class LanguageModel:
    """A language model with its tokenizer, ready on a device.

    One that `encodes` reads the prompt with an encoder and begins its answer anew; others continue the prompt.
    """

    model: Any
    tokenizer: Any
    window: int
    ends: frozenset[int]
    encodes: bool = False
    #: The adapters that the model holds besides; see `resident_language_model`.
    adapters: Adapters = field(default_factory=Adapters, compare=False)

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


def resident_language_model(source: ModelSource, models: Models) -> LanguageModel:
    """The model of a source, kept in memory. An adapter lies on its base, which stays there once for all of them.

    What comes back speaks as asked until the next call: adapters on one base take turns.

    Raises:
        JobError: the files are not what they should be, or an adapter's base is missing or another's.
    """
    if not is_adapter(source):
        lm = _resident(source, models)
        lm.adapters.off()
        return lm
    if source.base is None:
        raise JobError("model_broken", f"The adapter “{source.name}” does not say which model it is for.")
    base = check_task(models.model(source.base), source.task)
    if shares_its_base(adapter_config(source)):
        lm = _resident(base, models)
        tokenizer = lm.adapters.on(lm.model, source) or lm.tokenizer
        return replace(lm, tokenizer=tokenizer, ends=_end_tokens(lm.model, tokenizer))
    size = language_model_size(base) + language_model_size(source)
    return models.resident(
        f"{source.key}+{base.key}", lambda: _load_on_base(source, load_language_model(base, models.device)), size
    )


def _resident(source: ModelSource, models: Models) -> LanguageModel:
    size = language_model_size(source)
    return models.resident(source.key, lambda: load_language_model(source, models.device), size)


def _load_on_base(source: ModelSource, lm: LanguageModel) -> LanguageModel:
    """An adapter that changes more than it adds, on a base of its own."""
    check_folder(source)
    with reading(source):
        model = get_peft_model(lm.model, adapter_config(source))
        fill(model, source, "default")
        tokenizer = own_tokenizer(source) if (source.folder / "tokenizer_config.json").is_file() else lm.tokenizer
    return replace(lm, model=model.eval().requires_grad_(False), tokenizer=tokenizer)


def load_language_model(
    source: ModelSource, device: str, dtype: torch.dtype | None = None, *, four_bits: bool = False
) -> LanguageModel:
    """Load a model folder or a GGUF file, in the device's own number format or in `dtype`.

    In `four_bits` it takes a quarter of the memory or less, on a GPU with bitsandbytes, and can only be adapted.
    """
    if source.file and source.file.endswith(".gguf"):
        folder = unpacked_gguf(source)
    elif source.file:
        raise JobError("model_unsupported", f"“{source.name}” is neither a GGUF file nor a model folder.")
    else:
        folder = check_folder(source)
    encodes = source.task == "text2text-generation"
    family = AutoModelForSeq2SeqLM if encodes else AutoModelForCausalLM
    with reading(source):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        loaded: Any = family.from_pretrained(
            folder,
            dtype=dtype or compute_dtype(device),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            **({"quantization_config": _four_bits(), "device_map": device} if four_bits else {}),
        )
    model, report = loaded
    if report["missing_keys"]:  # transformers would fill them with random numbers and say so in its log alone
        raise JobError("model_broken", f"The model “{source.name}” lacks weights: {min(report['missing_keys'])} ….")
    model = model.eval().requires_grad_(False)
    model = model if four_bits else model.to(device)
    window = min(_window(model), tokenizer.model_max_length) if encodes else _window(model)
    return LanguageModel(model, tokenizer, window, _end_tokens(model, tokenizer), encodes)


def _four_bits() -> BitsAndBytesConfig:
    # As QLoRA's authors have it: numbers in four bits that are spread as weights are, and their scales packed too.
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def language_model_size(source: ModelSource) -> int:
    """About how many bytes the loaded model takes, told from its files."""
    if source.file:
        return _GGUF_GROWTH * model_file(source, ".gguf").stat().st_size
    return weights_size(source.folder)


def _window(model: Any) -> int:
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**31)


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    named = model.generation_config.eos_token_id
    ends = list(named) if isinstance(named, list | tuple) else [named]
    return frozenset(int(token) for token in [*ends, tokenizer.eos_token_id] if token is not None)
