"""`generate_speech`, run as a worker runs it, and heard by a recogniser."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import (
    AutoTokenizer,
    BarkModel,
    SpeechT5ForTextToSpeech,
    SpeechT5HifiGan,
    SpeechT5Tokenizer,
    VitsModel,
)

from shared.errors import Cancelled, JobError
from tests.engines.library import Library
from tests.kinds.context import FakeContext, Saved, run
from tests.kinds.hearing import faster_whisper, word_errors

Context = Callable[..., FakeContext]
TEXT = "The workshop is open, and every job waits its turn. Nothing that was accepted is ever lost!"


def _sound(saved: Saved) -> tuple:
    return soundfile.read(io.BytesIO(saved.data))


@pytest.mark.parametrize("model", ["hibari", "tiny-vits", "tiny-speecht5", "tiny-bark"])
def test_a_text_becomes_sound_sentence_by_sentence(context: Context, model: str):
    # when two sentences are said
    ctx = run("generate_speech", context(), model=model, text=TEXT, seed=3)
    # then there is one 16-bit WAV file, told sentence by sentence, with its figures
    (saved,) = ctx.outputs
    sound, rate = _sound(saved)
    assert soundfile.info(io.BytesIO(saved.data)).subtype == "PCM_16"
    assert [step[:2] for step in ctx.steps] == [(0, 2), (1, 2), (2, 2)]
    assert ctx.metrics["audio_seconds"] == pytest.approx(len(sound) / rate)
    assert ctx.metrics["realtime_factor"] > 0
    assert saved.meta == {"seconds": round(len(sound) / rate, 3), "sample_rate": rate, "seed": 3}


@pytest.mark.parametrize("model", ["hibari", "tiny-vits", "tiny-speecht5", "tiny-bark"])
def test_the_same_seed_gives_the_same_bytes(context: Context, model: str):
    first, again = (run("generate_speech", context(), model=model, text="Hello.", seed=3) for _ in range(2))
    assert first.outputs[0].data == again.outputs[0].data


@pytest.mark.parametrize("model", ["hibari", "tiny-vits", "tiny-bark"])
def test_another_seed_sounds_another_way(context: Context, model: str):
    first, other = (run("generate_speech", context(), model=model, text="Hello.", seed=seed) for seed in (3, 4))
    assert first.outputs[0].data != other.outputs[0].data


def test_a_voice_of_the_folder_is_heard(context: Context):
    own, anna, bert = (
        run("generate_speech", context(), model="tiny-speecht5", text="Hello.", seed=3, **voice).outputs[0].data
        for voice in ({}, {"voice": "anna"}, {"voice": "bert"})
    )
    assert own == anna != bert


def _bare(name: str, folder: Path) -> torch.Tensor:
    """What the library itself says, seeded as the job is."""
    tokenizer = (SpeechT5Tokenizer if name == "tiny-speecht5" else AutoTokenizer).from_pretrained(folder)
    if name == "tiny-bark":
        settings = {"padding": "max_length", "max_length": 16, "truncation": True, "add_special_tokens": False}
        inputs, model = tokenizer("Hello.", return_tensors="pt", **settings), BarkModel.from_pretrained(folder).eval()
        torch.manual_seed(3)
        return model.generate(inputs["input_ids"], attention_mask=inputs["attention_mask"])[0]
    inputs = tokenizer("Hello.", return_tensors="pt")
    if name == "tiny-vits":
        vits = VitsModel.from_pretrained(folder).eval()
        torch.manual_seed(3)
        return vits(**inputs).waveform[0]
    model, vocoder = SpeechT5ForTextToSpeech.from_pretrained(folder).eval(), folder / "vocoder"
    torch.manual_seed(3)
    return model.generate_speech(
        inputs["input_ids"], torch.zeros(1, 8), vocoder=SpeechT5HifiGan.from_pretrained(vocoder).eval()
    )


@pytest.mark.parametrize("model", ["tiny-vits", "tiny-speecht5", "tiny-bark"])
def test_the_samples_are_those_of_the_bare_library(context: Context, library: Library, model: str):
    sound, rate = _sound(run("generate_speech", context(), model=model, text="Hello.", seed=3).outputs[0])
    with torch.inference_mode():
        bare = _bare(model, library[model].folder).numpy()
    packed = io.BytesIO()
    soundfile.write(packed, bare.clip(-1, 1), rate, format="WAV", subtype="PCM_16")
    packed.seek(0)
    assert np.array_equal(sound, soundfile.read(packed)[0])


def test_a_higher_speed_is_shorter(context: Context):
    slow, fast = (
        run("generate_speech", context(), text=TEXT, speed=speed, seed=3).metrics["audio_seconds"]
        for speed in (0.8, 1.5)
    )
    assert fast < 0.7 * slow


def test_cancel_comes_within_one_sentence(context: Context):
    ctx = context(cancel_at=2)
    with pytest.raises(Cancelled):
        run("generate_speech", ctx, text="One. Two. Three. Four.")
    assert ctx.steps[-1][:2] == (2, 4)
    assert ctx.saved == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"text": "Hello.", "voice": "nobody"}, "unknown_voice"),
        ({"text": "Hello.", "voice": "emma"}, "voice_missing"),
        ({"text": "Hello.", "voice": "7", "model": "tiny-vits"}, "unknown_voice"),
        ({"text": "Hello.", "voice": "carla", "model": "tiny-speecht5"}, "unknown_voice"),
        ({"text": "Hello.", "speed": 2, "model": "tiny-speecht5"}, "unsupported_speed"),
        ({"text": "Hello.", "voice": "carla", "model": "tiny-bark"}, "unknown_voice"),
        ({"text": "Hello.", "speed": 2, "model": "tiny-bark"}, "unsupported_speed"),
        ({"text": "🙂"}, "nothing_to_say"),
        ({"text": "Hello.", "model": "tiny-gpt2"}, "wrong_task"),
    ],
)
def test_what_cannot_be_said_is_refused(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, params: dict, code: str
):
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    with pytest.raises(JobError) as caught:
        run("generate_speech", context(), **params)
    assert caught.value.code == code


@pytest.mark.quality
def test_a_recogniser_understands_the_starter(context: Context, tmp_path: Path):
    # given speech of the starter voice
    ctx = run("generate_speech", context(), text=TEXT, seed=3)
    (tmp_path / "speech.wav").write_bytes(ctx.outputs[0].data)
    # when a recogniser writes down what it hears
    heard = faster_whisper(tmp_path / "speech.wav")
    # then fewer than one word in ten is wrong
    assert word_errors(TEXT, heard) < 0.1, heard
