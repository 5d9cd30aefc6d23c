"""GGUF files made into ordinary model folders of 32-bit safetensors, once, in the source's own cache.

Reading a GGUF file takes a quarter to half a minute, most of it the vocabulary; the folder takes a second.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import gguf
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from worker.engines.loading import model_file, reading

if TYPE_CHECKING:
    from shared.library import ModelSource


def unpacked_gguf(source: ModelSource) -> Path:
    """The folder of the source's GGUF file."""
    file = model_file(source, ".gguf")

    def unpack(folder: Path) -> None:
        with reading(source), _remembering():
            _unpack(file, folder)

    return built_once(source.cache / "fp32", unpack)


def built_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """The model folder, after `build` has written it there the first time that it was asked for."""
    if (folder / "config.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A folder of this process's own, then one rename: two workers may do this at once, and either may be killed.
    building = Path(tempfile.mkdtemp(prefix=".fp32-", dir=folder.parent))
    try:
        build(building)
        os.rename(building, folder)
    except OSError:
        if not (folder / "config.json").is_file():
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _unpack(file: Path, folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    tokenizer.save_pretrained(folder)
    packed = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
        local_files_only=True,
    )
    # transformers refuses to save a model that it loaded from GGUF, so its weights move to one that it did not.
    settings = {name: value for name, value in packed.config.to_dict().items() if name != "quantization_config"}
    with torch.device("meta"):
        plain = type(packed)(type(packed.config).from_dict(settings))
    plain.load_state_dict(packed.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = packed.generation_config
    plain.save_pretrained(folder)


@contextmanager
def _remembering() -> Iterator[None]:
    """Let transformers, which reads the file three times over, be given the first reading again: half the time."""
    own = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
    for name, function in own.items():
        setattr(gguf, name, functools.cache(function))
    try:
        yield
    finally:
        for name, function in own.items():
            setattr(gguf, name, function)
