"""What is asked of a music model, and what it gives. Knows no models."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.engines.synthesis import Note

OnStep = Callable[[int, int], object]


@dataclass(frozen=True)
class Asked:
    """What to make: the length in seconds; None takes the model's own."""

    prompt: str
    negative_prompt: str | None
    seconds: float
    guidance: float | None
    steps: int | None


@dataclass(frozen=True)
class Piece:
    """The sound, [samples, channels] between -1 and 1, and its rate; where the model writes notes, those too."""

    sound: NDArray[np.float32]
    rate: int
    notes: tuple[Note, ...] = ()
    program: int = 0
    key: str = ""
