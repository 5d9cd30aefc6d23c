"""The work of `chant`: one counts, or all count together and whoever joins does so between two numbers."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from shared.kinds.chant import Chant  # type: ignore[import-not-found]

from shared.errors import JobError
from worker.context import JobContext, Member, Party


def run(params: Chant, ctx: JobContext) -> None:
    """Count alone."""
    for number in range(params.steps):
        time.sleep(params.step_s)
        ctx.progress(number + 1, params.steps, "alone")
    _save(params, ctx, together=1)


def run_many(party: Party[Chant]) -> None:
    """Count together."""
    counted: dict[Member[Any], int] = {}
    most = 0
    while True:
        counted |= dict.fromkeys(party.turn(8), 0)
        counted = {member: number for member, number in counted.items() if party.has(member)}
        if not counted:
            return
        most = max(most, len(counted))
        time.sleep(max(member.params.step_s for member in counted))
        for member, number in counted.items():
            _wreck(member.params, number)
            with party.minding(member):
                if number == member.params.at_step and member.params.deed == "refuse":
                    raise JobError("chant_refused", "The singer was told to refuse.")
                if number == member.params.steps:
                    _save(member.params, member.ctx, together=most)
                    party.done(member)
                else:
                    counted[member] += 1
                    member.ctx.progress(number + 1, member.params.steps, "together")


def _wreck(params: Chant, number: int) -> None:
    """What nobody can be blamed for: it ends the pass of all."""
    if number != params.at_step:
        return
    match params.deed:
        case "wreck":
            raise RuntimeError("the pass went wrong")
        case "memory":
            raise MemoryError
        case "kill_once" if not Path(params.mark).exists():
            Path(params.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)


def _save(params: Chant, ctx: JobContext, *, together: int) -> None:
    path = ctx.workdir / "count.txt"
    path.write_text(f"{params.steps} steps, {together} together\n")
    ctx.save_artifact(path)
