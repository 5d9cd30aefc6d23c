"""`generate_music`, run as a worker runs it; its starter's notes judged by what music of that kind is."""

import io
import math
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
import torch
from diffusers import DiffusionPipeline
from transformers import AutoTokenizer, MusicgenForConditionalGeneration

from shared.errors import Cancelled, JobError
from tests.engines.library import Library
from tests.kinds.context import FakeContext, Saved, run

Context = Callable[..., FakeContext]
FAMILIES = [("tiny-musicgen", {}), ("tiny-stable-audio", {"steps": 4}), ("tiny-audioldm2", {"steps": 3})]
SECONDS = 0.5


def _sound(saved: Saved) -> tuple:
    return soundfile.read(io.BytesIO(saved.data), dtype="int16")


def _pcm(sound: np.ndarray, rate: int) -> np.ndarray:
    packed = io.BytesIO()
    soundfile.write(packed, np.clip(sound, -1, 1), rate, format="WAV", subtype="PCM_16")
    packed.seek(0)
    found: np.ndarray = soundfile.read(packed, dtype="int16")[0]
    return found


@pytest.mark.parametrize(("model", "settings"), FAMILIES)
def test_each_family_makes_sound_of_the_length_asked_for(context: Context, model: str, settings: dict):
    ctx, again = (
        run("generate_music", context(), model=model, prompt="a song", duration=SECONDS, seed=1, **settings)
        for _ in range(2)
    )
    (saved,) = ctx.outputs
    sound, rate = _sound(saved)
    assert len(sound) == round(SECONDS * rate)
    assert saved.meta == {"seconds": SECONDS, "sample_rate": rate, "seed": 1}
    # told step by step to the end, and the same again
    done = [step[0] for step in ctx.steps]
    assert done == list(range(done[-1] + 1))
    assert ctx.steps[-1][1] == done[-1]
    assert saved.data == again.outputs[0].data


def _bare(name: str, folder: object) -> np.ndarray:
    """What the library itself makes of the prompt, as [samples, channels]."""
    torch.manual_seed(1)
    if name == "tiny-musicgen":
        model = MusicgenForConditionalGeneration.from_pretrained(folder).eval()
        inputs = AutoTokenizer.from_pretrained(folder)(["a song"], return_tensors="pt")
        return np.asarray(model.generate(**inputs, do_sample=True, max_new_tokens=26)[0].T)
    pipe, generator = DiffusionPipeline.from_pretrained(folder), torch.Generator().manual_seed(1)
    pipe.set_progress_bar_config(disable=True)
    if name == "tiny-stable-audio":
        return np.asarray(
            pipe("a song", audio_end_in_s=SECONDS, num_inference_steps=4, generator=generator).audios[0].T
        )
    settings = {"audio_length_in_s": SECONDS, "num_inference_steps": 3, "max_new_tokens": 8}
    return np.asarray(pipe("a song", **settings, generator=generator).audios[0][:, None])


@pytest.mark.parametrize(("model", "settings"), FAMILIES)
def test_the_samples_are_those_of_the_bare_library(context: Context, library: Library, model: str, settings: dict):
    ctx = run("generate_music", context(), model=model, prompt="a song", duration=SECONDS, seed=1, **settings)
    sound, rate = _sound(ctx.outputs[0])
    bare = _pcm(_bare(model, library[model].folder), rate)
    assert np.array_equal(sound, bare[: len(sound)])


@pytest.mark.parametrize(("model", "settings"), [*FAMILIES, ("chorale", {})])
def test_cancel_comes_within_one_step(context: Context, model: str, settings: dict):
    ctx = context(cancel_at=2)
    with pytest.raises(Cancelled):
        run("generate_music", ctx, model=model, prompt="a song", duration=SECONDS, seed=1, **settings)
    assert ctx.steps[-1][0] == 2
    assert ctx.saved == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"model": "chorale", "guidance": 3}, "unsupported_setting"),
        ({"model": "chorale", "negative_prompt": "noise"}, "unsupported_setting"),
        ({"model": "tiny-musicgen", "steps": 3}, "unsupported_setting"),
        ({"model": "tiny-stable-audio", "duration": 100, "steps": 1}, "unsupported_setting"),
        ({"model": "tiny-vits"}, "wrong_task"),
    ],
)
def test_what_a_model_cannot_do_is_refused(context: Context, params: dict, code: str):
    with pytest.raises(JobError) as caught:
        run("generate_music", context(), prompt="a song", **params)
    assert caught.value.code == code


