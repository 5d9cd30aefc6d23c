"""What training on a dataset would take: steps, time and memory, from simple models that say what they assume.

Time: 6 floating-point operations for each parameter and token (Kaplan et al. 2020), 4 where only an adapter learns, at
half the speed that this device reaches on one large matrix product. Memory: 32 bits for weights, gradients and AdamW's
two moments, and 16 numbers of the hidden size for each layer and token that is kept for the way back.
"""

from __future__ import annotations

import json
import math
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

BATCH = 8
_REACHED = 0.5
_BYTES = 4
_KEPT = 16
_RANK, _ADAPTED = 8, 4


@dataclass(frozen=True)
class Size:
    """How large a model is."""

    parameters: int
    hidden: int
    layers: int
    vocabulary: int


def size_of(folder: Path) -> Size | None:
    """The size of the model in a folder, from its headers alone; None where they do not tell."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        parameters = sum(_parameters(path) for path in folder.glob("*.safetensors"))
        hidden = config.get("hidden_size") or config["n_embd"]
        layers = config.get("num_hidden_layers") or config["n_layer"]
        return Size(parameters, int(hidden), int(layers), int(config["vocab_size"])) if parameters else None
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return None


def speed(device: str) -> float:
    """Floating-point operations a second of a matrix product on this device."""
    side = 2048 if device.startswith("cuda") else 512
    one = torch.ones(side, side, device=device)
    best = math.inf
    for _ in range(5):
        began = time.perf_counter()
        float((one @ one)[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best


def estimates(rows: int, tokens: float, size: Size | None, device: str) -> dict[str, Any]:
    """Steps of an epoch at a batch of 8 and, of a model whose size is known, seconds and bytes, all of it and by LoRA.

    Args:
        rows: to learn from.
        tokens: of a row, as it is trained.
        size: of the model.
        device: whose speed is measured.
    """
    found: dict[str, Any] = {"batch": BATCH, "steps_per_epoch": math.ceil(rows / BATCH)}
    if size is None or not tokens:
        return found
    reached = _REACHED * speed(device)
    at_once = BATCH * tokens
    kept = at_once * (_KEPT * size.hidden * size.layers + 2 * size.vocabulary) * _BYTES
    adapter = size.layers * _ADAPTED * 2 * _RANK * size.hidden
    found |= {"device": device, "flops": round(reached), "parameters": size.parameters}
    found["tokens_per_step"] = round(at_once)
    for name, operations, learned in (("full", 6, size.parameters), ("lora", 4, adapter)):
        seconds = operations * size.parameters * at_once / reached
        memory = {
            "weights": size.parameters * _BYTES + (adapter * _BYTES if name == "lora" else 0),
            "gradients": learned * _BYTES,
            "optimiser": 2 * learned * _BYTES,
            "activations": round(kept),
        }
        found[name] = {
            "seconds_per_step": round(seconds, 4),
            "seconds_per_epoch": round(seconds * found["steps_per_epoch"], 2),
            "memory": memory | {"total": sum(memory.values())},
        }
    return found


def _parameters(path: Path) -> int:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(min(length, 100 << 20)))
    return sum(math.prod(each["shape"]) for name, each in header.items() if name != "__metadata__")
