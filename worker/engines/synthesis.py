"""Notes made into sound: a few harmonics with an envelope, and a little room. Knows no composers and no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

Stereo = NDArray[np.float32]

#: Samples a second.
RATE = 32_000
#: How loud the loudest sample is, and the part of the echo in the whole.
_PEAK, _ECHO, _ECHO_SECONDS = 0.85, 0.22, 1.2


@dataclass(frozen=True)
class Note:
    """One note: times in seconds, a MIDI pitch, the voice that has it, and how loud it is, up to 1."""

    start: float
    seconds: float
    pitch: int
    voice: int
    loudness: float


@dataclass(frozen=True)
class Timbre:
    """How notes sound: the strength of each harmonic, and the envelope in seconds.

    A note that is `plucked` fades from its beginning on, with that half-life for its lowest harmonic; one that is not
    sounds on until it is released. `program` is its General MIDI number, from 0.
    """

    harmonics: tuple[float, ...]
    attack: float
    release: float
    plucked: float | None
    program: int


TIMBRES = {
    "organ": Timbre((1, 0.5, 0.3, 0.22, 0.08, 0.12, 0.03, 0.06), 0.03, 0.12, None, 19),
    "strings": Timbre((1, 0.6, 0.42, 0.3, 0.2, 0.13, 0.08, 0.05), 0.12, 0.25, None, 48),
    "harp": Timbre((1, 0.55, 0.3, 0.18, 0.1, 0.06), 0.004, 0.35, 0.55, 46),
    "piano": Timbre((1, 0.6, 0.35, 0.25, 0.15, 0.1, 0.05), 0.004, 0.18, 0.7, 0),
}


def render(notes: Sequence[Note], timbre: Timbre, seconds: float) -> Stereo:
    """The sound of notes, [samples, 2] between -1 and 1, exactly so many seconds long."""
    length = round(seconds * RATE)
    dry = np.zeros((length, 2))
    for note in notes:
        start = round(note.start * RATE)
        tone = _tone(note, timbre)[: length - start]
        # High voices a little to the left and low ones to the right, as singers stand.
        aside = 0.5 + 0.12 * (note.voice - 1.5)
        dry[start : start + len(tone)] += tone[:, None] * np.sqrt([1 - aside, aside])
    wet = (1 - _ECHO) * dry + _ECHO * np.stack([fftconvolve(dry[:, side], _room(side))[:length] for side in (0, 1)], 1)
    fade = min(length, RATE // 10)
    wet[length - fade :] *= np.linspace(1, 0, fade)[:, None]
    sound: Stereo = (wet * (_PEAK / max(1e-9, np.abs(wet).max()))).astype(np.float32)
    return sound


def _tone(note: Note, timbre: Timbre) -> NDArray[np.float64]:
    held, whole = round(note.seconds * RATE), round((note.seconds + timbre.release) * RATE)
    time = np.arange(whole) / RATE
    frequency = 440 * 2 ** ((note.pitch - 69) / 12)
    tone = np.zeros(whole)
    for number, strength in enumerate(timbre.harmonics, start=1):
        if number * frequency > 0.45 * RATE:
            break
        # High harmonics of a plucked string fade first.
        fading = 0.5 ** (time * number**0.7 / timbre.plucked) if timbre.plucked else 1.0
        tone += strength * np.sin(2 * np.pi * number * frequency * time) * fading
    envelope = np.minimum(1, time / timbre.attack)
    envelope[held:] *= np.linspace(1, 0, whole - held) ** 2
    return tone * envelope * note.loudness


def _room(side: int) -> NDArray[np.float64]:
    """An echo that fades by 60 dB; another one for each ear, and always the same."""
    count = round(_ECHO_SECONDS * RATE)
    noise = np.random.default_rng(side).standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    return np.asarray(noise / np.sqrt((noise**2).sum()))
