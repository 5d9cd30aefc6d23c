"""What is ordered of real workers: of every kind a job on each family of its models, a long one, one without model.

A param that begins with @ names an input of `tests.worker.workshop`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

TEXT, JSON, LINES = "text/plain; charset=utf-8", "application/json", "application/x-ndjson"
PNG, WAV, MP4, MIDI = "image/png", "audio/wav", "video/mp4", "audio/midi"
SUBTITLES = ("application/x-subrip", "text/vtt; charset=utf-8")


@dataclass(frozen=True)
class Order:
    """A job, and the media types of the outputs that it must give. `slot` pins it to one of the workers."""

    name: str
    kind: str
    params: dict[str, Any]
    gives: tuple[str, ...]
    slot: str | None = None

    def __str__(self) -> str:
        """The name of the test."""
        return f"{self.kind}, {self.name}"


_ASKED = [{"role": "user", "content": "hi"}]
_TEXTS = {"texts": ["the house in the wood", "a good day."]}
_PAINT = {"prompt": "a red apple", "steps": 2, "width": 32, "height": 32, "seed": 3}
_FROM = {"prompt": "a red apple", "steps": 2, "strength": 0.5, "seed": 3, "image": "@picture"}
_CLIP = {"prompt": "a red apple", "width": 32, "height": 32, "frames": 9, "steps": 2, "fps": 8, "seed": 3}
_SQUARE = {"width": 64, "height": 64}
_STEERED = ("sd", "sdxl", "sd3", "flux")


def _writing() -> Iterator[Order]:
    short = {"max_new_tokens": 6, "seed": 3}
    for model in ("tiny-gpt2", "tiny-llama"):
        yield Order(model, "generate_text", {"prompt": "hello", "model": model, **short}, (TEXT,))
        code = {"prompt": "sort", "language": "rust", "model": model, **short}
        yield Order(model, "generate_code", code, ("text/x-rust",))
    news = {"text": "It rains.", "task": "translate"} | short
    yield Order("tiny-llama", "transform_text", {**news, "model": "tiny-llama"}, (TEXT,))
    for model in ("tiny-t5", "tiny-bart", "tiny-marian"):
        yield Order(model, "transform_text", {**news, "model": "tiny-llama", "specialist": model}, (TEXT,))
    yield Order("a text file", "transform_text", {"file": "@text", "specialist": "tiny-t5", **short}, (TEXT,))
    talk = {"messages": _ASKED, "model": "tiny-llama", **short}
    yield Order("tiny-llama", "chat", talk, (TEXT,))
    known = {"knowledge": "@text", "reader": "tiny-bert", "confidence": 0}
    yield Order("from knowledge", "chat", talk | known, (TEXT,))


def _reading() -> Iterator[Order]:
    for model in ("tiny-judge", "tiny-distil", "tiny-roberta-judge", "tiny-adapter"):
        yield Order(model, "classify_text", {**_TEXTS, "model": model}, (LINES,))
    table = {"table": "@table", "model": "tiny-judge", "form": "csv"}
    yield Order("a table", "classify_text", table, ("text/csv; charset=utf-8",))
    yield Order("tiny-tagger", "tag_entities", {**_TEXTS, "model": "tiny-tagger"}, (LINES,))
    for model in ("tiny-bert", "tiny-roberta"):
        yield Order(model, "embed_text", {**_TEXTS, "model": model}, ("application/octet-stream", LINES))
    for model, question in (("blip", None), ("blip-answers", "what?"), ("git", None), ("llava", "what?")):
        asked = {"image": "@picture", "question": question, "max_new_tokens": 6, "model": f"tiny-{model}"}
        yield Order(f"tiny-{model}", "describe_image", asked, (TEXT,))
    heard = {"source": "@sound", "model": "tiny-whisper"}
    yield Order("alone", "transcribe_audio", heard | {"subtitles": "none"}, (TEXT, JSON))
    yield Order("beside", "transcribe_audio", heard, (TEXT, JSON, *SUBTITLES))
    drawn = {"source": "@film", "model": "tiny-whisper", "subtitles": "burnt_in"}
    yield Order("burnt in", "transcribe_audio", drawn, (TEXT, JSON, *SUBTITLES, MP4))


def _painting() -> Iterator[Order]:
    for model in (*_STEERED, "pixart", "pixart-sigma"):
        yield Order(f"tiny-{model}", "generate_image", {**_PAINT, "model": f"tiny-{model}"}, (PNG,))
    fish = {**_PAINT, "model": "tiny-dit", "prompt": "goldfish"}
    yield Order("tiny-dit", "generate_image", fish, (PNG,))
    for model in _STEERED:
        own, net, lora = f"tiny-{model}", f"tiny-control-{model}", f"tiny-lora-{model}"
        yield Order(f"{own} from a picture", "generate_image", {**_FROM, "model": own}, (PNG,))
        yield Order(f"{own} in a mask", "generate_image", {**_FROM, "model": own, "mask": "@mask"}, (PNG,))
        followed = {**_PAINT, "model": own, "controlnet": net, "control_image": "@picture"}
        yield Order(f"{own} after a ControlNet", "generate_image", followed, (PNG,))
        styled = {**_PAINT, "model": own, "adapters": [{"model": lora, "weight": 0.5}]}
        yield Order(f"{own} with a LoRA", "generate_image", styled, (PNG,))
    like = {**_PAINT, "model": "tiny-sd", "reference_model": "tiny-ip-adapter", "reference": "@picture"}
    yield Order("tiny-sd like a picture", "generate_image", like, (PNG,))
    several = {**_PAINT, "model": "tiny-sd", "images": 3, "upscale": 2, "upscaler": "realesrgan-video"}
    yield Order("three, enlarged and marked", "generate_image", several | {"visible_mark": True}, (PNG,) * 3)
    for model in ("gan", "gan-classes", "vae", "vae-classes", "ddpm", "ddim", "ddim-classes"):
        drawn = {"model": f"tiny-{model}", "images": 2, "steps": 2 if model.startswith("dd") else None, "seed": 3}
        yield Order(f"tiny-{model}", "sample_image", drawn, (PNG, PNG))
    way = {"model": "tiny-gan", "seed": 1, "interpolate_to": 2, "frames": 4, "as_clip": True}
    yield Order("a way and a clip", "sample_image", way, (PNG, "video/mp4"))


def _sounding() -> Iterator[Order]:
    for model in ("tiny-vits", "tiny-speecht5", "tiny-bark"):
        yield Order(model, "generate_speech", {"text": "hello. you.", "model": model, "seed": 3}, (WAV,))
    for model in ("tiny-musicgen", "tiny-stable-audio", "tiny-audioldm2"):
        steps = None if model == "tiny-musicgen" else 2
        song = {"prompt": "a song", "duration": 0.5, "steps": steps, "model": model, "seed": 3}
        yield Order(model, "generate_music", song, (WAV,))


def _filming() -> Iterator[Order]:
    for model in ("animatediff", "motion", "cogvideox", "ltx", "wan", "wan-both"):
        yield Order(f"tiny-{model}", "generate_video", {**_CLIP, "model": f"tiny-{model}"}, (MP4,))
    for model in ("cogvideox-i2v", "ltx", "wan-both", "wan-i2v"):
        moved = {**_CLIP, "model": f"tiny-{model}", "image": "@picture"} | _SQUARE
        yield Order(f"tiny-{model} from a picture", "generate_video", moved, (MP4,))


FAMILIES = (*_writing(), *_reading(), *_painting(), *_sounding(), *_filming())

_WORD = {"temperature": 1.0, "max_new_tokens": 24, "seed": 11}
_TWICE = {
    "text": ("generate_text", {"prompt": "hello", "model": "tiny-llama", **_WORD}, (TEXT,)),
    # Of a guidance of its own, so that it shares its batch with no other.
    "image": ("generate_image", {**_PAINT, "model": "tiny-sd", "guidance": 4.5}, (PNG,)),
    "audio": ("generate_speech", {"text": "hello.", "model": "tiny-vits", "seed": 11}, (WAV,)),
    "video": ("generate_video", {**_CLIP, "model": "tiny-animatediff"}, (MP4,)),
}
MEDIA = tuple(_TWICE)
#: The same params and seed for each of two worker processes.
TWICE = tuple(
    Order(f"{medium} by {slot}", kind, params, gives, slot)
    for medium, (kind, params, gives) in _TWICE.items()
    for slot in ("cpu:0", "cpu:1")
)

_ENDLESS = {"model": "tiny-llama-long", "max_new_tokens": 8000, "temperature": 0, "repetition_penalty": 1.0}
#: Of every kind a job that would take long: it is cancelled in mid-generation.
LONG: dict[str, dict[str, Any]] = {
    "generate_text": {"prompt": "hello", **_ENDLESS},
    "generate_code": {"prompt": "sort", **_ENDLESS},
    "chat": {"messages": _ASKED, **_ENDLESS},
    "transform_text": {"text": "It rains.", **_ENDLESS},
    "classify_text": {"table": "@long table", "model": "tiny-judge"},
    "tag_entities": {"table": "@long table", "model": "tiny-tagger"},
    "embed_text": {"table": "@long table", "model": "tiny-bert"},
    "describe_image": {"image": "@picture", **_ENDLESS, "model": "tiny-llava-long"},
    "transcribe_audio": {"source": "@long sound", "model": "tiny-whisper"},
    "generate_image": {**_PAINT, "model": "tiny-sd", "steps": 200, "images": 16, "width": 128, "height": 128},
    "sample_image": {"model": "tiny-ddim", "images": 64, "steps": 1000},
    "generate_speech": {"text": "hello you there. " * 1000, "model": "tiny-vits"},
    "generate_music": {"prompt": "a song", "duration": 0.5, "steps": 500, "model": "tiny-stable-audio"},
    "generate_video": {**_CLIP, "model": "tiny-ltx", "frames": 17, "steps": 200},
}
