"""BERT-like models that read texts: to vectors, to labels of a text, to labels of its tokens.

A model is a folder of its own, or a LoRA adapter with a head on top of another model's folder. Knows no tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftConfig, PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from shared.errors import JobError
from worker.engines.loading import Models, check_folder, compute_dtype, read_json, reading, weights_size

if TYPE_CHECKING:
    from pathlib import Path

    from shared.library import ModelSource

_CLASSES = {
    "feature-extraction": AutoModel,
    "text-classification": AutoModelForSequenceClassification,
    "token-classification": AutoModelForTokenClassification,
}
_LOADING = {"use_safetensors": True, "trust_remote_code": False, "local_files_only": True}
#: Tokens of one batch, padding counted: enough to keep a device busy, little enough for every memory.
_BATCH = 2048
#: What a model without positions of its own (T5's encoder) is given at once.
_WINDOW = 512


@dataclass(frozen=True)
class Encoder:
    """A model that reads, its tokenizer, the tokens it holds, and the names of its labels, if it has a head."""

    model: Any
    tokenizer: Any
    window: int
    labels: tuple[str, ...]
    pooling: str

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text as tokens, its end cut off where the model holds no more."""
        return [list(ids) for ids in self.tokenizer(list(texts), truncation=True, max_length=self.window)["input_ids"]]

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Rows of tokens, padded to the longest: ids and mask, both [rows, longest]."""
        padded = self.tokenizer.pad(
            {"input_ids": [list(row) for row in rows]}, padding=True, padding_side="right", return_tensors="pt"
        )
        return {name: padded[name].to(self.model.device) for name in ("input_ids", "attention_mask")}

    def vectors(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """The pooled features of each row, [rows, width] in 32 bits."""
        inputs = self.batch(rows)
        with torch.inference_mode():
            hidden: torch.Tensor = self.model(**inputs).last_hidden_state.float()
        if self.pooling == "cls":
            return hidden[:, 0].cpu()
        mask = inputs["attention_mask"].unsqueeze(-1).float()
        return ((hidden * mask).sum(1) / mask.sum(1).clamp(min=1)).cpu()

    def logits(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """What the head says: [rows, labels], or [rows, longest, labels] of a model that labels tokens."""
        with torch.inference_mode():
            said: torch.Tensor = self.model(**self.batch(rows)).logits.float()
        return said.cpu()


def embed(
    encoder: Encoder, tokens: Sequence[Sequence[int]], *, normalise: bool, on_batch: Callable[[int], None]
) -> torch.Tensor:
    """A vector for each row of tokens, [rows, width] on the CPU. `on_batch(done)` is called after every batch.

    Who shared a batch changes a vector by no more than 1e-5.
    """
    vectors = torch.zeros(len(tokens), encoder.model.config.hidden_size)
    done = 0
    for group in batches([len(row) for row in tokens]):
        vectors[group] = encoder.vectors([tokens[index] for index in group])
        done += len(group)
        on_batch(done)
    return torch.nn.functional.normalize(vectors, dim=-1) if normalise else vectors


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of rows that go through the model together: of about one length, the longest first.

    The longest first, so that a job that needs too much memory fails at its beginning.
    """
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if group and lengths[group[0]] * (len(group) + 1) > _BATCH:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def load_encoder(source: ModelSource, base: ModelSource | None, device: str) -> Encoder:
    """Load a folder, or the adapter in it on top of `base`.

    Raises:
        JobError: the files are not what they should be, or the head for the task is missing.
    """
    if source.file:
        raise JobError("model_unsupported", f"“{source.name}” is a single file; this needs a model folder.")
    folder = check_folder(source)
    kept = folder if base is None else check_folder(base)
    with reading(source):
        tokenizer = AutoTokenizer.from_pretrained(kept, trust_remote_code=False, local_files_only=True)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        loaded: Any = _CLASSES[source.task].from_pretrained(
            kept, config=config, dtype=compute_dtype(device), output_loading_info=True, **_LOADING
        )
        model, report = loaded
        missing = set(report["missing_keys"])
        if base is not None:
            model, missing = _adapted(model, folder, missing)
    # A pooler is a head of BERT's that features are not taken from.
    if missing := {name for name in missing if not (source.task == "feature-extraction" and "pooler" in name)}:
        raise JobError("model_broken", f"The model “{source.name}” lacks weights: {min(missing)} ….")
    if tokenizer.pad_token_id is None:
        raise JobError("model_unsupported", f"The model “{source.name}” has no padding token, which batches need.")
    model = model.eval().requires_grad_(False).to(device)
    return Encoder(model, tokenizer, _window(model, tokenizer), _labels(model), _pooling(folder))


def resident_encoder(source: ModelSource, models: Models) -> tuple[str, Encoder]:
    """The encoder of a source, kept in memory, and the key that it is kept under: where it has a base, one of both."""
    base = models.model(source.base) if source.base else None
    key = f"{source.key}+{base.key}" if base else source.key
    size = weights_size(source.folder) + (weights_size(base.folder) if base else 0)
    return key, models.resident(key, lambda: load_encoder(source, base, models.device), size)


def _adapted(model: Any, folder: Path, missing: set[str]) -> tuple[Any, set[str]]:
    """The model with the adapter's weights in it, and the names of those weights that nobody brought.

    By hand, for peft's own way in would also take a pickle, and only warn of weights that are not there.
    """
    config = PeftConfig.from_pretrained(str(folder))
    weights = load_file(folder / "adapter_model.safetensors")
    if absent := {name for name in missing if f"base_model.model.{name}" not in weights}:
        return model, absent
    adapted = PeftModel(model, config)
    report: Any = set_peft_model_state_dict(adapted, weights)
    absent = {name for name in report.missing_keys if "lora_" in name or "ia3_" in name}
    return adapted.merge_and_unload(), absent | set(report.unexpected_keys)


def _window(model: Any, tokenizer: Any) -> int:
    """Tokens of one text. RoBERTa's positions begin after its padding token's number."""
    positions = getattr(model.config, "max_position_embeddings", None) or _WINDOW
    embeddings = getattr(model.base_model, "embeddings", None)
    begin = getattr(embeddings, "padding_idx", None)
    return int(min(positions - (begin + 1 if isinstance(begin, int) else 0), tokenizer.model_max_length))


def _labels(model: Any) -> tuple[str, ...]:
    return tuple(str(model.config.id2label[number]) for number in range(model.config.num_labels))


def _pooling(folder: Path) -> str:
    """How sentence-transformers' folders say that a text's vector is made: the mean of its tokens, or the first."""
    said = read_json(folder / "1_Pooling" / "config.json")
    return "cls" if said.get("pooling_mode_cls_token") and not said.get("pooling_mode_mean_tokens") else "mean"
