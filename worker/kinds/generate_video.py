"""Work of `generate_video`: a prompt in, and maybe a picture; an MP4 out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps, UnidentifiedImageError

from shared.errors import JobError
from shared.kinds.generate_video import MAX_ENLARGED, MAX_JOB_PIXELS, MAX_PIXELS, GenerateVideo
from worker.context import JobContext
from worker.engines.diffusion import Painting, load_pipeline, own_size, pipeline_size
from worker.engines.film import write_film
from worker.engines.latent_walk import Walk, is_walk, walk
from worker.engines.loading import check_task
from worker.engines.previews import Preview, shower
from worker.engines.upscaling import enlarger
from worker.engines.video import (
    Shot,
    fitted,
    form,
    load_video_pipeline,
    shaped,
    shoot,
    takes_any_shape,
    video_pipeline_size,
)

if TYPE_CHECKING:
    from shared.library import ModelSource

#: Of a walk, where neither the job nor the model says otherwise.
_WALK_FRAMES, _WALK_FPS, _WALK_STEPS = 32, 12, 30
_UPSCALER = "realesrgan-video"
#: What a video model's `atelier.json` may say of its form.
_FORM = ("width", "height", "frames", "fps", "steps")


@dataclass(frozen=True)
class _Take:
    """The frames of a film as the model made them, and how fast they follow each other."""

    frames: Sequence[Image.Image]
    fps: float
    steps: int
    note: str


def run(params: GenerateVideo, ctx: JobContext) -> None:
    """Load, make the frames, enlarge them, save."""
    ctx.progress(0, None, "Loading the model")
    source = check_task(ctx.model(params.model), "text-to-video")
    take = _walked(params, source, ctx) if is_walk(source) else _shot(params, source, ctx)
    factor, enlarge = _enlarger(params, take, source, ctx)
    width, height = (side * factor + side * factor % 2 for side in take.frames[0].size)
    count, path = len(take.frames), ctx.workdir / "clip.mp4"

    def on_frame(done: int) -> None:
        ctx.progress(take.steps + done, take.steps + count, f"Frame {done} of {count}")

    write_film(path, map(enlarge, take.frames), take.fps, on_frame=on_frame)
    meta: dict[str, Any] = {"seconds": round(count / take.fps, 3), "fps": take.fps, "frames": count, "seed": ctx.seed}
    ctx.save_artifact(path, media_type="video/mp4", **meta, width=width, height=height, note=take.note)


def _walked(params: GenerateVideo, source: ModelSource, ctx: JobContext) -> _Take:
    """Frames of a latent walk over the model that the source names as its base."""
    if params.image:
        raise JobError("unsupported_setting", "A latent walk takes no picture, only prompts.", field="image")
    base = check_task(ctx.model(source.base or "emoji"), "text-to-image")
    pipe = ctx.resident(base.key, lambda: load_pipeline(base, ctx.device), pipeline_size(base))
    defaults = base.defaults | source.defaults
    width, height = own_size(pipe)
    painting = Painting(
        prompt=params.prompt,
        negative_prompt=params.negative_prompt or defaults.get("negative_prompt"),
        width=params.width or defaults.get("width") or width,
        height=params.height or defaults.get("height") or height,
        steps=params.steps or defaults.get("steps") or _WALK_STEPS,
        guidance=params.guidance if params.guidance is not None else defaults.get("guidance"),
        scheduler=defaults.get("scheduler", "default"),
    )
    way = Walk(
        prompts=[params.prompt, *params.then],
        frames=params.frames or defaults.get("frames", _WALK_FRAMES),
        loop=params.loop,
    )
    _check_pixels(painting.width, painting.height, way.frames)
    show, steps = shower(ctx.workdir / "preview.jpg", ctx.save_artifact, wanted=params.previews), 0

    def on_step(done: int, total: int, preview: Preview) -> None:
        nonlocal steps
        steps = total
        show(preview, done / total)
        ctx.progress(done, total + way.frames, f"Step {done} of {total}")

    frames = walk(pipe, painting, way, ctx.seed, ctx.device, on_step)
    return _Take(frames, params.fps or defaults.get("fps", _WALK_FPS), steps, "")


def _shot(params: GenerateVideo, source: ModelSource, ctx: JobContext) -> _Take:
    """Frames of a video model."""
    if params.then or params.loop:
        field = "then" if params.then else "loop"
        raise JobError("unsupported_setting", "Only a latent walk turns into further prompts, or loops.", field=field)
    base = check_task(ctx.model(source.base), "text-to-image") if source.base else None
    key = f"{source.key} on {base.key}" if base else source.key
    size = video_pipeline_size(source, base)
    pipe = ctx.resident(key, lambda: load_video_pipeline(source, ctx.device, base), size)
    shot, note = fitted(_wanted(params, source.defaults, pipe, ctx), form(pipe))
    _check_pixels(shot.width, shot.height, shot.frames)
    show, steps = shower(ctx.workdir / "preview.jpg", ctx.save_artifact, wanted=params.previews), 0

    def on_step(done: int, total: int, preview: Preview) -> None:
        nonlocal steps
        steps = total
        show(preview, done / total)
        ctx.progress(done, total + shot.frames, f"Step {done} of {total}. {note}".rstrip())

    return _Take(shoot(pipe, shot, ctx.seed, on_step), shot.fps, steps, note)


def _wanted(params: GenerateVideo, defaults: dict[str, Any], pipe: Any, ctx: JobContext) -> Shot:
    """The params, with what they leave open taken from the model's `atelier.json`, then from the pipeline."""
    own = replace(form(pipe), **{name: defaults[name] for name in _FORM if name in defaults})
    image = _picture(params, ctx)
    if image and takes_any_shape(pipe):
        own = shaped(own, image, params.width, params.height)
    return Shot(
        prompt=params.prompt,
        negative_prompt=params.negative_prompt or defaults.get("negative_prompt"),
        image=image,
        width=params.width or own.width,
        height=params.height or own.height,
        frames=params.frames or own.frames,
        fps=params.fps or own.fps,
        steps=params.steps or own.steps,
        guidance=params.guidance if params.guidance is not None else defaults.get("guidance"),
    )


def _picture(params: GenerateVideo, ctx: JobContext) -> Image.Image | None:
    if not params.image:
        return None
    file = ctx.input(params.image)
    try:
        with Image.open(file.path) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        sentence = f"“{file.name}” cannot be read as a picture."
        raise JobError("unreadable_image", sentence, field="image") from error


def _check_pixels(width: int, height: int, frames: int) -> None:
    if width * height > MAX_PIXELS:
        raise JobError("too_large", "A frame may have 4.2 million pixels at most.", field="width")
    if width * height * frames > MAX_JOB_PIXELS:
        raise JobError("too_large", "All frames together may have 268 million pixels.", field="frames")


def _enlarger(
    params: GenerateVideo, take: _Take, source: ModelSource, ctx: JobContext
) -> tuple[int, Callable[[Image.Image], Image.Image]]:
    """By how much frames are enlarged, and what does it."""
    factor = params.upscale or source.defaults.get("upscale", 1)
    width, height = take.frames[0].size
    if width * height * factor**2 > MAX_ENLARGED:
        raise JobError("too_large", "An enlarged frame may have 17 million pixels at most.", field="upscale")
    usual = source.defaults.get("upscaler", _UPSCALER)
    return enlarger(params, factor, usual, ctx, lambda *_: ctx.check_cancelled())
