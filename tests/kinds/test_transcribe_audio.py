"""`transcribe_audio`, run as a worker runs it; its starter held against the same weights run by CTranslate2."""

import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from transformers import AutoFeatureExtractor, AutoTokenizer, WhisperForConditionalGeneration

from shared import kinds
from shared.errors import Cancelled, Invalid, JobError
from tests.engines.library import Library
from tests.kinds.context import FakeContext, run
from tests.kinds.hearing import faster_whisper, word_errors
from tests.kinds.samples import speech
from worker.engines.film import open_film, write_film

Context = Callable[..., FakeContext]
SAID = "The workshop is open, and every job waits its turn. Doctor Smith went home. Nothing is ever lost!"
RATE = 16_000


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds that random weights hear letters in."""
    path = tmp_path_factory.mktemp("sound") / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 5 * RATE), RATE)
    return path


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write_film(path, [Image.new("RGB", (160, 90), (90, 120, 200))] * 6, 4)
    return path


def _heard(ctx: FakeContext) -> dict:
    (saved,) = [saved for saved in ctx.outputs if saved.name == "segments.json"]
    found: dict = json.loads(saved.text)
    return found


def test_a_recording_becomes_text_times_and_subtitles(context: Context, noise: Path):
    # when a recording of three windows is written down
    ctx = context()
    run("transcribe_audio", ctx, model="tiny-whisper", source=ctx.give(noise, "audio/wav"))
    # then there are all the files, and the times are in order and inside the recording
    assert [saved.name for saved in ctx.outputs] == [
        "transcript.txt",
        "segments.json",
        "subtitles.srt",
        "subtitles.vtt",
    ]
    heard = _heard(ctx)
    assert heard["text"] + "\n" == ctx.outputs[0].text
    assert heard["language"] in {"en", "de"}
    times = [time for one in heard["segments"] for time in (one["start"], one["end"])]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= 5
    assert ctx.outputs[2].text.count(" --> ") == ctx.outputs[3].text.count(" --> ") >= len(heard["segments"])
    # and the progress went from window to window
    assert len({done for done, *_ in ctx.steps}) >= 4


@pytest.mark.parametrize("asked", [{"language": "de"}, {"language": "de", "task": "translate"}])
def test_it_hears_what_the_bare_library_hears(context: Context, library: Library, noise: Path, asked: dict):
    # given what transformers itself makes of the same samples
    folder = library["tiny-whisper"].folder
    features, tokenizer = AutoFeatureExtractor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    model = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    sound, _ = soundfile.read(noise, dtype="float32")
    inputs = features(
        sound, sampling_rate=RATE, truncation=False, padding="longest", return_attention_mask=True, return_tensors="pt"
    )
    torch.manual_seed(0)
    made = model.generate(
        **inputs, **asked, return_timestamps=True, return_segments=True, temperature=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        compression_ratio_threshold=1.35, logprob_threshold=-1.0, no_speech_threshold=0.6,
    )  # fmt: skip
    texts = [tokenizer.decode(one["tokens"], skip_special_tokens=True).strip() for one in made["segments"][0]]
    # then the kind hears the same, less what the windows' padding is said to have said
    ctx = context()
    run("transcribe_audio", ctx, model="tiny-whisper", source=ctx.give(noise, "audio/wav"), **asked)
    heard = [one["text"] for one in _heard(ctx)["segments"]]
    assert heard == [text for text in texts if text][: len(heard)]
    assert len(texts) - len(heard) <= 1


def test_a_sound_is_drawn_onto_a_shorter_video_that_starts_again(
    context: Context, noise: Path, film: Path, tmp_path: Path
):
    ctx = context()
    source, onto = ctx.give(noise, "audio/wav"), ctx.give(film, "video/mp4")
    run("transcribe_audio", ctx, model="tiny-whisper", source=source, onto=onto, subtitles="burnt_in")
    saved = ctx.outputs[-1]
    assert (saved.name, saved.media_type) == ("subtitled.mp4", "video/mp4")
    (tmp_path / "made.mp4").write_bytes(saved.data)
    with open_film(tmp_path / "made.mp4") as made:
        pictures, sound = list(made.frames()), made.sound()
    # then it lasts as long as the sound, carries it, and somewhere something white is written at the bottom
    assert len(pictures) == 20
    assert sound is not None
    assert len(sound[0]) / sound[1] == pytest.approx(5, abs=0.1)
    assert max(int(np.asarray(one.convert("L"))[60:].max()) for one in pictures) > 220
    assert max(int(np.asarray(one.convert("L"))[:45].max()) for one in pictures) < 180


def test_a_video_is_subtitled_with_its_own_sound(context: Context, noise: Path, tmp_path: Path):
    sound, rate = soundfile.read(noise, dtype="float32")
    write_film(tmp_path / "talk.mp4", [Image.new("RGB", (160, 90))] * 8, 4, (sound[: 2 * rate], rate))
    ctx = context()
    source = ctx.give(tmp_path / "talk.mp4", "video/mp4")
    run("transcribe_audio", ctx, model="tiny-whisper", source=source, subtitles="burnt_in")
    assert ctx.outputs[-1].meta["seconds"] == pytest.approx(2, abs=0.1)


def test_cancel_comes_within_a_window(context: Context, noise: Path):
    ctx = context(cancel_at=1)
    with pytest.raises(Cancelled):
        run("transcribe_audio", ctx, model="tiny-whisper", source=ctx.give(noise, "audio/wav"))
    assert [done for done, *_ in ctx.steps].count(1) == 1
    assert ctx.saved == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"language": "fr"}, "unknown_language"),
        ({"subtitles": "burnt_in"}, "no_picture"),
        ({"model": "tiny-vits"}, "wrong_task"),
    ],
)
def test_what_cannot_be_done_is_refused(context: Context, noise: Path, params: dict, code: str):
    ctx = context()
    with pytest.raises(JobError) as caught:
        run("transcribe_audio", ctx, **{"model": "tiny-whisper", "source": ctx.give(noise, "audio/wav"), **params})
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [("text.wav", b"this is no sound", "input_broken"), ("list.m3u8", b"#EXTM3U\n/etc/passwd\n", "input_broken")],
)
def test_a_file_that_is_no_sound_is_told(context: Context, tmp_path: Path, name: str, data: bytes, code: str):
    (tmp_path / name).write_bytes(data)
    ctx = context()
    with pytest.raises(JobError) as caught:
        run("transcribe_audio", ctx, model="tiny-whisper", source=ctx.give(tmp_path / name, "audio/wav"))
    assert caught.value.code == code


def test_a_video_without_sound_is_told(context: Context, film: Path):
    ctx = context()
    with pytest.raises(JobError) as caught:
        run("transcribe_audio", ctx, model="tiny-whisper", source=ctx.give(film, "video/mp4"))
    assert caught.value.code == "no_sound"


def test_onto_needs_subtitles_to_draw():
    ref = "art_" + "0" * 26
    with pytest.raises(Invalid, match="burnt in"):
        kinds.validate("transcribe_audio", {"source": ref, "onto": ref})


@pytest.mark.quality
def test_the_starter_understands_speech_as_its_own_runtime_does(context: Context):
    # given speech of the starter voice, as it comes from a lossy file
    path = speech(SAID)
    sound, rate = soundfile.read(path)
    packed = io.BytesIO()
    soundfile.write(packed, sound, rate, format="OGG", subtype="VORBIS")
    ogg = path.with_suffix(".ogg")
    ogg.write_bytes(packed.getvalue())
    # when it is written down
    ctx = context()
    run("transcribe_audio", ctx, source=ctx.give(ogg, "audio/ogg"), language="en")
    heard = _heard(ctx)
    # then fewer than one word in ten is wrong, and CTranslate2 hears the same in the same weights
    assert word_errors(SAID.replace("Doctor", "Dr"), heard["text"]) < 0.1, heard["text"]
    assert word_errors(faster_whisper(ogg), heard["text"]) == 0
    # and each sentence has its time
    assert len(heard["segments"]) >= 3
    assert all(before["end"] <= after["start"] for before, after in itertools.pairwise(heard["segments"]))


@pytest.mark.quality
@pytest.mark.parametrize(
    ("params", "code"),
    [({}, "no_speech"), ({"task": "translate"}, "unsupported_setting"), ({"language": "de"}, "unknown_language")],
)
def test_silence_is_no_speech_and_english_is_all_that_the_starter_knows(
    context: Context, tmp_path: Path, params: dict, code: str
):
    soundfile.write(tmp_path / "silence.wav", np.zeros(3 * RATE), RATE)
    ctx = context()
    with pytest.raises(JobError) as caught:
        run("transcribe_audio", ctx, source=ctx.give(tmp_path / "silence.wav", "audio/wav"), **params)
    assert caught.value.code == code
