"""The work of `study`."""

import math
import time

from shared.kinds.study import Study  # type: ignore[import-not-found]

from shared.errors import Pruned
from worker.context import JobContext


def run(params: Study, ctx: JobContext) -> None:
    """Every step is judged; the best learning rate is 1e-2."""
    steps = params.steps or 10
    wrong = math.log10(params.learning_rate / 1e-2) ** 2
    for step in range(steps + 1):
        figure = 1 + wrong + 1 / (step + 1)
        ctx.metric("validation_loss", figure, step)
        ctx.progress(step, steps, f"Loss {figure:.4g}")
        if ctx.wish() == "prune":
            raise Pruned
        time.sleep(params.step_s)
    path = ctx.workdir / f"{params.name}.zip"
    path.write_text(f"{params.learning_rate}")
    about = {"judged_by": "validation_loss", "less_is_better": True, "after": {"validation_loss": figure}}
    ctx.save_artifact(
        path, role="model", media_type="application/zip", name=params.name, task="text-generation",
        promote=params.promote, before={"validation_loss": 9.0}, **about,
    )  # fmt: skip
