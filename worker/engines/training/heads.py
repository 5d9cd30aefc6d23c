"""A reading model with a new head: labels of texts, or of the words of texts, on top of an encoder of the library."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

from shared.errors import JobError
from worker.engines.loading import check_folder, reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.library import ModelSource

Method = Literal["lora", "full", "top_layers", "head"]
_CLASSES = {
    "text-classification": AutoModelForSequenceClassification,
    "token-classification": AutoModelForTokenClassification,
}
_HEADS = ("classifier", "pooler", "score", "pre_classifier")


@dataclass(frozen=True)
class Adapting:
    """How much of the base is trained: a LoRA beside every layer, everything, the top layers, or the head alone."""

    method: Method = "lora"
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    top_layers: int = 2


@dataclass(frozen=True)
class Headed:
    """A base with a fresh head for these labels, its tokenizer, and the tokens that it holds."""

    model: Any
    tokenizer: Any
    labels: tuple[str, ...]
    window: int
    adapting: Adapting


def load_headed(
    base: ModelSource, task: str, labels: Sequence[str], adapting: Adapting, max_length: int, device: str
) -> Headed:
    """Load a base anew and put a head on it; the head is drawn from torch's dice.

    Raises:
        JobError: the base cannot be loaded, or its tokenizer cannot say where words are.
    """
    folder = check_folder(base)
    names = dict(enumerate(labels))
    with reading(base):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        config = AutoConfig.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, id2label=names,
            label2id={name: number for number, name in names.items()},
        )  # fmt: skip
        model = _CLASSES[task].from_pretrained(
            folder, config=config, dtype=torch.float32, use_safetensors=True, trust_remote_code=False,
            local_files_only=True,
        )  # fmt: skip
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise JobError("model_unsupported", f"The tokenizer of “{base.name}” knows no places in texts, or no padding.")
    model = _adapted(model, task, adapting).to(device)
    positions = getattr(config, "max_position_embeddings", None) or max_length
    window = min(max_length, positions - 2, tokenizer.model_max_length)
    return Headed(model, tokenizer, tuple(labels), int(window), adapting)


def save_headed(headed: Headed, folder: Path, base: ModelSource) -> bool:
    """Save what the stock libraries load: an adapter in PEFT's layout, or a whole model; whether it needs its base."""
    headed.tokenizer.save_pretrained(folder)
    if headed.adapting.method != "lora":
        headed.model.save_pretrained(folder)
        return False
    headed.model.save_pretrained(folder)
    headed.model.get_base_model().config.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    # Not this machine's folder; and in order, since a set has none and the same training gives the same bytes.
    config["base_model_name_or_path"] = base.pinned
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2) + "\n")
    return True


def _adapted(model: Any, task: str, adapting: Adapting) -> Any:
    heads = [name for name, _ in model.named_modules() if name.rpartition(".")[2] in _HEADS]
    if adapting.method == "full":
        return model
    if adapting.method == "lora":
        config = LoraConfig(
            task_type="SEQ_CLS" if task == "text-classification" else "TOKEN_CLS", r=adapting.rank,
            lora_alpha=adapting.alpha, lora_dropout=adapting.dropout, target_modules=_linears(model),
            modules_to_save=sorted({name.rpartition(".")[2] for name in heads}),
        )  # fmt: skip
        return get_peft_model(model, config)
    model.requires_grad_(requires_grad=False)
    trained = list(heads)
    if adapting.method == "top_layers":
        trained += _blocks(model)[-adapting.top_layers :]
    for name in trained:
        model.get_submodule(name).requires_grad_(requires_grad=True)
    return model


def _blocks(model: Any) -> list[str]:
    """The layers of the encoder, lowest first: the members of its longest list of modules."""
    lists = [(name, each) for name, each in model.named_modules() if isinstance(each, torch.nn.ModuleList)]
    if not lists:
        raise JobError("model_unsupported", "The layers of this base cannot be told apart. Train it whole, or a LoRA.")
    name, longest = max(lists, key=lambda each: len(each[1]))
    return [f"{name}.{number}" for number in range(len(longest))]


def _linears(model: Any) -> list[str]:
    """The ends of the names of all linear layers within the blocks."""
    blocks = tuple(f"{name}." for name in _blocks(model))
    return sorted(
        {
            name.rpartition(".")[2]
            for name, each in model.named_modules()
            if isinstance(each, torch.nn.Linear) and name.startswith(blocks)
        }
    )
