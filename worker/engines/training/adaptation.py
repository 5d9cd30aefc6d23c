"""Which weights of a language model learn: all, the top of it, or an adapter beside it; and how it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from peft import (
    AdaLoraConfig,
    IA3Config,
    LoraConfig,
    PeftModel,
    PromptTuningConfig,
    get_peft_model,
    prepare_model_for_kbit_training,
)
from transformers.pytorch_utils import Conv1D

from shared.errors import JobError
from worker.engines.training.ranks import Ranks, stages
from worker.engines.training.state import State

Method = Literal["full", "top_layers", "lora", "dora", "rslora", "qlora", "adalora", "ia3", "prompt_tuning"]
Export = Literal["adapter", "merged"]
#: Dropout goes by other names in every family.
_DROPOUTS = (
    "attention_dropout",
    "attn_pdrop",
    "embd_pdrop",
    "resid_pdrop",
    "hidden_dropout",
    "dropout",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
)


@dataclass(frozen=True)
class Adapting:
    """How a model is to learn. `alpha` scales what an adapter adds; `steps` is the length of the run, for AdaLoRA."""

    method: Method
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    layers: int = 2
    virtual_tokens: int = 16
    prompt: str = ""
    steps: int = 1


class Adapted:
    """A model that is ready to learn."""

    def __init__(self, model: Any, how: Adapting, tokenizer: Any) -> None:
        self.method = how.method
        self.ranks: Ranks | None = None
        if how.method in {"full", "top_layers"}:
            self.model = model
            model.requires_grad_(how.method == "full")
            if how.method == "top_layers":
                _thaw_top(model, how.layers)
            set_dropout(model, how.dropout)
            return
        model.requires_grad_(False)
        self.model = _with_adapter(model, how, tokenizer)
        if how.method == "adalora":
            self.ranks = Ranks(self.model.base_model)

    @property
    def is_adapter(self) -> bool:
        """Whether what learns lies beside the base."""
        return isinstance(self.model, PeftModel)

    def switched_off(self) -> AbstractContextManager[None]:
        """The base as if it had no adapter; a model without one is what it is."""
        off: AbstractContextManager[None] = self.model.disable_adapter() if self.is_adapter else nullcontext()
        return off

    def learning(self) -> dict[str, torch.nn.Parameter]:
        """What changes, by name; weights that are tied come once."""
        return {name: each for name, each in self.model.named_parameters() if each.requires_grad}

    def weights(self) -> State:
        """What has been learned."""
        # Tensors of their own: the best weights must not go on learning.
        found: State = {name: each.detach().clone() for name, each in self.learning().items()}
        return {"weights": found, "ranks": self.ranks.pattern() if self.ranks else None}

    def take(self, weights: Mapping[str, Any]) -> None:
        """Have learned that."""
        with torch.no_grad():
            for name, each in self.learning().items():
                each.copy_(weights["weights"][name])
        if self.ranks:
            self.ranks.take_pattern(weights["ranks"])

    def save(self, folder: Path, tokenizer: Any, base: str, export: Export) -> None:
        """Write what the stock libraries load: an adapter in PEFT's form, or a whole model. The model is spent then.

        Args:
            folder: where to; made if it is not there.
            tokenizer: goes with it, and its chat template.
            base: how the adapter names what it is for.
            export: `merged` makes one model of base and adapter.
        """
        model = self.model
        if self.is_adapter and export == "adapter":
            for config in model.peft_config.values():
                config.base_model_name_or_path = base
                if isinstance(getattr(config, "target_modules", None), set):
                    # In order, which a set has none of: the same training gives the same bytes.
                    config.target_modules = sorted(config.target_modules)
            # Without asking the hub whether the base's vocabulary has grown: it never does here.
            model.save_pretrained(folder, save_embedding_layers=False)
            (folder / "README.md").unlink(missing_ok=True)
        else:
            whole = model.merge_and_unload() if self.is_adapter else model
            whole.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def check_method(method: Method, device: str) -> None:
    """Raises JobError where this machine cannot do that."""
    if method == "qlora" and (not device.startswith("cuda") or find_spec("bitsandbytes") is None):
        raise JobError(
            "needs_gpu",
            "QLoRA needs an NVIDIA GPU and the package bitsandbytes, and this device lacks one of them. Choose LoRA.",
            field="method",
        )


def packs(model: Any, room: int) -> bool:
    """Whether the model keeps examples in one strip apart: tried, since families differ in what they heed.

    A model that looks back only so far has no room for more than that in a strip.
    """
    window = getattr(model.config, "sliding_window", None)
    if getattr(model, "active_peft_config", None) is not None and model.active_peft_config.is_prompt_learning:
        return False
    if window is not None and window < room:
        return False
    count = min(9, model.config.vocab_size)
    tokens = torch.arange(count, device=model.device).repeat(2)[None]
    places = torch.arange(count, device=model.device).repeat(2)[None]
    owner = torch.tensor([0] * count + [1] * count, device=model.device)
    back = torch.ones(2 * count, 2 * count, dtype=torch.bool, device=model.device).tril()
    seen = ((owner[:, None] == owner) & back)[None, None]
    learning = model.training
    model.eval()
    try:
        with torch.no_grad():
            both = model(input_ids=tokens, position_ids=places, attention_mask=as_mask(model, seen)).logits[0]
            alone = model(input_ids=tokens[:, :count]).logits[0]
    except (TypeError, ValueError, RuntimeError, IndexError):
        return False
    finally:
        model.train(learning)
    return torch.allclose(both[count:].float(), alone.float(), atol=2e-3, rtol=1e-2)


def as_mask(model: Any, seen: torch.Tensor) -> torch.Tensor:
    """Who sees whom, as the model's attention wants it: truth values, or what is added to its scores."""
    if model.config._attn_implementation == "sdpa":
        return seen
    least = torch.finfo(model.dtype).min
    return torch.zeros(seen.shape, dtype=model.dtype, device=seen.device).masked_fill(~seen, least)


