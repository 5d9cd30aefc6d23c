"""The chorale starter as a music model: a few words of the prompt choose how, the seed chooses what.

It understands: major (happy, bright) and minor (sad, dark); a key such as "D minor" or "in G"; slow, calm, moderate,
fast, lively; organ, strings, harp, piano. Every other word is passed over: it writes chorales in four voices only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from shared.errors import JobError
from worker.engines.chorale import HOLD, LOWEST, VOICES, compose, load_chorale, plan
from worker.engines.pieces import Asked, OnStep, Piece
from worker.engines.synthesis import RATE, TIMBRES, Note, render

_TONICS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SIGNS = {"": 0, "♯": 1, "#": 1, " sharp": 1, "-sharp": 1, "♭": -1, " flat": -1, "-flat": -1}
_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_SIGN = r"( sharp|-sharp|♯|#| flat|-flat|♭)?"
_KEY = re.compile(rf"\b(?:in ([a-g]){_SIGN}(?!\w)|([a-g]){_SIGN} (?=major|minor))")
_MINOR = {"minor", "sad", "dark", "melancholic", "sorrowful", "mournful"}
#: Quarter notes a minute.
_TEMPI = {
    **dict.fromkeys(("slow", "calm", "peaceful", "largo", "adagio", "quiet"), 56.0),
    **dict.fromkeys(("moderate", "andante", "moderato"), 80.0),
    **dict.fromkeys(("fast", "lively", "quick", "allegro", "energetic"), 116.0),
}
_OWN_TEMPO, _TEMPERATURE = 72.0, 0.9
#: Seconds in which the last chord dies away, and the eighths of the shortest piece.
_TAIL, _SHORTEST = 1.0, 8
#: How loud each voice is, from the soprano down.
_LOUDNESS = (0.9, 0.62, 0.66, 0.8)


@dataclass(frozen=True)
class Wish:
    """What the words of a prompt chose: a tonic in semitones above C, the mode, the tempo and the instrument."""

    tonic: int
    minor: bool
    tempo: float
    timbre: str

    @property
    def key(self) -> str:
        """The key's name."""
        return f"{_NAMES[self.tonic]} {'minor' if self.minor else 'major'}"


def understood(prompt: str) -> Wish:
    """What a prompt chooses; C major or A minor, a middling tempo and the organ where it says nothing."""
    text = prompt.lower()
    words = re.findall(r"[a-z]+", text)
    minor = bool(_MINOR & set(words)) and "major" not in words
    tonic = 9 if minor else 0
    if match := _KEY.search(text):
        letter, sign = match[1] or match[3], (match[2] if match[1] else match[4]) or ""
        tonic = (_TONICS[letter] + _SIGNS[sign]) % 12
    tempo = next((_TEMPI[word] for word in words if word in _TEMPI), _OWN_TEMPO)
    return Wish(tonic, minor, tempo, next((word for word in words if word in TIMBRES), "organ"))


class ChoraleComposer:
    """The loaded starter. Runs on the CPU whatever the device: it takes a thousandth of a second an eighth note."""

    def __init__(self, folder: Path) -> None:
        self._net = load_chorale(folder)

    def make(self, asked: Asked, seed: int, on_step: OnStep) -> Piece:
        """Compose eighth by eighth, then play it."""
        for name, value in (
            ("negative_prompt", asked.negative_prompt),
            ("guidance", asked.guidance),
            ("steps", asked.steps),
        ):
            if value is not None:
                raise JobError(
                    "unsupported_setting", "This model does not take this setting; leave it empty.", field=name
                )
        wish = understood(asked.prompt)
        played = asked.seconds - min(_TAIL, asked.seconds / 4)
        steps = max(_SHORTEST, round(played * wish.tempo * 2 / 60))
        form = plan(steps, minor=wish.minor)
        with torch.inference_mode():
            tokens = compose(self._net, form, seed=seed, temperature=_TEMPERATURE, on_step=on_step)
        # The network's own tonics are C and A; up or down, whichever is nearer.
        shift = (wish.tonic - (9 if wish.minor else 0) + 6) % 12 - 6
        timbre = TIMBRES[wish.timbre]
        notes = tuple(notes_of(tokens, eighth=played / steps, shift=shift))
        return Piece(render(notes, timbre, asked.seconds), RATE, notes, timbre.program, wish.key)


def notes_of(tokens: Tensor, *, eighth: float, shift: int) -> list[Note]:
    """The notes of [steps, voices] tokens, each eighth so many seconds long, moved by so many semitones."""
    notes = []
    steps = len(tokens)
    for voice in range(VOICES):
        begun = [step for step in range(steps) if tokens[step, voice] != HOLD]
        for step, end in zip(begun, [*begun[1:], steps], strict=True):
            pitch = LOWEST - 1 + shift + int(tokens[step, voice])
            notes.append(Note(step * eighth, (end - step) * eighth, pitch, voice, _LOUDNESS[voice]))
    return sorted(notes, key=lambda note: (note.start, note.voice))
