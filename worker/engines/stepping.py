"""One hook for every diffusion pipeline: a call after each step of its scheduler, with or without callbacks of its own.

Of the pipelines of diffusers 84 have no callback at all, and those that have differ; every step passes the scheduler.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stepping(scheduler: Any, on_step: Callable[[int, int, Any], None]) -> Iterator[None]:
    """Call `on_step(done, total, made)` after every step of this scheduler; what it raises ends the pipeline cleanly.

    `made` is what the step returned. The total is the scheduler's own: image to image runs fewer steps than asked for.
    """
    step, done = scheduler.step, 0

    def hooked(*args: Any, **kwargs: Any) -> Any:
        nonlocal done
        made = step(*args, **kwargs)
        done += 1
        on_step(done, len(scheduler.timesteps), made)
        return made

    scheduler.step = hooked
    try:
        yield
    finally:
        del scheduler.step
