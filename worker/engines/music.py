"""Music of a description: MusicGen, AudioLDM2 and StableAudio folders, and the starter that writes notes.

Writes no files.
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any, Protocol

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoTokenizer, MusicgenForConditionalGeneration, StoppingCriteria, StoppingCriteriaList

from shared.errors import JobError
from worker.engines.chorales import ChoraleComposer
from worker.engines.loading import check_folder, compute_dtype, read_json, reading, weights_size
from worker.engines.pieces import Asked, OnStep, Piece
from worker.engines.stepping import stepping

if TYPE_CHECKING:
    from shared.library import ModelSource


_PIPELINES = ("AudioLDM2Pipeline", "StableAudioPipeline")
#: Tokens of AudioLDM2's language model, where its configuration does not say.
_LANGUAGE_TOKENS = 8


class Composer(Protocol):
    """A loaded music model."""

    def make(self, asked: Asked, seed: int, on_step: OnStep) -> Piece:
        """A piece; `on_step(done, total)` may raise to end the work."""


def load_composer(source: ModelSource, device: str) -> Composer:
    """Load a model folder for music or sounds."""
    folder = check_folder(source)
    index, form = read_json(folder / "model_index.json"), read_json(folder / "config.json").get("model_type")
    with reading(source):
        if index.get("_class_name") in _PIPELINES:
            return Diffused(_pipeline(source, index, device))
        if form == "musicgen":
            return MusicGen(source, device)
        if form == "chorale":
            return ChoraleComposer(folder)
    named = index.get("_class_name") or form
    sentence = f"“{source.name}” is a model of the form “{named}”, not MusicGen, AudioLDM2 or StableAudio."
    raise JobError("model_unsupported", sentence)


def composer_size(source: ModelSource) -> int:
    """About how many bytes the loaded model takes."""
    return weights_size(source.folder)


class MusicGen:
    """A transformers MusicGen folder."""

    def __init__(self, source: ModelSource, device: str) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(source.folder, trust_remote_code=False, local_files_only=True)
        model = MusicgenForConditionalGeneration.from_pretrained(
            source.folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
        self._model: Any = model.eval().requires_grad_(False).to(device)

    def make(self, asked: Asked, seed: int, on_step: OnStep) -> Piece:
        """A piece, token by token."""
        _refuse(asked, "negative_prompt", "steps")
        codec = self._model.config.audio_encoder
        # The codebooks start one token after the other, so the last begins that much later.
        tokens = math.ceil(asked.seconds * codec.frame_rate) + self._model.config.decoder.num_codebooks - 1
        settings = {} if asked.guidance is None else {"guidance_scale": max(1.0, asked.guidance)}
        inputs = self._tokenizer([asked.prompt], return_tensors="pt").to(self._model.device)
        counted = _Counted(tokens, on_step)
        # It takes no generator, so the global one is set for this call and put back.
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)
            made = self._model.generate(
                **inputs, **settings, do_sample=True, max_new_tokens=tokens,
                stopping_criteria=StoppingCriteriaList([counted]),
            )  # fmt: skip
        return Piece(_cut(made[0].T, asked.seconds, codec.sampling_rate), codec.sampling_rate)


class Diffused:
    """An AudioLDM2 or StableAudio pipeline."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._known = set(inspect.signature(pipe.__call__).parameters)

    def make(self, asked: Asked, seed: int, on_step: OnStep) -> Piece:
        """A piece, step by step."""
        settings: dict[str, Any] = {"prompt": asked.prompt, "output_type": "pt"}
        wanted = {
            "negative_prompt": asked.negative_prompt,
            "guidance_scale": asked.guidance,
            "num_inference_steps": asked.steps,
        }
        settings |= {name: value for name, value in wanted.items() if value is not None}
        settings["audio_length_in_s" if "audio_length_in_s" in self._known else "audio_end_in_s"] = asked.seconds
        if "max_new_tokens" in self._known:
            config = self._pipe.language_model.config
            settings["max_new_tokens"] = getattr(config, "max_new_tokens", None) or _LANGUAGE_TOKENS
        generator = torch.Generator("cpu").manual_seed(seed)

        def report(done: int, total: int, _: Any) -> None:
            on_step(done, total)

        # StableAudio's sampler draws from the global generator.
        with (
            torch.random.fork_rng(),
            torch.inference_mode(),
            stepping(self._pipe.scheduler, report),
        ):
            torch.manual_seed(seed)
            try:
                sound = self._pipe(**settings, generator=generator).audios[0]
            except ValueError as error:  # pipelines check their arguments, each in its own way
                message = f"This model does not accept the settings. {error}"
                raise JobError("unsupported_setting", message) from error
        rate = self._pipe.vocoder.config.sampling_rate if "vocoder" in self._pipe.components else None
        rate = rate or self._pipe.vae.config.sampling_rate
        sound = torch.as_tensor(sound)
        return Piece(_cut(sound.T if sound.ndim > 1 else sound[:, None], asked.seconds, rate), rate)


class _Counted(StoppingCriteria):
    """Called after every token of all codebooks; never stops by itself."""

    def __init__(self, total: int, on_step: OnStep) -> None:
        self._total, self._on_step, self._done = total, on_step, 0

    def __call__(self, input_ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        self._done += 1
        self._on_step(min(self._done, self._total), self._total)
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def _pipeline(source: ModelSource, index: dict[str, Any], device: str) -> Any:
    parts = {name: part for name, part in index.items() if isinstance(part, list) and not name.startswith("_")}
    for name, (library, *_) in parts.items():
        if library not in {"diffusers", "transformers", "audioldm2", "stable_audio"}:
            raise JobError("model_unsafe", f"The model “{source.name}” is refused: its part “{name}” is foreign code.")
    pipe = getattr(diffusers, index["_class_name"]).from_pretrained(
        source.folder, dtype=compute_dtype(device), use_safetensors=True, local_files_only=True
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def _refuse(asked: Asked, *settings: str) -> None:
    titles = {"negative_prompt": "“Avoid” text", "steps": "number of steps", "guidance": "guidance"}
    for name in settings:
        if getattr(asked, name) is not None:
            raise JobError("unsupported_setting", f"This model takes no {titles[name]}; leave it empty.", field=name)


def _cut(sound: torch.Tensor, seconds: float, rate: int) -> NDArray[np.float32]:
    """[samples, channels], no longer than was asked for."""
    return sound[: round(seconds * rate)].float().cpu().numpy()
