"""`python -m worker.mate PARENT`: a further process of a training on a device group, started by the first.

It runs the kind on the same params, up to the point where the loop would begin, and follows the leader from there. It
hands nothing over, and knows no database: the leader tells what the kind is given.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar

from shared import kinds
from shared.dataset import DatasetSource
from shared.library import ModelSource
from shared.logging import begin as begin_logging
from shared.process import die_with_parent
from shared.settings import Settings
from worker.context import InputFile
from worker.kinds import extend, run_function
from worker.mates import ANSWERS
from worker.residency import is_out_of_memory

if TYPE_CHECKING:
    from datetime import datetime

    from shared.feedback import Judged
    from worker.engines.training.company import Company

T = TypeVar("T")

_TOLD_MOST = 300
"""Characters of an error that the leader is told; the whole of it is in the log."""


class Leader:
    """The way to the leader; see `worker.engines.training.together.Mates`."""

    def __init__(self, heard: IO[str], said: IO[str]) -> None:
        self._heard, self._said = heard, said
        self.task: dict[str, Any] = json.loads(heard.readline())
        self._given: dict[tuple[str, str], Any] = {}

    def ask(self, what: str, asked: str) -> Any:
        """What the leader's kind was given."""
        while (what, asked) not in self._given:
            self._keep(self._next())
        return ANSWERS[what].validate_python(self._given[what, asked])

    def say(self, **told: Any) -> None:
        """Tell the leader."""
        print(json.dumps(told), file=self._said, flush=True)

    def join(self, count: int) -> "Company":
        """Say that there is a learner, and come together when the leader has one."""
        # Whoever comes here has built a learner: torch is there.
        from worker.engines.training import company  # noqa: PLC0415 - see above

        self.say(ready=count)
        while "join" not in (order := self._next()):
            self._keep(order)
        return company.join(self.task["rank"], self.task["size"], self.task["device"], Path(order["join"]))

    def tell(self, order: Mapping[str, Any]) -> None:
        """Nobody is told anything by a follower."""

    def orders(self) -> Iterator[Mapping[str, Any]]:
        """What the leader says."""
        for line in self._heard:
            order = json.loads(line)
            if "given" not in order:
                yield order

    def explain(self) -> str:
        """The leader knows."""
        return "the leader, or another one"

    def _next(self) -> dict[str, Any]:
        line = self._heard.readline()
        if not line:
            sys.exit(0)  # the job has ended before it began to train
        return dict(json.loads(line))

    def _keep(self, order: dict[str, Any]) -> None:
        what, asked = order["given"]
        self._given[what, asked] = order["value"]


class MateContext:
    """What a kind sees here: the leader's answers, and nobody who listens. Implements `worker.context.JobContext`."""

    def __init__(self, leader: Leader) -> None:
        task = leader.task
        self.mates = leader
        self.job_id, self.seed, self.device, self.lean = task["job"], task["seed"], task["device"], task["lean"]
        self.workdir = Path(task["workdir"])
        self.workdir.mkdir(parents=True, exist_ok=True)

    def model(self, name: str) -> ModelSource:
        """The model that the leader has."""
        found: ModelSource = self.mates.ask("model", name)
        return found

    def dataset(self, ref: str) -> DatasetSource:
        """The dataset that the leader has."""
        found: DatasetSource = self.mates.ask("dataset", ref)
        return found

    def input(self, ref: str) -> InputFile:
        """The leader's copy."""
        found: InputFile = self.mates.ask("input", ref)
        return found

    def restore(self, name: str) -> Path | None:
        """The leader's copy."""
        found: Path | None = self.mates.ask("restore", name)
        return found

    def resident(self, key: str, load: Callable[[], T], size: int | None = None) -> T:  # noqa: ARG002 - one job only
        """Loaded for this job."""
        return load()

    def feedback(self, since: "datetime | None" = None) -> "list[Judged]":
        """No training reads it."""
        raise NotImplementedError

    def progress(self, done: int, total: int | None, note: str = "", text: str | None = None) -> None:
        """The leader's to tell."""

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        """The leader's to record."""

    def check_cancelled(self) -> None:
        """The leader's to hear: it ends this process."""

    def checkpoint(self, path: Path) -> None:
        """The leader's to store."""

    def save_artifact(self, path: Path, role: str = "output", media_type: str | None = None, **meta: Any) -> None:
        """The leader's to hand over."""

    def wish(self) -> None:
        """The leader's to follow."""

    def step_aside(self) -> NoReturn:
        """Never asked for."""
        raise NotImplementedError


def main() -> int:
    """Entry point; returns the exit status."""
    die_with_parent(parent=int(sys.argv[1]))
    # The way to the leader is ours alone: what a library prints goes where errors go.
    said = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    leader = Leader(sys.stdin, said)
    settings = Settings()
    begin_logging(settings)
    if settings.kinds_path is not None:
        extend(settings.kinds_path)
    # Torch is loaded by the kind, once this process is bound to its device and to its parent.
    run = run_function(leader.task["kind"])
    from worker.engines.training.together import Dismissed  # noqa: PLC0415 - see above

    try:
        run(kinds.validate(leader.task["kind"], leader.task["params"]), MateContext(leader))
    except Dismissed:
        pass
    except Exception as error:
        told = f"{type(error).__name__}: {error}"[:_TOLD_MOST]
        leader.say(failed=told, short=is_out_of_memory(error))
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
