"""Work of `describe_image`: a picture in, a caption or the answer to a question out."""

import time

from shared.errors import JobError
from shared.kinds.describe_image import DescribeImage
from worker.context import JobContext
from worker.engines.decoding import write
from worker.engines.language import language_model_size
from worker.engines.loading import check_task
from worker.engines.rows import Row
from worker.engines.sampling import Sampling
from worker.engines.seeing import load_seer, open_picture

_NO_MODEL = (
    "No model that describes pictures comes with this installation. Add one, such as BLIP, GIT or LLaVA, with "
    "“atelier models add NAME SOURCE --task image-to-text”, and choose it here."
)


def run(params: DescribeImage, ctx: JobContext) -> None:
    """Load, look, write token by token, save."""
    if params.model is None:
        raise JobError("model_missing", _NO_MODEL, field="model")
    ctx.progress(0, params.max_new_tokens, "Loading the model")
    image = open_picture(ctx.input(params.image).path)
    source = check_task(ctx.model(params.model), "image-to-text")
    seer = ctx.resident(source.key, lambda: load_seer(source, ctx.device), language_model_size(source))
    prompt, seen = seer.prompt(image, params.question)
    started = time.perf_counter()

    def show(step: int, rows: list[Row]) -> None:
        rate = rows[0].tokens / (time.perf_counter() - started)
        ctx.progress(step, params.max_new_tokens, f"{rate:.1f} tokens/s", text=rows[0].shown)

    (row,) = write(seer.lm, prompt, Sampling.of(params), seeds=[ctx.seed], on_step=show, seen=seen)

    path = ctx.workdir / "text.txt"
    path.write_text(row.text.strip(), "utf-8")
    ctx.save_artifact(
        path, media_type="text/plain; charset=utf-8", finish_reason=row.finish, tokens=row.tokens, seed=ctx.seed
    )
    ctx.metric("tokens", row.tokens)
    ctx.metric("tokens_per_second", row.tokens / (time.perf_counter() - started))
