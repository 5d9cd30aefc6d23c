"""Small inputs of each medium, made when asked for: what an example's made-up artifact stands for in a test."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from worker.context import InputFile

SPOKEN = "Nothing that was accepted is ever lost."


def sample(media: str, folder: Path) -> InputFile:
    """A file of that medium in a folder."""
    if media == "audio":
        return InputFile(speech(SPOKEN), "speech.wav", "audio/wav")
    raise KeyError(f"There is no sample for {media} yet.")


@functools.cache
def speech(text: str) -> Path:
    """A WAV file in which the starter voice says a text."""
    from hibari import Hibari

    sound = Hibari()(text, seed=3)
    path = Path(tempfile.mkdtemp()) / "speech.wav"
    soundfile.write(path, np.asarray(sound), Hibari.sample_rate)
    return path
