"""Work of `generate_speech`: a text in, a WAV file out, sentence by sentence."""

import time

import numpy as np
import soundfile

from shared.errors import JobError
from shared.kinds.generate_speech import GenerateSpeech
from worker.context import JobContext
from worker.engines.loading import check_task
from worker.engines.sentences import split
from worker.engines.speech import load_speaker, speaker_size

#: Seconds of silence.
_AFTER_SENTENCE, _AFTER_PARAGRAPH = 0.15, 0.45


def run(params: GenerateSpeech, ctx: JobContext) -> None:
    """Load, say one sentence after the other, save."""
    pieces = split(params.text)
    ctx.progress(0, len(pieces), "Loading the model")
    source = check_task(ctx.model(params.model), "text-to-speech")
    speaker = ctx.resident(source.key, lambda: load_speaker(source, ctx.device), speaker_size(source))
    rate = speaker.sample_rate
    path = ctx.workdir / "speech.wav"
    spoken, started = 0, time.perf_counter()

    # Written as it is spoken: an hour of speech takes no more memory than a sentence.
    with soundfile.SoundFile(path, "w", rate, channels=1, subtype="PCM_16") as file:
        for number, piece in enumerate(pieces, start=1):
            sound = speaker.say(piece.text, voice=params.voice, speed=params.speed, seed=ctx.seed + number - 1)
            if len(sound):
                spoken += len(sound)
                file.write(np.clip(sound, -1, 1))
                if number < len(pieces):
                    file.write(_silence(_AFTER_PARAGRAPH if piece.ends_paragraph else _AFTER_SENTENCE, rate))
            ctx.progress(number, len(pieces), f"{spoken / rate:.1f} s spoken")
        seconds = file.tell() / rate
    if not spoken:
        raise JobError("nothing_to_say", "There is nothing in this text that the model can say.", field="text")

    ctx.save_artifact(path, media_type="audio/wav", seconds=round(seconds, 3), sample_rate=rate, seed=ctx.seed)
    ctx.metric("audio_seconds", seconds)
    ctx.metric("realtime_factor", seconds / (time.perf_counter() - started))


def _silence(seconds: float, rate: int) -> np.ndarray:
    return np.zeros(int(seconds * rate), np.float32)
