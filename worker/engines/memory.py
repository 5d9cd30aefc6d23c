"""How a pipeline is put on its device: whole, with its parts waiting in main memory, or in slices.

`plan` decides by numbers alone; `place` does what was decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

#: What a step holds besides the weights, for each byte of weights: seen from SD 1.5 to Flux at their own sizes.
_WORKING = 0.35
#: Bytes that the libraries themselves take on a GPU.
_CONTEXT = 600 * 2**20
#: Pixels of one picture from which an autoencoder works in tiles; below, tiles only cost time.
_TILED = {"cpu": 1536 * 1536, "cuda": 2048 * 2048}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What saves memory, and what it costs is time."""

    #: Parts of the pipeline wait in main memory and come to the GPU one after another.
    offload: bool = False
    #: Single layers come to the GPU one after another: slow, for what is larger than the GPU.
    offload_layers: bool = False
    #: Attention one head after another.
    slice_attention: bool = False
    #: The autoencoder takes the pictures of a batch one by one.
    slice_vae: bool = False


def plan(device: str, *, weights: int, largest: int, free: int, lean: bool = False) -> Plan:
    """What to do for a pipeline of `weights` bytes, its largest part `largest`, with `free` bytes on the device.

    On the CPU weights and work share one memory, so there is nowhere to move anything. `lean`: memory ran out before.
    """
    if not device.startswith("cuda"):
        return Plan(slice_attention=lean, slice_vae=lean)
    if lean:
        fits = largest <= free - _CONTEXT
        return Plan(offload=fits, offload_layers=not fits, slice_attention=True, slice_vae=True)
    room = free - _CONTEXT
    if weights * (1 + _WORKING) <= room:
        return Plan()
    if weights <= room:
        return Plan(slice_attention=True, slice_vae=True)
    if largest * (1 + _WORKING) <= room:
        return Plan(offload=True, slice_vae=True)
    if largest <= room:
        return Plan(offload=True, slice_attention=True, slice_vae=True)
    return Plan(offload_layers=True, slice_attention=True, slice_vae=True)


def tiled(device: str, pixels: int) -> bool:
    """Whether an autoencoder works in tiles on a picture of so many pixels."""
    return pixels > _TILED["cuda" if device.startswith("cuda") else "cpu"]


def place(pipe: Any, device: str, *, lean: bool = False) -> Any:
    """Put a pipeline that is in main memory on its device, as free memory allows."""
    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    sizes = [sum(tensor.nbytes for tensor in part.parameters()) for part in parts]
    chosen = plan(device, weights=sum(sizes), largest=max(sizes, default=0), free=free_bytes(device), lean=lean)
    if chosen.slice_attention:
        pipe.enable_attention_slicing()
    if chosen.slice_vae and hasattr(getattr(pipe, "vae", None), "enable_slicing"):
        pipe.vae.enable_slicing()
    if chosen.offload_layers:
        pipe.enable_sequential_cpu_offload(device=device)
    elif chosen.offload:
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.to(device)
    return pipe


def free_bytes(device: str) -> int:
    """Bytes that are free on a GPU; 0 for the CPU, where nothing is decided by it."""
    if not device.startswith("cuda"):
        return 0
    free, _ = torch.cuda.mem_get_info(device)
    return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
