"""The work of `probe`."""

import os
import signal
import time
from pathlib import Path

from shared.kinds.probe import Probe  # type: ignore[import-not-found]

from shared.errors import JobError, RetryableError
from worker.context import JobContext


def run(params: Probe, ctx: JobContext) -> None:
    """Step, do the deed at its step, and save what was counted."""
    with _noted(params.mark, ctx.job_id):
        for step in range(params.steps):
            if step == params.at_step:
                _do(params, ctx)
            time.sleep(params.step_s)
            if not params.deaf:
                ctx.progress(step + 1, params.steps, f"step {step + 1}", text="." * min(step, 100))
        if params.megabytes:
            _save_large(params.megabytes, ctx)
        if params.steps:
            path = ctx.workdir / "count.txt"
            path.write_text(f"{params.steps} steps, seed {ctx.seed}\n")
            ctx.save_artifact(path)


def _do(params: Probe, ctx: JobContext) -> None:
    match params.deed:
        case "raise":
            raise ValueError("the probe was told to raise")
        case "refuse":
            raise JobError("probe_refused", "The probe was told to refuse.")
        case "retryable":
            raise RetryableError("probe_retry", "The probe asks to be retried.")
        case "fail_once" if _first(params.mark):
            raise RetryableError("probe_retry", "The probe fails the first time.")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill_once" if _first(params.mark):
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze" if _first(params.mark):
            os.kill(os.getpid(), signal.SIGSTOP)
        case "hang" if _first(params.mark):
            time.sleep(3600)
        case "fatal" if _first(params.mark):
            raise RuntimeError("CUDA error: the probe says so")
        case "scribble":
            ctx.metric("nothing", float("nan"))
            ctx.progress(params.at_step, params.steps, "a \x00 note", text="\x00 and \ud800")
        case "memory" | "memory_always" if params.deed == "memory_always" or not ctx.lean:
            raise MemoryError


def _first(mark: str) -> bool:
    """Whether this is the first time that the deed's mark is asked; it is set now."""
    try:
        Path(mark + ".deed").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _save_large(megabytes: int, ctx: JobContext) -> None:
    path = ctx.workdir / "large.bin"
    with path.open("wb") as file:
        for index in range(megabytes):
            file.write(index.to_bytes(4, "big") * (1 << 18))
    ctx.save_artifact(path)


class _noted:  # noqa: N801 - reads as a statement
    """Writes start and end of each run to the mark file, so that a test can see two at one time."""

    def __init__(self, mark: str, job_id: str) -> None:
        self._mark, self._line = mark, f"{job_id} {os.getpid()}"

    def __enter__(self) -> None:
        self._note("start")

    def __exit__(self, *_: object) -> None:
        self._note("end")

    def _note(self, word: str) -> None:
        if self._mark:
            with Path(self._mark).open("a") as file:
                file.write(f"{word} {self._line}\n")
