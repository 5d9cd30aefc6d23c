"""Text-to-image with any diffusers pipeline folder: loading, one picture per seed, a hook at every step, previews.

Knows no kinds, and nothing of how pictures are kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import diffusers.pipelines
import diffusers.utils.logging
import torch
from diffusers import AutoPipelineForText2Image, DiffusionPipeline
from PIL import Image

from shared.errors import JobError
from worker.engines.canvases import Size
from worker.engines.classes import class_number
from worker.engines.guides import FREE, Guides, arguments
from worker.engines.loading import check_folder, compute_dtype, read_json, reading, weights_size
from worker.engines.masks import Hold, holding
from worker.engines.memory import place, tiled
from worker.engines.previews import Preview
from worker.engines.schedulers import scheduled
from worker.engines.stepping import stepping

if TYPE_CHECKING:
    from shared.library import ModelSource

T = TypeVar("T")
OnStep = Callable[[int, int, Preview], None]

diffusers.utils.logging.disable_progress_bar()

#: Pixels in one forward pass. Small pictures go faster together; large ones gain nothing and cost memory.
_BATCH_PIXELS = {"cpu": 256 * 256, "cuda": 2 * 1024 * 1024}


@dataclass(frozen=True, kw_only=True)
class Painting:
    """What to paint, with nothing left open but what a pipeline itself may leave out."""

    prompt: str
    negative_prompt: str | None
    width: int
    height: int
    steps: int
    guidance: float | None
    scheduler: str


def load_pipeline(source: ModelSource, device: str, *, lean: bool = False) -> Any:
    """Load a pipeline folder for text-to-image."""
    folder = check_folder(source)
    settings = {"dtype": compute_dtype(device), "use_safetensors": True, "local_files_only": True}
    settings |= dict.fromkeys(absent_parts(source))
    with reading(source):
        try:
            pipe = AutoPipelineForText2Image.from_pretrained(folder, **settings)
        except ValueError:  # a pipeline that is in no list of text-to-image pipelines may be one all the same
            pipe = DiffusionPipeline.from_pretrained(folder, **settings)
    if not {"prompt", "class_labels"} & _arguments(pipe):
        raise JobError("model_unsupported", f"“{source.name}” does not paint from a prompt.")
    pipe.set_progress_bar_config(disable=True)
    return place(pipe, device, lean=lean)


def pipeline_size(source: ModelSource) -> int:
    """About how many bytes the loaded pipeline takes."""
    return weights_size(source.folder)


def own_size(pipe: Any) -> tuple[int, int]:
    """Width and height of the pictures that the model was made for."""
    network = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    side = getattr(pipe, "default_sample_size", None) or getattr(getattr(network, "config", None), "sample_size", None)
    height, width = side if isinstance(side, list | tuple) else (side or 64, side or 64)
    return width * _scale(pipe), height * _scale(pipe)


def size_multiple(pipe: Any) -> int:
    """What the sides of a picture must be multiples of; with room for networks that take latents two by two."""
    return max(8, 2 * _scale(pipe))


def batches(seeds: Sequence[T], picture: Painting | Size, device: str, *, lean: bool = False) -> list[Sequence[T]]:
    """The seeds, or what else stands for a picture each, in groups that are painted together; `lean`, one by one."""
    size = 1 if lean else most_at_once(picture, device)
    return [seeds[at : at + size] for at in range(0, len(seeds), size)]


def most_at_once(picture: Painting | Size, device: str) -> int:
    """How many pictures are painted together."""
    limit = _BATCH_PIXELS["cuda" if device.startswith("cuda") else "cpu"]
    return max(1, limit // (picture.width * picture.height))


def paint(
    pipe: Any, painting: Painting, seeds: Sequence[int], on_step: OnStep, guides: Guides = FREE
) -> list[Image.Image]:
    """One picture per seed, in one batch, by the pipeline that `guides.variant` gives for these guides.

    `on_step(done, total, preview)` may raise to end it.
    """
    settings = _settings(pipe, painting, guides, len(seeds))
    hold = None
    if guides.image is not None and guides.mask is not None and "mask_image" not in settings:
        hold = holding(pipe, guides.image, guides.mask, seeds)
    return [_keep(guides, image) for image in _painted(pipe, painting, settings, seeds, on_step, hold)]


def paint_each(pipe: Any, paintings: Sequence[Painting], seeds: Sequence[int], on_step: OnStep) -> list[Image.Image]:
    """A picture of each painting, in one batch; they differ in their words alone, and each has its own seed."""
    settings = _settings(pipe, paintings[0], FREE, len(paintings), own_words=True)
    for name in {"prompt", "negative_prompt"} & settings.keys():
        settings[name] = [getattr(each, name) for each in paintings]
    if "class_labels" in settings:
        settings["class_labels"] = [_class(pipe, each.prompt) for each in paintings]
    return _painted(pipe, paintings[0], settings, seeds, on_step)


def _painted(
    pipe: Any, painting: Painting, settings: dict[str, Any], seeds: Sequence[int], on_step: OnStep,
    hold: Hold | None = None,
) -> list[Image.Image]:  # fmt: skip
    # Generators on the CPU: then a seed gives the same noise on every device, and a row the same as alone.
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    with torch.inference_mode(), _tiles(pipe, painting), _hooked(pipe, painting, on_step, hold):
        try:
            made: list[Image.Image] = pipe(**settings, generator=generators, output_type="pil").images
        except ValueError as error:  # pipelines check their arguments, each in its own way
            raise JobError("unsupported_setting", f"This model does not accept the settings. {error}") from error
    return made


def _settings(pipe: Any, painting: Painting, guides: Guides, count: int, *, own_words: bool = False) -> dict[str, Any]:
    known = _arguments(pipe)
    settings: dict[str, Any] = {
        "prompt": painting.prompt,
        "width": painting.width,
        "height": painting.height,
        "num_inference_steps": painting.steps,
        # Whether it takes effect hangs on what else is installed, and then it rewrites the prompt.
        "clean_caption": False,
    }
    if painting.guidance is not None:
        settings["guidance_scale"] = painting.guidance
    if painting.negative_prompt:
        if "negative_prompt" not in known:
            raise JobError("unsupported_setting", "This model takes no “Avoid” text.", field="negative_prompt")
        settings["negative_prompt"] = painting.negative_prompt
    settings |= arguments(guides, known)
    if "num_images_per_prompt" in known and guides.image is None and not own_words:
        settings["num_images_per_prompt"] = count
    else:
        # With one picture for several results some pipelines let the first seed alone draw the noise of all.
        rows = ("prompt", "negative_prompt", "image", "mask_image", "control_image", "ip_adapter_image")
        settings |= {name: [settings[name]] * count for name in rows if name in settings}
    if "class_labels" in known:
        settings["class_labels"] = [_class(pipe, painting.prompt)] * count
    if "use_resolution_binning" in known:
        # Its table of sizes is for networks of these sizes; others are told off for having none.
        settings["use_resolution_binning"] = pipe.transformer.config.sample_size in {32, 64, 128}
    if not {"width", "image"} & known and (painting.width, painting.height) != own_size(pipe):
        width, height = own_size(pipe)
        raise JobError("unsupported_setting", f"This model paints {width} × {height} pixels only.", field="width")
    return {name: value for name, value in settings.items() if name in known}


def _class(pipe: Any, prompt: str) -> int:
    names: dict[int, str] = {}
    for name, number in (pipe.labels or {}).items():
        names[number] = f"{names[number]}, {name}" if number in names else name
    return class_number(prompt, names, pipe.transformer.config.num_embeds_ada_norm, field="prompt")


def _keep(guides: Guides, image: Image.Image) -> Image.Image:
    """The picture with what the mask leaves alone as it was: the autoencoder's copy of it is less sharp."""
    if guides.image is None or guides.mask is None:
        return image
    return Image.composite(image, guides.image, guides.mask)


