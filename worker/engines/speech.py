"""Voices: saying one short text at a time, with hibari (ONNX) or a transformers VITS, SpeechT5 or Bark folder.

Does not split texts and writes no files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from transformers import (
    AutoTokenizer,
    BarkModel,
    SpeechT5ForTextToSpeech,
    SpeechT5HifiGan,
    SpeechT5Tokenizer,
    VitsModel,
)

from shared.errors import JobError
from worker.engines.loading import check_folder, model_file, read_json, reading, weights_size

if TYPE_CHECKING:
    from shared.library import ModelSource

Sound = NDArray[np.float32]


class Speaker(Protocol):
    """A loaded speech model."""

    sample_rate: int

    def say(self, text: str, *, voice: str | None, speed: float, seed: int) -> Sound:
        """The text as mono sound between -1 and 1; empty where nothing in it can be said."""


def load_speaker(source: ModelSource, device: str) -> Speaker:
    """Load an ONNX file of hibari's form, or a model folder."""
    if source.file:
        return Hibari(source)
    folder = check_folder(source)
    form = str(read_json(folder / "config.json").get("model_type"))
    loaders: dict[str, Callable[[Path, str], Speaker]] = {"vits": Vits, "speecht5": SpeechT5, "bark": Bark}
    if form not in loaders:
        sentence = f"“{source.name}” is a model of the form “{form}”, not VITS, SpeechT5 or Bark."
        raise JobError("model_unsupported", sentence)
    with reading(source):
        return loaders[form](folder, device)


def speaker_size(source: ModelSource) -> int:
    """About how many bytes the loaded model takes."""
    return model_file(source, ".onnx").stat().st_size * 4 if source.file else weights_size(source.folder)


class Hibari:
    """English voices at a hundred times real time on one CPU core. Runs on the CPU whatever the device."""

    def __init__(self, source: ModelSource) -> None:
        # Optional: the package is the runtime of its own model only, and importing it reads its tables.
        from hibari import Hibari as Runtime  # noqa: PLC0415
        from hibari.voices import VOICES, voice_path  # noqa: PLC0415

        self._file = model_file(source, ".onnx")
        self._runtime, self._voices, self._voice_path = Runtime, VOICES, voice_path
        with reading(source):
            self._loaded: dict[str | None, Any] = {None: Runtime(model=str(self._file))}
        self.sample_rate: int = Runtime.sample_rate

    def say(self, text: str, *, voice: str | None, speed: float, seed: int) -> Sound:
        """One sentence."""
        sound: Sound = self._with_voice(voice)(text, speed=speed, seed=seed)
        return sound

    def _with_voice(self, voice: str | None) -> Any:
        if voice not in self._loaded:
            self._loaded[voice] = self._load_voice(str(voice))
        return self._loaded[voice]

    def _load_voice(self, voice: str) -> Any:
        if voice not in self._voices:
            raise _no_voice(voice, list(self._voices))
        if self._voices[voice].get("bundled"):
            return self._loaded[None]
        try:
            # Never downloads: a job's work must not depend on the network.
            path = self._voice_path(voice, download_missing=False)
        except FileNotFoundError as error:
            raise JobError("voice_missing", f"The voice “{voice}” is not installed on this machine.") from error
        return self._runtime(voice=voice, model=path)


class Vits:
    """A transformers VITS (MMS) folder."""

    def __init__(self, folder: Path, device: str) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        self._model = _ready(VitsModel, folder, device)
        self.sample_rate: int = self._model.config.sampling_rate

    def say(self, text: str, *, voice: str | None, speed: float, seed: int) -> Sound:
        """One sentence. A voice is a speaker's number."""
        speakers = self._model.config.num_speakers
        if voice is not None and not (voice.isdecimal() and int(voice) < speakers):
            raise _no_voice(voice, [str(number) for number in range(min(speakers, 20))])
        inputs = self._tokenizer(text, return_tensors="pt").to(self._model.device)
        if not inputs["input_ids"].shape[-1]:
            return np.zeros(0, np.float32)
        self._model.speaking_rate = speed
        # VITS takes no generator, so the global one is set for this call and put back.
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)
            waveform = self._model(**inputs, speaker_id=int(voice) if voice and speakers > 1 else None).waveform
        return _sound(waveform[0])


