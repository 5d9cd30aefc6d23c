"""The work of `learn`."""

import json
import math
import time
from pathlib import Path

from shared.kinds.learn import Learn  # type: ignore[import-not-found]

from worker.context import JobContext

SAVED = "resume.json"
_POINTS = [(x / 8, 3 * x / 8 - 1) for x in range(-8, 8)]


def run(params: Learn, ctx: JobContext) -> None:
    """Descend, save every so many steps, do what is wished, and hand over what was learned."""
    found = ctx.restore(SAVED)
    step, slope, offset = json.loads(found.read_text()) if found else (0, 0.0, 0.0)
    _note(params.mark, f"from {step}")
    while step < params.steps:
        time.sleep(params.step_s)
        loss, slope, offset = _descended(slope, offset, params.rate)
        step += 1
        ctx.metric("loss", loss * (1 + 0.1 * math.sin(step * 1.7)), step)
        ctx.metric("learning_rate", params.rate, step)
        if step % 10 == 0:
            ctx.metric("validation_loss", loss * 1.1 + 0.02, step)
        ctx.progress(step, params.steps, f"Loss {loss:.4g}")
        wish = ctx.wish()
        if wish == "keep":
            break
        if wish is not None:
            _save(ctx, step, slope, offset)
            _note(params.mark, f"{wish} at {step}")
            ctx.step_aside()
        if step % params.every == 0:
            _save(ctx, step, slope, offset)
    learned = ctx.workdir / "learned.json"
    learned.write_text(json.dumps({"steps": step, "slope": slope, "offset": offset}))
    ctx.save_artifact(learned)


def _descended(slope: float, offset: float, rate: float) -> tuple[float, float, float]:
    wrong = [(slope * x + offset - y, x) for x, y in _POINTS]
    loss = sum(error * error for error, _ in wrong) / len(wrong)
    down = sum(error * x for error, x in wrong) / len(wrong), sum(error for error, _ in wrong) / len(wrong)
    return loss, slope - 2 * rate * down[0], offset - 2 * rate * down[1]


def _save(ctx: JobContext, step: int, slope: float, offset: float) -> None:
    path = ctx.workdir / SAVED
    path.write_text(json.dumps([step, slope, offset]))
    ctx.checkpoint(path)


def _note(mark: str, line: str) -> None:
    if mark:
        with Path(mark).open("a") as file:
            file.write(f"{line}\n")