@contextmanager
def _tiles(pipe: Any, painting: Painting) -> Iterator[None]:
    """A large picture passes the autoencoder in tiles."""
    vae: Any = getattr(pipe, "vae", None)
    if not hasattr(vae, "enable_tiling") or not tiled(pipe.device.type, painting.width * painting.height):
        yield
        return
    vae.enable_tiling()
    try:
        yield
    finally:
        vae.disable_tiling()


def _scale(pipe: Any) -> int:
    """Pixels that one latent stands for, along a side."""
    known = getattr(pipe, "vae_scale_factor", None)
    return int(known or 2 ** (len(pipe.vae.config.block_out_channels) - 1))


def _arguments(pipe: Any) -> set[str]:
    return set(inspect.signature(pipe.__call__).parameters)


@contextmanager
def _hooked(pipe: Any, painting: Painting, on_step: OnStep, hold: Hold | None) -> Iterator[None]:
    with scheduled(pipe, painting.scheduler) as scheduler:

        def report(done: int, total: int, made: Any) -> None:
            # A pipeline that starts from a picture skips the scheduler's first steps, and knows how many are left.
            total = min(total, getattr(pipe, "num_timesteps", total))
            if hold:
                hold(scheduler, done, total, made)
            on_step(done, total, lambda: _decode(pipe, clearest(made), painting))

        with stepping(scheduler, report):
            yield


def clearest(made: Any) -> torch.Tensor:
    """What the scheduler takes for the finished latents, where it says so, or the noisy ones."""
    values = list(made) if isinstance(made, tuple) else list(made.values())
    guessed = values[1] if len(values) > 1 and isinstance(values[1], torch.Tensor) else None
    latents: torch.Tensor = values[0] if guessed is None or guessed.shape != values[0].shape else guessed
    return latents[:1]


def _decode(pipe: Any, latents: torch.Tensor, painting: Painting) -> Image.Image | None:
    """A look at the first picture of the batch; None where the pipeline's latents are of no known form."""
    vae = getattr(pipe, "vae", None)
    if vae is None or not hasattr(pipe, "image_processor"):
        return None
    if latents.ndim == 3 and hasattr(pipe, "_unpack_latents"):
        latents = pipe._unpack_latents(latents, painting.height, painting.width, pipe.vae_scale_factor)
    if latents.ndim != 4 or not hasattr(vae.config, "scaling_factor"):
        return None
    latents = latents / vae.config.scaling_factor + (getattr(vae.config, "shift_factor", None) or 0)
    pixels = vae.decode(latents.to(vae.dtype)).sample
    image: Image.Image = pipe.image_processor.postprocess(pixels, output_type="pil")[0]
    return image


def absent_parts(source: ModelSource) -> list[str]:
    """The parts that the folder leaves out. Refuses parts of other libraries, which would be imported."""
    index = read_json(source.folder / "model_index.json")
    if not index:
        raise JobError("model_unsupported", f"“{source.name}” is not a diffusers pipeline folder.")
    parts = {name: part for name, part in index.items() if isinstance(part, list) and not name.startswith("_")}
    for name, (library, *_) in parts.items():
        if library in {None, "diffusers", "transformers"}:
            continue
        if not (isinstance(library, str) and library.isidentifier() and hasattr(diffusers.pipelines, library)):
            raise JobError("model_unsafe", f"The model “{source.name}” is refused: its part “{name}” is foreign code.")
    return [name for name, part in parts.items() if part[0] is None]