def _midi_notes(data: bytes) -> list[tuple[int, int, int, int]]:
    """Start and end in ticks, channel and pitch of every note: a reader that shares nothing with the writer."""
    assert data[:4] == b"MThd"
    at, now, notes = 22, 0, []
    sounding: dict[tuple[int, int], int] = {}
    while at < len(data):
        delta = 0
        while True:
            byte = data[at]
            at, delta = at + 1, delta << 7 | byte & 0x7F
            if byte < 0x80:
                break
        now += delta
        kind, channel = data[at] >> 4, data[at] & 15
        if kind == 0xF:
            at += 3 + data[at + 2]
        elif kind == 0xC:
            at += 2
        else:
            pitch = data[at + 1]
            if kind == 9:
                sounding[channel, pitch] = now
            else:
                notes.append((sounding.pop((channel, pitch)), now, channel, pitch))
            at += 3
    assert not sounding
    return notes


@pytest.mark.quality
@pytest.mark.parametrize(
    ("prompt", "key", "tonic", "scale"),
    [
        ("a fast piece in G major for harp", "G major", 7, {7, 9, 11, 0, 2, 4, 6}),
        ("a sad slow chorale in D minor", "D minor", 2, {2, 4, 5, 7, 9, 10, 0, 1}),
    ],
)
def test_the_starter_makes_music_in_the_key_asked_for(
    context: Context, prompt: str, key: str, tonic: int, scale: set[int]
):
    ctx = run("generate_music", context(), prompt=prompt, duration=20, seed=5)
    wav, midi = ctx.outputs
    assert (midi.media_type, midi.meta["key"]) == ("audio/midi", key)
    notes = _midi_notes(midi.data)
    assert len(notes) == midi.meta["notes"]
    # four voices, nearly all notes in the key, and the bass ends on the tonic
    assert {channel for _, _, channel, _ in notes} == {0, 1, 2, 3}
    assert sum(pitch % 12 in scale for *_, pitch in notes) / len(notes) > 0.9
    assert max((end, pitch) for _, end, channel, pitch in notes if channel == 3)[1] % 12 == tonic
    # nothing is stuck: no note lasts a tenth of the piece, and the melody moves, mostly by small steps
    assert max(end - start for start, end, *_ in notes) < 0.2 * max(end for _, end, *_ in notes)
    melody = [pitch for *_, channel, pitch in sorted(notes) if channel == 0]
    leaps = np.abs(np.diff(melody))
    assert len(set(melody)) >= 5
    assert (leaps == 0).mean() < 0.5
    assert 0.5 < leaps.mean() < 4
    # the sound has the length, is loud enough, never clips, and its strongest tones are those of the notes
    sound, rate = soundfile.read(io.BytesIO(wav.data))
    assert len(sound) == 20 * rate
    assert 0.05 < np.sqrt((sound**2).mean()) < 0.4
    assert np.abs(sound).max() < 0.9
    spectrum = np.abs(np.fft.rfft(sound.mean(1)))
    tone = 69 + 12 * math.log2(np.fft.rfftfreq(len(sound), 1 / rate)[spectrum.argmax()] / 440)
    assert abs(tone - round(tone)) < 0.2
    assert round(tone) in {pitch for *_, pitch in notes}


@pytest.mark.quality
def test_words_choose_the_tempo_and_the_seed_the_music(context: Context):
    slow, fast, other = (
        run("generate_music", context(), prompt=prompt, duration=12, seed=seed).outputs[1]
        for prompt, seed in (("slow", 1), ("fast", 1), ("slow", 2))
    )
    assert fast.meta["notes"] > 1.5 * slow.meta["notes"]
    assert slow.data != other.data
