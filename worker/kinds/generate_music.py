"""Work of `generate_music`: a description in, a WAV file out, and the notes where the model writes notes."""

import time

import numpy as np
import soundfile

from shared.kinds.generate_music import GenerateMusic
from worker.context import JobContext
from worker.engines.loading import check_task
from worker.engines.midi import write_midi
from worker.engines.music import composer_size, load_composer
from worker.engines.pieces import Asked


def run(params: GenerateMusic, ctx: JobContext) -> None:
    """Load, make, save."""
    ctx.progress(0, None, "Loading the model")
    source = check_task(ctx.model(params.model), "text-to-audio")
    composer = ctx.resident(source.key, lambda: load_composer(source, ctx.device), composer_size(source))
    asked = Asked(params.prompt, params.negative_prompt, params.duration, params.guidance, params.steps)
    started = time.perf_counter()
    made = composer.make(asked, ctx.seed, lambda done, total: ctx.progress(done, total, "Composing"))

    seconds = len(made.sound) / made.rate
    path = ctx.workdir / "music.wav"
    soundfile.write(path, np.clip(made.sound, -1, 1), made.rate, subtype="PCM_16")
    ctx.save_artifact(path, media_type="audio/wav", seconds=round(seconds, 3), sample_rate=made.rate, seed=ctx.seed)
    if made.notes:
        notes = ctx.workdir / "music.mid"
        write_midi(notes, made.notes, made.program)
        ctx.save_artifact(notes, media_type="audio/midi", notes=len(made.notes), key=made.key)
    ctx.metric("audio_seconds", seconds)
    ctx.metric("realtime_factor", seconds / (time.perf_counter() - started))
