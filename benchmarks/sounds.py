"""Kinds that speak, compose and listen, against the starters' own packages and networks."""

from collections.abc import Iterator

import numpy as np
import soundfile
from hibari import Hibari

from benchmarks.installation import Installation
from benchmarks.overhead import UNFINISHED, Figure, compared, runner_of, source_of
from shared import uploads
from shared.intake.caps import Caps
from shared.uploads import Arrived
from worker.engines.music import load_composer
from worker.engines.pieces import Asked
from worker.engines.sentences import split
from worker.engines.sound import read_sound
from worker.engines.transcription import RATE, load_recogniser

#: Two pages that are read aloud take two minutes; of a single word the price of a job is most.
_TIMES = 8
_TEXT = (
    "The workshop is open from nine in the morning. Every job waits its turn, and none is lost. "
    "Whoever comes first is served first, and whoever comes last is served all the same. "
)


def speech(place: Installation) -> Iterator[Figure]:
    """`generate_speech` on the starter voice, against the voice's own package, sentence by sentence, into a file."""
    voice = Hibari()

    def bare() -> None:
        said = [voice(piece.text, seed=number) for number, piece in enumerate(split(_TEXT * _TIMES))]
        soundfile.write(place.home.path / "bare.wav", np.concatenate(said), voice.sample_rate, subtype="PCM_16")

    yield compared(place, "generate_speech", {"text": _TEXT * _TIMES, "seed": 0} | UNFINISHED, bare)


def music(place: Installation) -> Iterator[Figure]:
    """`generate_music` on the starter, against its network and its instrument, into a file."""
    composer = load_composer(source_of(place, "chorale"), "cpu")
    prompt, length = "a slow chorale in D minor for organ", 120.0

    def bare() -> None:
        made = composer.make(Asked(prompt, None, length, None, None), 0, lambda *_: None)
        soundfile.write(place.home.path / "bare.wav", made.sound, made.rate, subtype="PCM_16")

    yield compared(place, "generate_music", {"prompt": prompt, "duration": length, "seed": 0} | UNFINISHED, bare)


def transcripts(place: Installation) -> Iterator[Figure]:
    """`transcribe_audio` on the starter recogniser, of half a minute of speech, against the recogniser alone."""
    path = place.home.path / "speech.wav"
    voice = Hibari()
    soundfile.write(path, np.asarray(voice(_TEXT * 2, seed=0)), voice.sample_rate)
    recogniser = load_recogniser(source_of(place, "whisper-tiny-en"), "cpu")

    def bare() -> None:
        sound = read_sound(path, RATE, longest=3600)
        recogniser.transcribe(sound, language="en", translate=False, on_step=lambda _: None)

    storage = runner_of(place).storage
    source = uploads.keep(place.db, storage, place.owner.id, Arrived(path, name=path.name), Caps()).artifact.id
    yield compared(place, "transcribe_audio", {"source": source, "language": "en"}, bare)
