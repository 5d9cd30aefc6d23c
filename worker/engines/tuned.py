"""Adapters on a resident language model: the base stays once in memory, and who speaks is chosen for every job."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from peft import PeftConfig, PeftModel, PeftType, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoTokenizer

from shared.errors import JobError
from worker.engines.loading import check_folder, reading

if TYPE_CHECKING:
    from shared.library import ModelSource

#: Adapters that stay loaded on one base; the one used longest ago goes first.
KEPT = 16
_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"


class Adapters:
    """The LoRA adapters that one model holds, of which one or none is heard."""

    def __init__(self) -> None:
        self._tuned: Any = None
        self._held: OrderedDict[str, Any] = OrderedDict()
        #: Who is heard: an adapter, nobody (empty), or not known (None), since one was being loaded.
        self._heard: str | None = ""

    def off(self) -> None:
        """Let the model speak as if it had none: exactly as without them."""
        if self._tuned is not None and self._heard != "":
            self._tuned.base_model.disable_adapter_layers()
        self._heard = ""

    @property
    def heard(self) -> str | None:
        """Who is heard; for `hear`."""
        return self._heard

    def hear(self, name: str) -> None:
        """Let that one be heard again, who is still held."""
        if name == "":
            self.off()
        elif self._heard != name:
            self._tuned.base_model.enable_adapter_layers()
            self._tuned.set_adapter(name)
            self._heard = name

    def on(self, model: Any, source: ModelSource) -> Any:
        """Let this adapter be heard, and no other; its tokenizer, if it brings one.

        Raises:
            JobError: it does not fit the model.
        """
        name = _name(source)
        if name not in self._held:
            self._hold(model, source, name)
        self._held.move_to_end(name)
        self.hear(name)
        return self._held[name]

    def _hold(self, model: Any, source: ModelSource, name: str) -> None:
        folder, self._heard = check_folder(source), None
        with reading(source):
            config = adapter_config(source)
            if self._tuned is None:
                self._tuned = PeftModel(model, config, name, low_cpu_mem_usage=True)
            else:
                self._tuned.add_adapter(name, config, low_cpu_mem_usage=True)
            try:
                fill(self._tuned, source, name, empty=True)
                self._held[name] = own_tokenizer(source) if (folder / "tokenizer_config.json").is_file() else None
            except BaseException:
                self._drop(name)
                raise
        while len(self._held) > KEPT:
            self._drop(next(iter(self._held)))

    def _drop(self, name: str) -> None:
        self._held.pop(name, None)
        if len(self._tuned.peft_config) == 1:
            # The last one: peft wants one left, so the layers go altogether.
            self._tuned.unload()
            self._tuned = None
            return
        if self._tuned.active_adapter == name:
            self._tuned.set_adapter(next(other for other in self._tuned.peft_config if other != name))
        self._tuned.delete_adapter(name)


def is_adapter(source: ModelSource) -> bool:
    """Whether the folder holds an adapter in PEFT's form instead of a model."""
    return source.file is None and (source.folder / _CONFIG).is_file()


def adapter_config(source: ModelSource) -> Any:
    """What the adapter says about itself, made harmless: its weights are loaded, never made from the base's.

    Some ways to begin a LoRA (PiSSA, OLoRA) change the base, which others use too.
    """
    config = PeftConfig.from_pretrained(str(source.folder))
    config.inference_mode = True
    if config.peft_type == PeftType.LORA:
        config.init_lora_weights = True
    return config


def shares_its_base(config: Any) -> bool:
    """Whether the adapter can come and go on a base that others use: it adds to layers and changes none."""
    touched = ("modules_to_save", "layer_replication", "trainable_token_indices", "target_parameters")
    plain = not any(getattr(config, name, None) for name in touched)
    return config.peft_type == PeftType.LORA and config.bias == "none" and plain


def fill(tuned: Any, source: ModelSource, name: str, *, empty: bool = False) -> None:
    """Put the adapter's weights into its layers, which may be `empty`: places without numbers.

    By hand, for peft's own way in would also take a pickle.

    Raises:
        JobError: weights are missing, or have no place.
    """
    report: Any = set_peft_model_state_dict(
        tuned, load_file(source.folder / _WEIGHTS), adapter_name=name, low_cpu_mem_usage=empty
    )
    # AdaLoRA's count of ranks is told by its configuration, and virtual tokens come another way, whole or not at all.
    elsewhere = {"ranknum", "prompt_encoder"}
    missing = {each for each in report.missing_keys if name in (parts := each.split(".")) and not elsewhere & {*parts}}
    if missing or set(report.unexpected_keys) - {"prompt_embeddings"}:
        raise JobError(
            "wrong_base", f"The adapter “{source.name}” does not fit the model “{source.base}”.", field="model"
        )


def own_tokenizer(source: ModelSource) -> Any:
    """The tokenizer, and the chat template, that lie beside the weights."""
    return AutoTokenizer.from_pretrained(source.folder, trust_remote_code=False, local_files_only=True)


def _name(source: ModelSource) -> str:
    # A name of ours: peft takes an adapter's name for a part of a module's, where a dot would cut it.
    return f"a{hashlib.sha256(source.key.encode()).hexdigest()[:16]}"
