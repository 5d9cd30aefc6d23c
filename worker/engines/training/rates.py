"""How the learning rate changes over a run: warm-up, then constant, linear or cosine. Of the fraction done alone."""

import math
from typing import Literal

Schedule = Literal["constant", "linear", "cosine"]


def rate(schedule: Schedule, fraction: float, warm_up: float, floor: float = 0.0) -> float:
    """The share of the full learning rate when `fraction` of the run is done.

    Args:
        schedule: what follows the warm-up.
        fraction: 0 at the first step, 1 after the last.
        warm_up: the share of the run in which the rate rises from nothing.
        floor: the share that is left at the end.
    """
    if fraction < warm_up:
        return fraction / warm_up
    if schedule == "constant":
        return 1.0
    left = 1 - (fraction - warm_up) / max(1 - warm_up, 1e-9)
    share = left if schedule == "linear" else (1 - math.cos(math.pi * left)) / 2
    return floor + (1 - floor) * max(share, 0.0)
