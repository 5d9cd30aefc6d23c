"""Text-to-image with any diffusers pipeline folder: loading, one picture per seed, a hook at every step, previews.

Knows no kinds, and nothing of how pictures are kept.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import diffusers.pipelines
import diffusers.utils.logging
import torch
from diffusers import AutoPipelineForText2Image, DiffusionPipeline
from PIL import Image

from shared.errors import JobError
from worker.engines.loading import check_folder, compute_dtype, read_json, reading, weights_size
from worker.engines.schedulers import scheduled
from worker.engines.stepping import stepping

if TYPE_CHECKING:
    from shared.library import ModelSource

OnStep = Callable[[int, int, "Preview"], None]
Preview = Callable[[], "Image.Image | None"]

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


def load_pipeline(source: ModelSource, device: str) -> Any:
    """Load a pipeline folder for text-to-image."""
    folder = check_folder(source)
    settings = {"dtype": compute_dtype(device), "use_safetensors": True, "local_files_only": True}
    settings |= dict.fromkeys(absent_parts(source))
    with reading(source):
        try:
            pipe = AutoPipelineForText2Image.from_pretrained(folder, **settings)
        except ValueError:  # a pipeline that is in no list of text-to-image pipelines may be one all the same
            pipe = DiffusionPipeline.from_pretrained(folder, **settings)
    if "prompt" not in _arguments(pipe):
        raise JobError("model_unsupported", f"“{source.name}” does not paint from a prompt.")
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def pipeline_size(source: ModelSource) -> int:
    """About how many bytes the loaded pipeline takes."""
    return weights_size(source.folder)


def own_size(pipe: Any) -> tuple[int, int]:
    """Width and height of the pictures that the model was made for."""
    network = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    side = getattr(pipe, "default_sample_size", None) or getattr(getattr(network, "config", None), "sample_size", None)
    height, width = side if isinstance(side, list | tuple) else (side or 64, side or 64)
    return width * pipe.vae_scale_factor, height * pipe.vae_scale_factor


def batches(seeds: Sequence[int], painting: Painting, device: str) -> list[Sequence[int]]:
    """The seeds in groups that are painted together."""
    limit = _BATCH_PIXELS["cuda" if device.startswith("cuda") else "cpu"]
    size = max(1, limit // (painting.width * painting.height))
    return [seeds[at : at + size] for at in range(0, len(seeds), size)]


def paint(pipe: Any, painting: Painting, seeds: Sequence[int], on_step: OnStep) -> list[Image.Image]:
    """One picture per seed, in one batch. `on_step(done, total, preview)` may raise to end it."""
    # Generators on the CPU: then a seed gives the same noise on every device, and a row the same as alone.
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    settings = _settings(pipe, painting, len(seeds))
    with torch.inference_mode(), _hooked(pipe, painting, on_step):
        try:
            made = pipe(**settings, generator=generators, output_type="pil")
        except ValueError as error:  # pipelines check their arguments, each in its own way
            raise JobError("unsupported_setting", f"This model does not accept the settings. {error}") from error
    return list(made.images)


def _settings(pipe: Any, painting: Painting, count: int) -> dict[str, Any]:
    known = _arguments(pipe)
    settings: dict[str, Any] = {
        "prompt": painting.prompt,
        "width": painting.width,
        "height": painting.height,
        "num_inference_steps": painting.steps,
    }
    if painting.guidance is not None:
        settings["guidance_scale"] = painting.guidance
    if painting.negative_prompt:
        if "negative_prompt" not in known:
            raise JobError("unsupported_setting", "This model takes no “Avoid” text.", field="negative_prompt")
        settings["negative_prompt"] = painting.negative_prompt
    if "num_images_per_prompt" in known:
        settings["num_images_per_prompt"] = count
    else:
        settings |= {name: [settings[name]] * count for name in ("prompt", "negative_prompt") if name in settings}
    return {name: value for name, value in settings.items() if name in known}


def _arguments(pipe: Any) -> set[str]:
    return set(inspect.signature(pipe.__call__).parameters)


@contextmanager
def _hooked(pipe: Any, painting: Painting, on_step: OnStep) -> Iterator[None]:
    with scheduled(pipe, painting.scheduler) as scheduler:

        def report(done: int, total: int, made: Any) -> None:
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


class Pace:
    """When the next preview is due: at most one a second, and at most one thirtieth of the time spent on them."""

    def __init__(self) -> None:
        self._due = time.monotonic() + 1

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self._due

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Around the making of one preview."""
        started = time.monotonic()
        yield
        ended = time.monotonic()
        self._due = ended + max(1, 30 * (ended - started))