def _with_adapter(model: Any, how: Adapting, tokenizer: Any) -> Any:
    if how.method == "qlora":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    try:
        adapted = get_peft_model(model, _config(model, how))
    except ValueError as error:
        raise JobError(
            "unsupported_setting", f"This base cannot be trained by {how.method}: {error}", field="method"
        ) from error
    if how.method == "prompt_tuning":
        _begin_with(adapted, tokenizer, how)
    return adapted


def _config(model: Any, how: Adapting) -> Any:
    common: dict[str, Any] = {"task_type": "CAUSAL_LM"}
    if how.method == "prompt_tuning":
        return PromptTuningConfig(num_virtual_tokens=how.virtual_tokens, **common)
    common["fan_in_fan_out"] = any(isinstance(each, Conv1D) for each in model.modules())
    if how.method == "ia3":
        return IA3Config(**common)  # peft knows which modules of a family to scale, as in the paper
    common |= {"target_modules": "all-linear", "lora_alpha": how.alpha, "lora_dropout": how.dropout}
    if how.method == "adalora":
        return AdaLoraConfig(init_r=how.rank, target_r=how.rank // 2, **common, **stages(how.steps))
    return LoraConfig(r=how.rank, use_dora=how.method == "dora", use_rslora=how.method == "rslora", **common)


def _begin_with(adapted: Any, tokenizer: Any, how: Adapting) -> None:
    """Let the virtual tokens begin as words: from random numbers they learn little."""
    words = tokenizer(how.prompt, add_special_tokens=False)["input_ids"]
    if not words:
        raise JobError("empty_prompt", "Write a few words that the virtual tokens begin as.", field="virtual_text")
    chosen = torch.tensor([words[at % len(words)] for at in range(how.virtual_tokens)])
    begin = adapted.get_input_embeddings()(chosen.to(adapted.device)).detach()
    with torch.no_grad():
        adapted.prompt_encoder["default"].embedding.weight.copy_(begin)


def _thaw_top(model: Any, layers: int) -> None:
    """Let the last blocks learn, and what comes after them; a head that is tied to the embedding stays."""
    body = model.base_model
    depth = model.config.get_text_config().num_hidden_layers
    blocks = next(
        (each for each in body.children() if isinstance(each, torch.nn.ModuleList) and len(each) == depth), None
    )
    if blocks is None:
        raise JobError("unsupported_setting", "This base has no layers that could be counted.", field="method")
    for block in list(blocks)[-layers:]:
        block.requires_grad_(True)
    after = [each for each in body.children() if each is not blocks and not _looks_up(each)]
    head = model.get_output_embeddings()
    if head is not None and head.weight is not model.get_input_embeddings().weight:
        after.append(head)
    for each in after:
        each.requires_grad_(True)


def _looks_up(module: torch.nn.Module) -> bool:
    return any(isinstance(each, torch.nn.Embedding) for each in module.modules())


def set_dropout(model: Any, dropout: float) -> None:
    """Drop this share of the signals at random, wherever the model does so at all."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
        if hasattr(module, "attention_dropout") and isinstance(module.attention_dropout, float):
            module.attention_dropout = dropout
    for name in _DROPOUTS:
        if hasattr(model.config, name):
            setattr(model.config, name, dropout)
