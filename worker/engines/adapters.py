"""LoRA adapters and new words on a resident pipeline: chosen for a job, and gone from the next job's pictures."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from safetensors.torch import load_file

from shared.errors import JobError
from worker.engines.loading import check_folder, reading
from worker.engines.new_words import FILE, check_words, speaking

if TYPE_CHECKING:
    from torch import Tensor

    from shared.library import ModelSource

#: Adapters that stay loaded on one pipeline; the one used longest ago goes first. As many as a job may ask for.
KEPT = 8
_WEIGHTS = "pytorch_lora_weights.safetensors"

#: Of every pipeline the adapters that it holds, the one used last at the end.
_held: WeakKeyDictionary[Any, list[str]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Adapter:
    """An adapter and how strongly it counts."""

    source: ModelSource
    weight: float


@contextmanager
def adapted(pipe: Any, adapters: Sequence[Adapter], base: ModelSource) -> Iterator[None]:
    """The pipeline with these adapters and no others; afterwards it paints as if it had none.

    Raises:
        JobError: an adapter is another base's, or fits none of the pipeline's layers.
    """
    words = [adapter.source for adapter in adapters if _is_word(adapter.source)]
    adapters = [adapter for adapter in adapters if adapter.source not in words]
    with _spoken(pipe, words, base), _worn(pipe, adapters, base):
        yield


@contextmanager
def _spoken(pipe: Any, sources: Sequence[ModelSource], base: ModelSource) -> Iterator[None]:
    """The pipeline with the new words of these adapters."""
    if not sources:
        yield
        return
    check_words(pipe, base.name, field="adapters")
    words: dict[str, Tensor] = {}
    for source in sources:
        _check_base(source, base)
        with reading(source):
            words |= load_file(check_folder(source) / (source.file or FILE))
    with speaking(pipe, words):
        yield


@contextmanager
def _worn(pipe: Any, adapters: Sequence[Adapter], base: ModelSource) -> Iterator[None]:
    """The pipeline with these LoRA adapters and no others."""
    if not adapters:
        yield
        return
    if not hasattr(pipe, "load_lora_weights"):
        raise JobError("unsupported_setting", f"The model “{base.name}” takes no adapters.", field="adapters")
    names = [_name(adapter.source) for adapter in adapters]
    try:
        for adapter in adapters:
            _hold(pipe, adapter.source, base, wanted=names)
        pipe.enable_lora()
        pipe.set_adapters(names, [adapter.weight for adapter in adapters])
        yield
    finally:
        if _held.get(pipe):
            pipe.disable_lora()


def _hold(pipe: Any, source: ModelSource, base: ModelSource, *, wanted: Sequence[str]) -> None:
    """Load the adapter where the pipeline does not hold it yet."""
    _check_base(source, base)
    held, name = _held.setdefault(pipe, []), _name(source)
    if name in held:
        held.remove(name)
    else:
        while len(held) >= KEPT:
            _delete(pipe, held.pop(next(at for at, old in enumerate(held) if old not in wanted)))
        _load(pipe, source, base, name)
    held.append(name)


def _check_base(source: ModelSource, base: ModelSource) -> None:
    if source.base and source.base not in {base.name, base.pinned}:
        raise JobError(
            "wrong_base",
            f"The adapter “{source.name}” is for “{source.base}”, not for “{base.name}”.",
            field="adapters",
        )


def _is_word(source: ModelSource) -> bool:
    return (source.file or FILE) == FILE and (source.folder / FILE).is_file()


def _load(pipe: Any, source: ModelSource, base: ModelSource, name: str) -> None:
    unfit = JobError(
        "wrong_base", f"The adapter “{source.name}” does not fit the model “{base.name}”.", field="adapters"
    )
    folder = check_folder(source)
    weights = _weights(source)
    loaded = False
    try:
        with reading(source), _quietly():
            pipe.load_lora_weights(
                folder, weight_name=weights, adapter_name=name, local_files_only=True, use_safetensors=True
            )
        loaded = any(name in names for names in pipe.get_list_adapters().values())
    except JobError as error:
        raise unfit from error
    finally:
        # What fits in part only has been put in before the library noticed.
        if not loaded and any(name in names for names in pipe.get_list_adapters().values()):
            _delete(pipe, name)
    if not loaded:
        raise unfit


def _delete(pipe: Any, name: str) -> None:
    with _quietly():
        pipe.delete_adapters(name)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the library's warnings that there are several adapters, and that the active one goes: both are meant."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Already found a `peft_config` attribute")
        warnings.filterwarnings("ignore", message="Adapter .* was active which is now deleted")
        yield


def _weights(source: ModelSource) -> str:
    """The one file of the folder that holds the adapter."""
    if source.file:
        return source.file
    found = sorted(path.name for path in source.folder.glob("*.safetensors"))
    if _WEIGHTS in found:
        return _WEIGHTS
    if len(found) != 1:
        raise JobError("model_unsupported", f"“{source.name}” is not one LoRA adapter file.", field="adapters")
    return found[0]


def _name(source: ModelSource) -> str:
    # A name of ours: the libraries take an adapter's name for a part of a module's, where a dot would cut it.
    return f"a{hashlib.sha256(source.key.encode()).hexdigest()[:16]}"
