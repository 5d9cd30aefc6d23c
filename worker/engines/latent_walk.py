"""A walk through what an image model can paint, as frames: from prompt to prompt, or round in its noise.

Every frame is a picture of the model's own; only what it starts from changes, a little from frame to frame. Works with
pipelines of the Stable Diffusion form (1.x, 2, XL, 3). Knows no kinds, and nothing of how films are kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import pi
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from shared.errors import JobError
from worker.engines.diffusion import Painting, batches
from worker.engines.loading import read_json
from worker.engines.schedulers import scheduled
from worker.engines.stepping import stepping

if TYPE_CHECKING:
    from shared.library import ModelSource

#: What `encode_prompt` of a pipeline answers, by the number of its answers, in the words of the pipeline's arguments.
_EMBEDDINGS = {
    2: ("prompt_embeds", "negative_prompt_embeds"),
    4: ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"),
}


@dataclass(frozen=True, kw_only=True)
class Walk:
    """Where to walk: through the prompts in turn, or around in the noise if there is one prompt alone.

    `loop` leads back to the beginning, so that the last frame is followed by the first.
    """

    prompts: Sequence[str]
    frames: int
    loop: bool


def is_walk(source: ModelSource) -> bool:
    """Whether the folder declares a walk over its base, and holds no model of its own."""
    return bool(read_json(source.folder / "atelier.json").get("form") == "latent-walk")


def walk(
    pipe: Any, painting: Painting, way: Walk, seed: int, device: str, on_step: Callable[[int, int], None]
) -> Iterator[Image.Image]:
    """The frames in order, painted batch by batch; `painting` says all but the prompt.

    The first frame is the picture that the model paints of the first prompt with this seed. `on_step(done, total)`
    counts through all batches, and may raise to end it.

    Raises:
        JobError: the model is not of a form that can be walked through, or does not accept the settings.
    """
    stops = [_embeddings(pipe, painting, prompt, device) for prompt in way.prompts]
    groups = batches(range(way.frames), painting, device)
    for number, group in enumerate(groups):

        def report(done: int, total: int, _made: Any, before: int = number) -> None:
            on_step(before * total + done, len(groups) * total)

        settings = {
            "width": painting.width,
            "height": painting.height,
            "num_inference_steps": painting.steps,
            "output_type": "pil",
            "latents": torch.cat([_noise(pipe, painting, way, seed, frame) for frame in group]).to(device, pipe.dtype),
            # For schedulers that add noise at each step: the same in every frame, or the film would flicker.
            "generator": [torch.Generator("cpu").manual_seed(seed) for _ in group],
        }
        settings |= {} if painting.guidance is None else {"guidance_scale": painting.guidance}
        settings |= _between(stops, [_position(way, frame) for frame in group])
        with torch.inference_mode(), scheduled(pipe, painting.scheduler) as scheduler, stepping(scheduler, report):
            try:
                images = pipe(**settings).images
            except ValueError as error:  # pipelines check their arguments, each in its own way
                raise JobError("unsupported_setting", f"This model does not accept the settings. {error}") from error
        yield from images


def _embeddings(pipe: Any, painting: Painting, prompt: str, device: str) -> dict[str, torch.Tensor]:
    """What the pipeline makes of a prompt, under the names of its own arguments."""
    known = inspect.signature(getattr(pipe, "encode_prompt", _embeddings)).parameters
    if "do_classifier_free_guidance" not in known or not hasattr(pipe, "vae_scale_factor"):
        raise JobError("model_unsupported", "A walk needs an image model of the Stable Diffusion form as its base.")
    settings = {
        "prompt": prompt,
        "prompt_2": None,
        "prompt_3": None,
        "negative_prompt": painting.negative_prompt,
        "device": torch.device(device),
        "num_images_per_prompt": 1,
        "do_classifier_free_guidance": painting.guidance is None or painting.guidance > 1,
    }
    with torch.inference_mode():
        made = pipe.encode_prompt(**{name: value for name, value in settings.items() if name in known})
    return {name: value for name, value in zip(_EMBEDDINGS[len(made)], made, strict=True) if value is not None}


def _position(way: Walk, frame: int) -> float:
    """Where a frame is, in stops: 1.5 is half way from the second prompt to the third."""
    return _share(way, frame) * (len(way.prompts) if way.loop else len(way.prompts) - 1)


def _share(way: Walk, frame: int) -> float:
    """How much of the way lies behind a frame: 0 at the first; 1 at the last, or at the first again in a loop."""
    return frame / (way.frames if way.loop else max(way.frames - 1, 1))


def _between(stops: list[dict[str, torch.Tensor]], positions: Sequence[float]) -> dict[str, torch.Tensor]:
    """The embeddings of each position, in a batch."""
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in stops[0]}
    for position in positions:
        here, there = stops[int(position) % len(stops)], stops[(int(position) + 1) % len(stops)]
        for name, made in rows.items():
            made.append(torch.lerp(here[name], there[name], position % 1))
    return {name: torch.cat(made) for name, made in rows.items()}


def _noise(pipe: Any, painting: Painting, way: Walk, seed: int, frame: int) -> torch.Tensor:
    """The noise that a frame starts from: of shape (1, channels, rows, columns), as random as any other.

    From prompt to prompt it stays. With one prompt it goes around the circle through the noise of this seed and of the
    next, a quarter of it where there is no loop: on a circle, unlike on a line, noise stays as strong as noise must be.
    """
    network = getattr(pipe, "unet", None) or pipe.transformer
    shape = (
        1,
        network.config.in_channels,
        painting.height // pipe.vae_scale_factor,
        painting.width // pipe.vae_scale_factor,
    )
    here, there = (torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed + more)) for more in (0, 1))
    angle = torch.tensor(_share(way, frame) * (2 * pi if way.loop else pi / 2) if len(way.prompts) == 1 else 0.0)
    return angle.cos() * here + angle.sin() * there
