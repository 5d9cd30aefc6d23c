"""What may be loaded, and how: safetensors, GGUF, ONNX and ncnn; never a pickle, never a model's own code.

Judges files by their first bytes, not by their names. Does not know where a model came from.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch
from safetensors import SafetensorError

from shared.errors import JobError

if TYPE_CHECKING:
    from shared.library import ModelSource

T = TypeVar("T")

#: What the model libraries raise about files that are not what they expect.
_UNFIT = (OSError, ValueError, TypeError, AttributeError, LookupError, struct.error, SafetensorError)
_MAGIC = {".gguf": b"GGUF", ".onnx": b"\x08"}
#: A header longer than this is an attack or an accident, not a list of tensors.
_MAX_HEADER = 100 * 2**20


class Models(Protocol):
    """Where models are found by name, and kept in a device's memory once they are loaded: a job's context is one."""

    @property
    def device(self) -> str:
        """`cpu`, or `cuda:0`."""

    def model(self, name: str) -> ModelSource:
        """The model of that name; JobError where there is none."""

    def resident(self, key: str, load: Callable[[], T], size: int | None = None) -> T:
        """What `load` returns, kept under `key`; `load` runs only when it is not there. `size` is in bytes."""


def compute_dtype(device: str) -> torch.dtype:
    """The number format to compute in: never the checkpoint's own choice."""
    if not device.startswith("cuda"):
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def check_task(source: ModelSource, task: str) -> ModelSource:
    """The source, if it does what is wanted."""
    if source.task != task:
        raise JobError("wrong_task", f"The model “{source.name}” is for {source.task}, not for {task}.", field="model")
    return source


def model_file(source: ModelSource, suffix: str) -> Path:
    """The single file that a source names, checked to be what its suffix says."""
    path = source.folder / (source.file or "")
    if not path.is_file():
        raise JobError("model_missing", f"The model “{source.name}” is not installed: its file is gone.")
    if not _head(path, 4).startswith(_MAGIC[suffix]):
        raise JobError("model_broken", f"The model “{source.name}” is not the {suffix[1:].upper()} file it should be.")
    return path


def check_folder(source: ModelSource) -> Path:
    """The source's folder, once it is sure that loading it runs no code of the model's author."""
    if not source.folder.is_dir():
        raise JobError("model_missing", f"The model “{source.name}” is not installed: its folder is gone.")
    files = [path for path in source.folder.rglob("*") if path.is_file()]
    code = next((path for path in files if path.suffix in {".py", ".so"}), None)
    if code or any(_asks_for_code(path) for path in files if path.suffix == ".json"):
        raise _unsafe(source, "it brings its own Python code, which is never run here")
    weights = [path for path in files if path.suffix == ".safetensors"]
    if any(_is_pickle(path) for path in weights):
        raise _unsafe(source, "a file that says it is safetensors is a Python pickle, which can run code")
    if not weights and any(_is_pickle(path) for path in files):
        raise _unsafe(source, "its weights are a Python pickle, which can run code; convert them to safetensors")
    if not weights or not all(_is_safetensors(path) for path in weights):
        raise JobError("model_broken", f"The model “{source.name}” has no whole safetensors weights.")
    return source.folder


def weights_size(folder: Path) -> int:
    """Bytes of all safetensors weights under a folder: about what they take in memory."""
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))


@contextmanager
def reading(source: ModelSource) -> Iterator[None]:
    """Turn what the model libraries raise about unfit files into a sentence; leave device errors alone."""
    try:
        yield
    except _UNFIT as error:
        raise JobError("model_broken", f"The model “{source.name}” cannot be loaded. {_first_line(error)}") from error
    except RuntimeError as error:
        if not any(sign in str(error) for sign in ("size mismatch", "ignore_mismatched_sizes", "state_dict")):
            raise
        raise JobError("model_broken", f"The model “{source.name}” does not fit its own configuration.") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty where there is none."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _asks_for_code(path: Path) -> bool:
    # Only configurations can ask; a tokenizer.json of 2 MB need not be parsed for this.
    if path.name not in {"config.json", "model_index.json", "tokenizer_config.json", "processor_config.json"}:
        return False
    return bool({"auto_map", "custom_pipeline", "custom_pipelines"} & read_json(path).keys())


def _is_pickle(path: Path) -> bool:
    head = _head(path, 4)
    return head == b"PK\x03\x04" or (len(head) > 1 and head[0] == 0x80 and head[1] <= 5)


def _is_safetensors(path: Path) -> bool:
    head = _head(path, 9)
    return len(head) == 9 and int.from_bytes(head[:8], "little") <= _MAX_HEADER and head[8:] == b"{"


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _unsafe(source: ModelSource, reason: str) -> JobError:
    return JobError("model_unsafe", f"The model “{source.name}” is refused: {reason}.")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
