"""Films from a prompt, or from a picture and a prompt, with any video pipeline folder of diffusers.

Knows no kinds, and nothing of how films are kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import lcm, sqrt
from typing import TYPE_CHECKING, Any

import torch
from diffusers import (
    AnimateDiffPipeline,
    AnimateDiffSDXLPipeline,
    DDIMScheduler,
    DiffusionPipeline,
    LTXImageToVideoPipeline,
    MotionAdapter,
    WanImageToVideoPipeline,
)
from PIL import Image, ImageOps

from shared.errors import JobError
from worker.engines.diffusion import absent_parts, clearest
from worker.engines.loading import check_folder, compute_dtype, read_json, reading, weights_size
from worker.engines.memory import place
from worker.engines.previews import Preview
from worker.engines.schedulers import scheduled
from worker.engines.stepping import stepping

if TYPE_CHECKING:
    from shared.library import ModelSource

OnStep = Callable[[int, int, Preview], None]

#: Frames a second that a family was trained on, where its pipeline does not say.
_FPS = {
    "AnimateDiffPipeline": 8,
    "AnimateDiffSDXLPipeline": 8,
    "CogVideoXPipeline": 8,
    "CogVideoXImageToVideoPipeline": 8,
}
_USUAL_FPS = 16


@dataclass(frozen=True, kw_only=True)
class Shot:
    """What to film, with nothing left open but what a pipeline itself may leave out."""

    prompt: str
    negative_prompt: str | None
    image: Image.Image | None
    width: int
    height: int
    frames: int
    fps: float
    steps: int
    guidance: float | None


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a model was made for, and the steps in which it may differ: frames are 1 more than a multiple of theirs."""

    width: int
    height: int
    frames: int
    fps: float
    steps: int
    side_step: int
    frame_step: int
    most_frames: int | None


def is_motion_adapter(source: ModelSource) -> bool:
    """Whether the folder holds a motion adapter, which makes an image model's pictures move."""
    return bool(read_json(source.folder / "config.json").get("_class_name") == "MotionAdapter")


def load_video_pipeline(source: ModelSource, device: str, base: ModelSource | None = None) -> Any:
    """Load a pipeline folder that makes films, or a motion adapter together with its base."""
    folder = check_folder(source)
    settings = {"dtype": compute_dtype(device), "use_safetensors": True, "local_files_only": True}
    with reading(source):
        if is_motion_adapter(source):
            pipe = _animated(source, base, settings)
        else:
            pipe = DiffusionPipeline.from_pretrained(folder, **settings, **dict.fromkeys(absent_parts(source)))
    if not {"prompt", "num_frames"} <= _arguments(pipe):
        raise JobError("model_unsupported", f"“{source.name}” makes no films from a prompt.")
    return place(pipe, device)


def video_pipeline_size(source: ModelSource, base: ModelSource | None = None) -> int:
    """About how many bytes the loaded pipeline takes."""
    return weights_size(source.folder) + (weights_size(base.folder) if base else 0)


def form(pipe: Any) -> Form:
    """What the model was made for: as its pipeline's own defaults say, or its networks' configurations."""
    network = _network(pipe).config
    usual = {name: value.default for name, value in inspect.signature(pipe.__call__).parameters.items()}
    side = network.get("sample_size") or 64
    height, width = side if isinstance(side, list | tuple) else (side, side)
    spatial = _scale(pipe, "vae_scale_factor_spatial", "vae_spatial_compression_ratio", "vae_scale_factor")
    patch = network.get("patch_size") or 1
    return Form(
        width=usual.get("width") or network.get("sample_width", width) * spatial,
        height=usual.get("height") or network.get("sample_height", height) * spatial,
        frames=usual.get("num_frames") or network.get("sample_frames") or 16,
        fps=usual.get("frame_rate") or _FPS.get(type(pipe).__name__, _USUAL_FPS),
        steps=usual.get("num_inference_steps") or 50,
        side_step=lcm(8, spatial * (patch[-1] if isinstance(patch, list | tuple) else patch)),
        frame_step=_frame_step(pipe),
        most_frames=network.get("motion_max_seq_length"),
    )


def shaped(own: Form, image: Image.Image, width: int | None = None, height: int | None = None) -> Form:
    """The form with sides in the picture's shape: one of them as given, or together as many pixels as before."""
    scale = sqrt(own.width * own.height / (image.width * image.height))
    if width or height:
        scale = width / image.width if width else (height or 0) / image.height
    return replace(own, width=max(1, round(image.width * scale)), height=max(1, round(image.height * scale)))


def takes_any_shape(pipe: Any) -> bool:
    """Whether the model may be asked for other sides than its own."""
    return not _network(pipe).config.get("use_learned_positional_embeddings")


def fitted(shot: Shot, own: Form) -> tuple[Shot, str]:
    """The nearest shot that the model can make, and a sentence on what had to differ, if anything had to.

    Raises:
        JobError: more frames than the model can make.
    """
    frames = max(0, round((shot.frames - 1) / own.frame_step)) * own.frame_step + 1
    width, height = (max(1, round(side / own.side_step)) * own.side_step for side in (shot.width, shot.height))
    if own.most_frames and frames > own.most_frames:
        raise JobError("too_long", f"This model makes {own.most_frames} frames at most.", field="frames")
    changes = [f"{frames} frames instead of {shot.frames}"] if frames != shot.frames else []
    if (width, height) != (shot.width, shot.height):
        changes.append(f"{width} × {height} pixels instead of {shot.width} × {shot.height}")
    image = shot.image and ImageOps.fit(shot.image.convert("RGB"), (width, height), Image.Resampling.LANCZOS)
    note = f"This model makes {' and '.join(changes)}." if changes else ""
    return replace(shot, frames=frames, width=width, height=height, image=image), note


