"""The other processes of a training on a device group: started with the job, and gone when it ends, however it ends.

They run the same kind on the same params (`worker.mate`), and are told what it asked for, so that they know no
database: a line of JSON each, by a pipe. What they tell is one line: that they are ready, or why they are not.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter

from shared import kinds
from shared.dataset import DatasetSource
from shared.library import ModelSource
from worker.context import InputFile, JobContext
from worker.devices import Device

if TYPE_CHECKING:
    from worker.attempt import Attempt
    from worker.engines.training.company import Company

ANSWERS: dict[str, TypeAdapter[Any]] = {
    "model": TypeAdapter(ModelSource),
    "dataset": TypeAdapter(DatasetSource),
    "input": TypeAdapter(InputFile),
    "restore": TypeAdapter(Path | None),
}
"""What a kind may ask its context for before it trains, and in which form the answer is told."""

_LOOK_S = 0.2
#: A process that was lost says why, or ends, within this time; else it hangs.
_ENDS_S, _REAPED_S = 10.0, 30.0
_SILENT = "it no longer answers"


@contextmanager
def helped(attempt: "Attempt", device: Device) -> Iterator[JobContext]:
    """The context of a job; a training on a device group has the group's other processes."""
    if device.members == 1 or not kinds.trains(attempt.job.kind):
        yield attempt
        return
    mates = Mates(attempt, device)
    try:
        yield cast("JobContext", _Door(attempt, mates))
    finally:
        mates.end()


class _Door:
    """An attempt whose answers the others hear too. Everything else is the attempt's."""

    def __init__(self, attempt: "Attempt", mates: "Mates") -> None:
        self._attempt, self.mates = attempt, mates

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._attempt, name)
        if name not in ANSWERS:
            return found

        def told(asked: str) -> Any:
            answer = found(asked)
            self.mates.answer(name, asked, answer)
            return answer

        return told


class Mates:
    """The leader's side; see `worker.engines.training.together.Mates`."""

    def __init__(self, attempt: "Attempt", device: Device) -> None:
        self._attempt = attempt
        self._processes = [self._start(device, rank) for rank in range(1, device.members)]
        self._meetings = 0

    def join(self, count: int) -> "Company":
        """Wait until all have built a learner of so many examples, and come together.

        Raises:
            MateLost: one could not.
            ShortOfMemory: for want of memory.
        """
        # The engine loads torch, which the parent of this process must not.
        from worker.engines.training import company  # noqa: PLC0415 - see above

        for process in self._processes:
            said = self._heard(process)
            if said.get("short"):
                raise company.ShortOfMemory(said["failed"])
            if "ready" not in said:
                raise company.MateLost(said.get("failed") or self.explain())
            if said["ready"] != count:
                raise company.MateLost("it found another number of examples")
        self._meetings += 1
        at = self._attempt.workdir / f"meeting-{self._meetings}"
        self.tell({"join": str(at)})
        return company.join(0, len(self._processes) + 1, self._attempt.device, at)

    def tell(self, order: Mapping[str, Any]) -> None:
        """Have the others do this. Who cannot hear it is missed when they meet."""
        line = json.dumps(order).encode() + b"\n"
        for process in self._processes:
            _say(process, line)

    def answer(self, what: str, asked: str, answer: Any) -> None:
        """Let the others know what the kind was given."""
        self.tell({"given": [what, asked], "value": ANSWERS[what].dump_python(answer, mode="json")})

    def orders(self) -> Iterator[Mapping[str, Any]]:
        """Nobody orders the leader about."""
        return iter(())

    def explain(self) -> str:
        """What a process said, or how it ended."""
        ready = select.select([_ear(process) for process in self._processes], [], [], _ENDS_S)[0]
        for process in self._processes:
            if _ear(process) in ready:
                said = self._heard(process).get("failed")
                return str(said) if said else _ending(process.wait(_REAPED_S))
        return _SILENT

    def end(self) -> None:
        """End them: what they have learned the leader has too."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_REAPED_S)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _start(self, device: Device, rank: int) -> subprocess.Popen[bytes]:
        seen = {"CUDA_VISIBLE_DEVICES": str(device.indices[rank])} if device.is_gpu else {}
        process = subprocess.Popen(
            [sys.executable, "-m", "worker.mate", str(os.getpid())],
            env=os.environ | seen,
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        job, attempt = self._attempt.job, self._attempt
        told = {
            "rank": rank, "size": device.members, "device": attempt.device, "lean": attempt.lean, "job": job.id,
            "kind": job.kind, "params": job.params, "seed": job.seed, "workdir": str(attempt.workdir / f"rank-{rank}"),
        }  # fmt: skip
        _say(process, json.dumps(told).encode() + b"\n")
        return process

    def _heard(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """The line that a process says next; nothing where it has ended."""
        assert process.stdout is not None
        while not select.select([_ear(process)], [], [], _LOOK_S)[0]:
            self._attempt.check_cancelled()
        line = _ear(process).readline()
        return dict(json.loads(line)) if line else {}


def _ear(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _ending(status: int) -> str:
    return f"it was killed by signal {-status}" if status < 0 else f"it ended with status {status}"


def _say(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    try:
        view = memoryview(line)
        while view:
            view = view[process.stdin.write(view) :]
    except BrokenPipeError:
        pass  # missed at the next meeting
