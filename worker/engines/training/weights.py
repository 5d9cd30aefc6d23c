"""The weights of a model that training changes: taken out and put back by name."""

from collections.abc import Mapping

import torch

from shared.errors import JobError
from worker.engines.training.state import State


def trained_weights(model: torch.nn.Module) -> State:
    """The parameters that are trained, and the buffers that change beside them (running means)."""
    weights: State = {name: each for name, each in model.named_parameters() if each.requires_grad}
    return weights | {name: each for name, each in model.named_buffers() if "running_" in name or "num_batches" in name}


def put_weights(model: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Put them back into a model of the same form.

    Raises:
        JobError: they are those of another model.
    """
    mine = trained_weights(model)
    if mine.keys() != weights.keys() or any(mine[name].shape != weights[name].shape for name in mine):
        raise JobError("bad_checkpoint", "The checkpoint of this training is that of another model.")
    with torch.no_grad():
        for name, each in mine.items():
            each.copy_(weights[name])


def count_weights(model: torch.nn.Module) -> tuple[int, int]:
    """How many parameters are trained, and how many there are."""
    everything = list(model.parameters())
    return sum(each.numel() for each in everything if each.requires_grad), sum(each.numel() for each in everything)
