"""All that a training run must remember, as one file: a tree of tensors and plain values in safetensors.

Never a pickle: a checkpoint comes back from a store that others may write to. The tree's shape and its plain values
are JSON in the file's header.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from shared.errors import JobError

State = dict[str, Any]
"""Names to tensors, plain JSON values, lists, or further states."""

_TREE = "atelier"


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state to a file, whole or not at all."""
    tensors: dict[str, torch.Tensor] = {}
    tree = _planted(state, tensors)
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={_TREE: json.dumps(tree)})
    partial.replace(path)


def read_state(path: Path) -> State:
    """The state in a file, its tensors on the CPU.

    Raises:
        JobError: the file is no such state.
    """
    try:
        with safe_open(path, "pt") as file:
            state = _grown(json.loads(file.metadata()[_TREE]), file)
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise JobError("bad_checkpoint", "The checkpoint of this training cannot be read.") from error
    return dict(state)


def random_state(device: str) -> State:
    """Where the dice of torch stand: of the CPU, and of the device that draws its own."""
    dice: State = {"cpu": torch.get_rng_state()}
    return dice | ({"device": torch.cuda.get_rng_state()} if device.startswith("cuda") else {})


def set_random_state(dice: Mapping[str, Any], device: str) -> None:
    """Put the dice back to where they stood."""
    torch.set_rng_state(dice["cpu"])
    if device.startswith("cuda") and "device" in dice:
        torch.cuda.set_rng_state(dice["device"])


@contextmanager
def dice_kept(device: str) -> Iterator[None]:
    """What is drawn in here is not missed by a run."""
    dice = random_state(device)
    try:
        yield
    finally:
        set_random_state(dice, device)


def _planted(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The value as JSON, its tensors moved to `tensors` under numbers."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        # A copy of its own: weights that are tied share memory, which the file's form forbids.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, Mapping):
        # As pairs, since optimisers number what they know.
        return {"map": [[key, _planted(each, tensors)] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_planted(each, tensors) for each in value]}
    return value


def _grown(tree: Any, file: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if "tensor" in tree:
        return file.get_tensor(tree["tensor"])
    if "map" in tree:
        return {key: _grown(each, file) for key, each in tree["map"]}
    return [_grown(each, file) for each in tree["list"]]
