"""Model folders of Atelier's own networks: `config.json`, `model.safetensors` in half precision, `atelier.json`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from torch import nn

from worker.engines.networks.shapes import PictureConfig

T = TypeVar("T", bound=nn.Module)


def save_network(network: T, kind: str, config: PictureConfig, card: dict[str, Any], folder: Path) -> T:
    """Write the folder; the network as it comes back from it, rounded to half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    rounded = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in network.state_dict().items()
    }
    save_file({name: tensor.contiguous() for name, tensor in rounded.items()}, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)  # it is written for its owner alone
    text = json.dumps({"model_type": kind} | asdict(config), indent=2)
    (folder / "config.json").write_text(text + "\n")
    (folder / "atelier.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    with torch.no_grad():
        network.load_state_dict({name: tensor.float() for name, tensor in rounded.items()})
    return network
