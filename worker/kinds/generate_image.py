"""Work of `generate_image`: a prompt in, one or more PNGs out, with previews on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from PIL import Image

from shared.errors import JobError
from shared.kinds.generate_image import MAX_ENLARGED, MAX_PIXELS, GenerateImage
from worker.context import JobContext
from worker.engines.diffusion import Pace, Painting, Preview, batches, load_pipeline, own_size, paint, pipeline_size
from worker.engines.loading import check_task
from worker.engines.pictures import parameters_text, save_png, save_preview
from worker.engines.schedulers import TITLES
from worker.engines.upscaling import load_upscaler, upscaler_size

if TYPE_CHECKING:
    from shared.library import ModelSource

_STEPS = 30
_UPSCALER = "realesrgan-anime"


def run(params: GenerateImage, ctx: JobContext) -> None:
    """Load, paint batch by batch, enlarge, save."""
    ctx.progress(0, None, "Loading the model")
    source = check_task(ctx.model(params.model), "text-to-image")
    pipe = ctx.resident(source.key, lambda: load_pipeline(source, ctx.device), pipeline_size(source))
    painting = _painting(params, source.defaults, pipe)
    enlarge = _enlarger(params, painting, source, ctx)
    seeds = [ctx.seed + number for number in range(params.images)]
    groups = batches(seeds, painting, ctx.device)
    pace = Pace()

    for number, group in enumerate(groups):

        def on_step(done: int, steps: int, preview: Preview, before: int = number) -> None:
            _show(preview, pace, params, ctx)
            ctx.progress(before * steps + done, len(groups) * steps, f"Step {done} of {steps}")

        for seed, image in zip(group, paint(pipe, painting, group, on_step), strict=True):
            _save(enlarge(image), painting, source, ctx, seed=seed, number=seed - ctx.seed + 1)


def _painting(params: GenerateImage, defaults: dict[str, Any], pipe: Any) -> Painting:
    """The params, with what they leave open taken from the model's `atelier.json`, then from the pipeline."""
    width, height = own_size(pipe)
    painting = Painting(
        prompt=params.prompt,
        negative_prompt=params.negative_prompt or defaults.get("negative_prompt"),
        width=params.width or defaults.get("width") or width,
        height=params.height or defaults.get("height") or height,
        steps=params.steps or defaults.get("steps") or _STEPS,
        guidance=params.guidance if params.guidance is not None else defaults.get("guidance"),
        scheduler=params.scheduler if params.scheduler != "default" else defaults.get("scheduler", "default"),
    )
    if painting.width * painting.height > MAX_PIXELS:
        raise JobError("too_large", "The picture may have 4.2 million pixels at most.", field="width")
    return painting


def _enlarger(
    params: GenerateImage, painting: Painting, source: ModelSource, ctx: JobContext
) -> Callable[[Image.Image], Image.Image]:
    factor = params.upscale or source.defaults.get("upscale", 1)
    if factor == 1:
        return lambda image: image
    if painting.width * painting.height * factor**2 > MAX_ENLARGED:
        raise JobError("too_large", "The enlarged picture may have 17 million pixels at most.", field="upscale")
    try:
        large = check_task(ctx.model(params.upscaler or source.defaults.get("upscaler", _UPSCALER)), "upscale")
    except JobError:
        if params.upscale or params.upscaler:
            raise
        return lambda image: image  # the model's wish, not the job's: the picture is whole without it
    upscaler = ctx.resident(large.key, lambda: load_upscaler(large, ctx.device), upscaler_size(large))
    return lambda image: upscaler.enlarge(image, factor, lambda *_: ctx.check_cancelled())


def _show(preview: Preview, pace: Pace, params: GenerateImage, ctx: JobContext) -> None:
    if not (params.previews and pace.due()):
        return
    with pace.spent():
        image = preview()
        if image is not None:
            path = ctx.workdir / "preview.jpg"
            save_preview(image, path)
            ctx.save_artifact(path, role="preview", media_type="image/jpeg")


def _save(
    image: Image.Image, painting: Painting, source: ModelSource, ctx: JobContext, *, seed: int, number: int
) -> None:
    text = parameters_text(
        painting.prompt,
        painting.negative_prompt,
        {
            "Steps": painting.steps,
            "Sampler": TITLES[painting.scheduler],
            "CFG scale": painting.guidance,
            "Seed": seed,
            "Size": f"{painting.width}x{painting.height}",
            "Model": source.name,
            "Hires upscale": image.width // painting.width if image.width != painting.width else None,
            "Version": "Atelier",
        },
    )
    record = asdict(painting) | {"kind": "generate_image", "model": source.name, "model_key": source.key, "seed": seed}
    path = ctx.workdir / f"image-{number}.png"
    save_png(image, path, parameters=text, record=record)
    ctx.save_artifact(path, media_type="image/png", seed=seed, width=image.width, height=image.height)