class SpeechT5:
    """A transformers SpeechT5 folder with its vocoder in `vocoder/` and voices as `voices/<name>.safetensors`."""

    def __init__(self, folder: Path, device: str) -> None:
        self._tokenizer = SpeechT5Tokenizer.from_pretrained(folder, local_files_only=True)
        self._model = _ready(SpeechT5ForTextToSpeech, folder, device)
        self._vocoder = _ready(SpeechT5HifiGan, folder / "vocoder", device)
        self._voices = {path.stem: load_file(path)["embedding"] for path in sorted(folder.glob("voices/*.safetensors"))}
        self.sample_rate: int = self._vocoder.config.sampling_rate

    def say(self, text: str, *, voice: str | None, speed: float, seed: int) -> Sound:
        """One sentence, at the model's own pace."""
        _one_pace(speed)
        inputs = self._tokenizer(text, return_tensors="pt").to(self._model.device)
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)  # the decoder's dropout stays on while it speaks
            waveform = self._model.generate_speech(inputs["input_ids"], self._embedding(voice), vocoder=self._vocoder)
        return _sound(waveform)

    def _embedding(self, voice: str | None) -> torch.Tensor:
        if voice is not None and voice not in self._voices:
            raise _no_voice(voice, list(self._voices))
        name = voice or next(iter(self._voices), None)
        size = self._model.config.speaker_embedding_dim
        embedding = torch.zeros(1, size) if name is None else self._voices[name].reshape(1, size)
        return embedding.to(self._model.device)


class Bark:
    """A transformers Bark folder, its voices as on the hub: `speaker_embeddings/**/<name>_semantic_prompt.npy`."""

    def __init__(self, folder: Path, device: str) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        self._model = _ready(BarkModel, folder, device)
        self._voices = {
            path.name.removesuffix("_semantic_prompt.npy"): path.parent
            for path in sorted(folder.glob("speaker_embeddings/**/*_semantic_prompt.npy"))
        }
        self.sample_rate: int = self._model.generation_config.sample_rate

    def say(self, text: str, *, voice: str | None, speed: float, seed: int) -> Sound:
        """One sentence, at the model's own pace; without a voice, in one that the seed draws."""
        _one_pace(speed)
        if voice is not None and voice not in self._voices:
            raise _no_voice(voice, list(self._voices)[:20])
        inputs = self._tokenizer(
            text,
            return_tensors="pt",
            padding="max_length",
            max_length=self._model.generation_config.semantic_config["max_input_semantic_length"],
            truncation=True,
            add_special_tokens=False,
        ).to(self._model.device)
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)
            waveform = self._model.generate(
                inputs["input_ids"], history_prompt=self._prompt(voice), attention_mask=inputs["attention_mask"]
            )
        return _sound(waveform[0])

    def _prompt(self, voice: str | None) -> dict[str, torch.Tensor] | None:
        if voice is None:
            return None
        names = ("semantic_prompt", "coarse_prompt", "fine_prompt")
        read = {name: np.load(self._voices[voice] / f"{voice}_{name}.npy", allow_pickle=False) for name in names}
        return {name: torch.from_numpy(value).to(self._model.device) for name, value in read.items()}


def _one_pace(speed: float) -> None:
    if speed != 1:
        raise JobError("unsupported_speed", "This model speaks at one pace only; leave the speed at 1.", field="speed")


def _ready(cls: Any, folder: Path, device: str) -> Any:
    # 32-bit on every device: these models are small, and half precision is audible.
    model = cls.from_pretrained(folder, dtype=torch.float32, use_safetensors=True, local_files_only=True)
    return model.eval().requires_grad_(False).to(device)


def _sound(waveform: torch.Tensor) -> Sound:
    sound: Sound = waveform.float().cpu().numpy()
    return sound


def _no_voice(voice: str, voices: list[str]) -> JobError:
    known = f"It has: {', '.join(voices)}." if voices else "It has one voice only."
    return JobError("unknown_voice", f"The model has no voice “{voice}”. {known}", field="voice")
