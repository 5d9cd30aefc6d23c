"""Speech written down by a Whisper model, with the times at which it was said. Reads and writes no files of sound.

A Whisper model hears half a minute at a time and says itself where the next half minute should begin.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    AutoFeatureExtractor,
    AutoTokenizer,
    StoppingCriteria,
    StoppingCriteriaList,
    WhisperForConditionalGeneration,
)

from shared.errors import JobError
from worker.engines.ctranslate2 import FILE, is_ctranslate2, unpacked_whisper
from worker.engines.loading import check_folder, compute_dtype, read_json, reading, weights_size
from worker.engines.sound import Sound, quiet_cuts

if TYPE_CHECKING:
    from shared.library import ModelSource

#: Samples a second, as every Whisper model hears.
RATE = 16_000
#: Seconds heard in one go: bounds the memory that a long recording takes.
_PART = 300.0
#: Root mean square of a sound in which nobody speaks (60 dB below the loudest): Whisper hears words in it all the same.
_SILENT = 0.001
#: Whisper's own rules for a second try, with a little chance, where the first came out garbled, and for silence.
_CARE: dict[str, Any] = {
    "temperature": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "compression_ratio_threshold": 1.35,
    "logprob_threshold": -1.0,
    "no_speech_threshold": 0.6,
}


@dataclass(frozen=True)
class Segment:
    """What was said from one time to another, in seconds from the start."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Transcript:
    """All that was said, in order of time, and the code of the language that it was said in."""

    segments: list[Segment]
    language: str


@dataclass(frozen=True)
class Recogniser:
    """A loaded Whisper model."""

    model: Any
    features: Any
    tokenizer: Any

    @property
    def languages(self) -> list[str]:
        """The codes of the languages that it knows."""
        codes = getattr(self.model.generation_config, "lang_to_id", None) or {"<|en|>": 0}
        return sorted(code.strip("<|>") for code in codes)

    @property
    def english_only(self) -> bool:
        """Whether it can do nothing but write English down."""
        return not getattr(self.model.generation_config, "is_multilingual", False)

    def transcribe(
        self, sound: Sound, *, language: str | None, translate: bool, on_step: Callable[[float], object]
    ) -> Transcript:
        """Write down what is said in a sound at RATE, or say it in English.

        `on_step(heard)`, in seconds, is called for every token; what it raises ends the work.
        """
        self._check(language, translate=translate)
        found: list[Segment] = []
        for start, end in quiet_cuts(sound, RATE, part=_PART):
            offset = start / RATE
            inputs = self._inputs(sound[start:end])
            language = language or self._language(inputs["input_features"])
            made = self._segments(inputs, language, translate, _Heard(on_step, offset))
            found += [Segment(offset + one.start, offset + one.end, one.text) for one in made]
        return Transcript(_in_order(found, sound), language or "en")

    def _check(self, language: str | None, *, translate: bool) -> None:
        if translate and self.english_only:
            raise JobError("unsupported_setting", "This model knows English only and cannot translate.", field="task")
        if language is not None and language not in self.languages:
            known = ", ".join(self.languages)
            raise JobError(
                "unknown_language", f"This model does not know “{language}”. It knows: {known}.", field="language"
            )

    def _inputs(self, sound: Sound) -> dict[str, Any]:
        short = len(sound) <= self.features.n_samples
        made = self.features(
            sound,
            sampling_rate=RATE,
            truncation=False,
            padding="max_length" if short else "longest",
            return_attention_mask=True,
            return_tensors="pt",
        )
        return {
            "input_features": made["input_features"].to(self.model.device, self.model.dtype),
            "attention_mask": made["attention_mask"].to(self.model.device),
        }

    def _language(self, features: torch.Tensor) -> str:
        if self.english_only:
            return "en"
        with torch.inference_mode():
            (token,) = self.model.detect_language(features[..., : self.features.nb_max_frames]).tolist()
        return str(self.tokenizer.convert_ids_to_tokens(token)).strip("<|>")

    def _segments(self, inputs: dict[str, Any], language: str, translate: bool, heard: _Heard) -> list[Segment]:
        asked = {} if self.english_only else {"language": language, "task": "translate" if translate else "transcribe"}
        # A second try draws by chance from the global generator, which is set for this call and put back.
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(0)
            made = self.model.generate(
                **inputs,
                **asked,
                **_CARE,
                return_timestamps=True,
                return_segments=True,
                monitor_progress=heard.window,
                stopping_criteria=StoppingCriteriaList([heard]),
            )
        return [
            Segment(
                float(one["start"]), float(one["end"]), self.tokenizer.decode(one["tokens"], skip_special_tokens=True)
            )
            for one in made["segments"][0]
        ]


class _Heard(StoppingCriteria):
    """Called after every token, so that a job ends within half a minute's work; never stops by itself."""

    def __init__(self, on_step: Callable[[float], object], offset: float) -> None:
        self._on_step, self._offset, self._at = on_step, offset, offset

    def window(self, frames: torch.Tensor) -> None:
        """The first frame of the half minute that is heard now, of all: [1, 2], hundredths of a second."""
        self._at = self._offset + float(frames[0, 0]) / 100
        self._on_step(self._at)

    def __call__(self, input_ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        self._on_step(self._at)
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def load_recogniser(source: ModelSource, device: str) -> Recogniser:
    """Load a Whisper folder, of transformers' form or of CTranslate2's."""
    if source.folder.is_dir() and is_ctranslate2(source.folder):
        folder = unpacked_whisper(source)
    else:
        folder = check_folder(source)
    form = str(read_json(folder / "config.json").get("model_type"))
    if form != "whisper":
        raise JobError("model_unsupported", f"“{source.name}” is a model of the form “{form}”, not Whisper.")
    local = {"trust_remote_code": False, "local_files_only": True}
    with reading(source):
        model = WhisperForConditionalGeneration.from_pretrained(
            folder, dtype=compute_dtype(device), use_safetensors=True, local_files_only=True
        )
        features = AutoFeatureExtractor.from_pretrained(folder, **local)
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
    return Recogniser(model.eval().requires_grad_(False).to(device), features, tokenizer)


def recogniser_size(source: ModelSource) -> int:
    """About how many bytes the loaded model takes."""
    packed = source.folder / FILE
    return 2 * packed.stat().st_size if packed.is_file() else weights_size(source.folder)


def _in_order(segments: list[Segment], sound: Sound) -> list[Segment]:
    """Those that say something, none beginning before the one before it has ended, all inside the recording."""
    kept: list[Segment] = []
    seconds = len(sound) / RATE
    for one in segments:
        start = max(one.start, kept[-1].end if kept else 0.0)
        text, end = one.text.strip(), min(max(one.end, start), seconds)
        if text and start < end and not _silent(sound[int(start * RATE) : math.ceil(end * RATE)]):
            kept.append(Segment(round(start, 3), round(end, 3), text))
    return kept


def _silent(sound: Sound) -> bool:
    return bool((sound**2).mean() < _SILENT**2)
