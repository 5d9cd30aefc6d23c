"""Work of `transcribe_audio`: speech in; a text, subtitles, and a video with them drawn in out."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from shared.errors import JobError
from shared.kinds.transcribe_audio import TranscribeAudio
from worker.context import JobContext
from worker.engines.film import Film, open_film, write_film
from worker.engines.loading import check_task
from worker.engines.sound import read_sound
from worker.engines.subtitles import Cue, at, cues, draw, srt, vtt
from worker.engines.transcription import RATE, Segment, Transcript, load_recogniser, recogniser_size

#: Seconds of a recording, and of one that is put into a video, where it is held at a higher rate.
_LONGEST, _LONGEST_FILM = 4 * 3600, 3600
#: Samples a second of a video's sound.
_FILM_RATE = 48_000
#: Seconds of silence that begin a new line of the text.
_PAUSE = 2.0


def run(params: TranscribeAudio, ctx: JobContext) -> None:
    """Load, listen, write down, draw."""
    ctx.progress(0, None, "Reading the recording")
    recording = ctx.input(params.source)
    picture = ctx.input(params.onto) if params.onto else recording
    if params.subtitles == "burnt_in" and not picture.media_type.startswith("video/"):
        raise JobError("no_picture", "Subtitles are drawn into a video: give one to draw them onto.", field="onto")
    sound = read_sound(recording.path, RATE, longest=_LONGEST)
    seconds = len(sound) / RATE
    total = math.ceil(seconds)
    ctx.progress(0, total, "Loading the model")
    source = check_task(ctx.model(params.model), "automatic-speech-recognition")
    recogniser = ctx.resident(source.key, lambda: load_recogniser(source, ctx.device), recogniser_size(source))

    started = time.perf_counter()
    made = recogniser.transcribe(
        sound,
        language=params.language,
        translate=params.task == "translate",
        on_step=lambda heard: ctx.progress(int(heard), total, f"Heard {int(heard)} of {total} s"),
    )
    ctx.metric("realtime_factor", seconds / (time.perf_counter() - started))
    if not made.segments:
        raise JobError("no_speech", "No speech was found in this recording.", field="source")

    shown = cues((one.start, one.end, one.text) for one in made.segments)
    _save_texts(params, ctx, made, seconds)
    if params.subtitles != "none":
        _save(ctx, "subtitles.srt", srt(shown), "application/x-subrip")
        _save(ctx, "subtitles.vtt", vtt(shown), "text/vtt; charset=utf-8")
    if params.subtitles == "burnt_in":
        _save_film(ctx, recording.path, picture.path, shown)
    ctx.metric("audio_seconds", seconds)
    ctx.metric("words", sum(len(one.text.split()) for one in made.segments))


def _save_texts(params: TranscribeAudio, ctx: JobContext, made: Transcript, seconds: float) -> None:
    text = _text(made.segments)
    ctx.progress(math.ceil(seconds), math.ceil(seconds), "Saving", text=text)
    _save(ctx, "transcript.txt", text + "\n", "text/plain; charset=utf-8", language=made.language)
    document = {
        "language": "en" if params.task == "translate" else made.language,
        "spoken_language": made.language,
        "seconds": round(seconds, 3),
        "text": text,
        "segments": [asdict(one) for one in made.segments],
    }
    _save(ctx, "segments.json", json.dumps(document, ensure_ascii=False, indent=2) + "\n", "application/json")


def _text(segments: list[Segment]) -> str:
    """What was said as one text, a line for whatever follows a pause."""
    text, end = "", 0.0
    for one in segments:
        text += ("" if not text else "\n" if one.start - end >= _PAUSE else " ") + one.text
        end = one.end
    return text


def _save(ctx: JobContext, name: str, text: str, media_type: str, **meta: Any) -> None:
    path = ctx.workdir / name
    path.write_text(text, "utf-8")
    ctx.save_artifact(path, media_type=media_type, **meta)


def _save_film(ctx: JobContext, recording: Path, picture: Path, shown: list[Cue]) -> None:
    sound = read_sound(recording, _FILM_RATE, longest=_LONGEST_FILM)
    path = ctx.workdir / "subtitled.mp4"
    with open_film(picture) as film:
        seconds = max(film.seconds, len(sound) / _FILM_RATE)
        count = max(1, round(seconds * film.fps))
        write_film(
            path,
            _subtitled(film, count, shown),
            film.fps,
            (sound, _FILM_RATE),
            on_frame=lambda done: ctx.progress(done, count, "Drawing the subtitles"),
        )
        ctx.save_artifact(
            path, media_type="video/mp4", seconds=round(seconds, 3), fps=film.fps, width=film.width, height=film.height
        )


def _subtitled(film: Film, count: int, shown: list[Cue]) -> Iterator[Image.Image]:
    """So many pictures of a film, from its start again and again, each with what is said meanwhile."""
    number = 0
    while number < count:
        for image in film.frames():
            if number == count:
                return
            yield draw(image, at(shown, number / film.fps))
            number += 1