def shoot(pipe: Any, shot: Shot, seed: int, on_step: OnStep) -> list[Image.Image]:
    """The frames of a shot. `on_step(done, total, preview)` may raise to end it."""
    pipe = _suited(pipe, shot)
    pipe.set_progress_bar_config(disable=True)
    # A generator on the CPU: then a seed gives the same noise on every device.
    generator = torch.Generator("cpu").manual_seed(seed)

    def report(done: int, total: int, made: Any) -> None:
        on_step(done, total, partial(_first_frame, pipe, made))

    with torch.inference_mode(), scheduled(pipe, "default") as scheduler, stepping(scheduler, report):
        try:
            made = pipe(**_settings(pipe, shot), generator=generator, output_type="pil")
        except ValueError as error:  # pipelines check their arguments, each in its own way
            raise JobError("unsupported_setting", f"This model does not accept the settings. {error}") from error
    return list(made.frames[0])


def _animated(source: ModelSource, base: ModelSource | None, settings: dict[str, Any]) -> Any:
    if base is None:
        raise JobError("model_unsupported", f"“{source.name}” is a motion adapter, and the library names no base.")
    adapter = MotionAdapter.from_pretrained(source.folder, **settings)
    folder = check_folder(base)
    large = read_json(folder / "model_index.json").get("_class_name") == "StableDiffusionXLPipeline"
    cls = AnimateDiffSDXLPipeline if large else AnimateDiffPipeline
    known = inspect.signature(cls.__init__).parameters
    absent = {name: None for name in absent_parts(base) if name in known}
    pipe = cls.from_pretrained(folder, motion_adapter=adapter, **settings, **absent)
    # Motion adapters were trained on this schedule, whatever the base's own.
    schedule = {"beta_schedule": "linear", "clip_sample": False, "timestep_spacing": "linspace", "steps_offset": 1}
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, **schedule)
    return pipe


def _suited(pipe: Any, shot: Shot) -> Any:
    """The pipeline that takes a picture, or that takes none, over the same networks."""
    parameter = inspect.signature(pipe.__call__).parameters.get("image")
    if shot.image is None:
        if parameter is not None and parameter.default is inspect.Parameter.empty:
            raise JobError("image_needed", "This model makes films of a picture. Choose one.", field="image")
        return pipe
    if parameter is not None:
        return pipe
    name = type(pipe).__name__
    if name == "LTXPipeline":
        return LTXImageToVideoPipeline(**pipe.components)
    if name == "WanPipeline" and pipe.config.expand_timesteps:  # Wan 2.2 5B: one network for both
        return WanImageToVideoPipeline(**pipe.components, expand_timesteps=True)
    raise JobError("unsupported_setting", "This model makes films of a prompt alone, not of a picture.", field="image")


def _settings(pipe: Any, shot: Shot) -> dict[str, Any]:
    known = _arguments(pipe)
    settings: dict[str, Any] = {
        "prompt": shot.prompt,
        "width": shot.width,
        "height": shot.height,
        "num_frames": shot.frames,
        "frame_rate": shot.fps,
        "num_inference_steps": shot.steps,
    }
    settings |= {"image": shot.image} if shot.image else {}
    settings |= {"guidance_scale": shot.guidance} if shot.guidance is not None else {}
    if shot.negative_prompt:
        if "negative_prompt" not in known:
            raise JobError("unsupported_setting", "This model takes no “Avoid” text.", field="negative_prompt")
        settings["negative_prompt"] = shot.negative_prompt
    return {name: value for name, value in settings.items() if name in known}


def _first_frame(pipe: Any, made: Any) -> Image.Image | None:
    """A look at the first frame where an image decoder makes it; a film decoder would cost as much as many steps."""
    if not type(pipe).__name__.startswith("AnimateDiff"):
        return None
    latents = clearest(made)
    pixels = pipe.vae.decode((latents[:, :, 0] / pipe.vae.config.scaling_factor).to(pipe.vae.dtype)).sample
    image: Image.Image = pipe.video_processor.postprocess(pixels, output_type="pil")[0]
    return image


def _arguments(pipe: Any) -> set[str]:
    return set(inspect.signature(pipe.__call__).parameters)


def _network(pipe: Any) -> Any:
    return getattr(pipe, "unet", None) or getattr(pipe, "transformer", None) or pipe.transformer_2


def _frame_step(pipe: Any) -> int:
    step = _scale(pipe, "vae_scale_factor_temporal", "vae_temporal_compression_ratio")
    if type(pipe).__name__.startswith("CogVideoX"):  # its decoder takes latents two by two, after a first
        return 2 * step * (pipe.transformer.config.patch_size_t or 1)
    return step


def _scale(pipe: Any, *names: str) -> int:
    """How many pixels or frames one latent stands for, under the first of these names that the pipeline has."""
    return next((int(getattr(pipe, name)) for name in names if getattr(pipe, name, None)), 1)
