"""The work of `relay`."""

from pathlib import Path

from shared.kinds.relay import Relay  # type: ignore[import-not-found]

from shared.errors import JobError
from worker.context import JobContext


def run(params: Relay, ctx: JobContext) -> None:
    """Save the words, then the file."""
    if params.broken_once and not Path(params.broken_once).exists():
        raise JobError("relay_broken", "The relay is broken.")
    ctx.progress(0, 1, "passing on")
    words = ctx.workdir / "words.txt"
    words.write_text(params.words + "\n")
    ctx.save_artifact(words)
    if params.file:
        copy = ctx.workdir / "copy.txt"
        copy.write_bytes(ctx.input(params.file).path.read_bytes())
        ctx.save_artifact(copy)
    ctx.progress(1, 1, "passed on")
