"""Work of `sample_image`: seeds in, PNGs out, or a strip and a clip on the way from one seed to another."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from PIL import Image

from shared.errors import JobError
from shared.kinds.sample_image import SampleImage
from worker.context import JobContext
from worker.engines.classes import class_number
from worker.engines.diffusion import batches
from worker.engines.film import write_film
from worker.engines.loading import check_task
from worker.engines.pictures import parameters_text, save_png, strip
from worker.engines.samplers import Draw, Sampler, Sampling, load_sampler, sampler_size
from worker.engines.schedulers import TITLES

if TYPE_CHECKING:
    from shared.library import ModelSource

_TASK = "unconditional-image-generation"
#: Pixels of a strip, and pictures a second of a clip.
_MAX_STRIP, _FPS = 8 * 2048 * 2048, 12


def run(params: SampleImage, ctx: JobContext) -> None:
    """Load, sample batch by batch, save."""
    ctx.progress(0, None, "Loading the model")
    source = check_task(ctx.model(params.model), _TASK)
    sampler = ctx.resident(source.key, lambda: load_sampler(source, ctx.device), sampler_size(source))
    draws = _draws(params, sampler, ctx.seed)
    sampling = Sampling(truncation=params.truncation, steps=params.steps, scheduler=params.scheduler)
    groups = batches(draws, sampler.size, ctx.device, lean=ctx.lean)
    way: list[Image.Image] = []

    for number, group in enumerate(groups):

        def on_step(done: int, steps: int, before: int = number) -> None:
            ctx.progress(before * steps + done, len(groups) * steps, f"Step {done} of {steps}")

        made = sampler.sample(group, sampling, on_step)
        if params.interpolate_to is not None:
            way += made
            continue
        for draw, image in zip(group, made, strict=True):
            _save(image, f"image-{draw.seed - ctx.seed + 1}.png", draw, params, sampler, source, ctx)

    if way:
        _save(strip(way), "strip.png", draws[0], params, sampler, source, ctx)
        if params.as_clip:
            path, there_and_back = ctx.workdir / "clip.mp4", [*way, *way[-2:0:-1]]
            write_film(path, there_and_back, _FPS)
            seconds = round(len(there_and_back) / _FPS, 3)
            ctx.save_artifact(path, media_type="video/mp4", seed=ctx.seed, seconds=seconds, fps=_FPS)


def _draws(params: SampleImage, sampler: Sampler, seed: int) -> Sequence[Draw]:
    if params.label is not None and not sampler.classes:
        raise JobError("unsupported_setting", "This model knows no classes.", field="label")
    label_of = _labels(params, sampler)
    if params.interpolate_to is None:
        return [Draw(seed=one, label=label_of(one)) for one in range(seed, seed + params.images)]
    if params.frames * sampler.size.width * sampler.size.height > _MAX_STRIP:
        raise JobError("too_large", "The strip may have 34 million pixels. Ask for fewer frames.", field="frames")
    return [
        Draw(seed=seed, label=label_of(seed), towards=params.interpolate_to, share=frame / (params.frames - 1))
        for frame in range(params.frames)
    ]


def _labels(params: SampleImage, sampler: Sampler) -> Callable[[int], int | None]:
    """The class of a picture by its seed: the one asked for, or one drawn."""
    if not sampler.classes:
        return lambda _: None
    if params.label is None:
        return lambda seed: random.Random(f"class {seed}").randrange(sampler.classes)
    number = class_number(params.label, sampler.names, sampler.classes, field="label")
    return lambda _: number


def _save(
    image: Image.Image,
    name: str,
    draw: Draw,
    params: SampleImage,
    sampler: Sampler,
    source: ModelSource,
    ctx: JobContext,
) -> None:
    label = None if draw.label is None else sampler.names.get(draw.label, str(draw.label))
    text = parameters_text(
        label or "",
        None,
        {
            "Steps": params.steps,
            "Sampler": TITLES[params.scheduler],
            "Seed": draw.seed,
            "Size": f"{sampler.size.width}x{sampler.size.height}",
            "Model": source.name,
            "Version": "Atelier",
        },
    )
    record = asdict(draw) | {"kind": "sample_image", "model": source.name, "model_key": source.key, "class": label}
    if params.interpolate_to is not None:
        record["frames"] = params.frames
    record |= params.model_dump(include={"truncation", "steps", "scheduler"})
    path = ctx.workdir / name
    save_png(image, path, parameters=text, record=record)
    ctx.save_artifact(path, media_type="image/png", seed=draw.seed, width=image.width, height=image.height)
