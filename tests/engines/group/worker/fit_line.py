"""The work of `fit_line`, in the processes that follow."""

from pathlib import Path

from shared.kinds.fit_line import FitLine  # type: ignore[import-not-found]

from tests.engines.companions import PLAN, Fated
from worker.context import JobContext
from worker.engines.training.loop import train


def run(params: FitLine, ctx: JobContext) -> None:
    """Take part; what the plan says is the leader's business."""
    fate = params.fate if ctx.mates.task["rank"] == params.who else ""  # type: ignore[union-attr]
    line = Fated(fate=fate, at=params.at, mark=Path(params.mark) if params.mark else None, **params.line)
    train(line, PLAN, ctx)
