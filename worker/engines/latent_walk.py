"""A walk through what an image model can paint, as frames: from prompt to prompt, or round in its noise.

Every frame is a picture of the model's own; only what it starts from changes, a little from frame to frame. Works with
pipelines of the Stable Diffusion form (1.x, 2, XL, 3). Knows no kinds, and nothing of how films are kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, pi
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from shared.errors import JobError
from worker.engines.diffusion import OnStep, Painting, batches
from worker.engines.loading import read_json
from worker.engines.schedulers import scheduled
from worker.engines.stepping import stepping

if TYPE_CHECKING:
    from shared.library import ModelSource

Embeddings = list[dict[str, torch.Tensor]]

#: How often it is looked where frames are needed most: in four rounds the largest jump fell to a third.
_ROUNDS = 4
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


def walk(pipe: Any, painting: Painting, way: Walk, seed: int, device: str, on_step: OnStep) -> list[Image.Image]:
    """The frames in order; `painting` says all but the prompt.

    The first is the picture that the model paints of the first prompt with this seed. From prompt to prompt, half of
    the frames lie evenly, the others where neighbours differ most: one thing becomes another within a short part of it.
    `on_step(done, total, preview)` counts through all of them, and may raise to end it.

    Raises:
        JobError: the model is not of a form that can be walked over, or does not accept the settings.
    """
    stops = [_embeddings(pipe, painting, prompt, device) for prompt in way.prompts]
    walker = _Walker(pipe, painting, way, stops, seed, device)
    rounds = [range(size) for size in _rounds(way)]
    passes = sum(len(batches(frames, painting, device)) for frames in rounds)
    painted: dict[float, Image.Image] = {}
    done = 0

    def report(step: int, steps: int, _made: Any) -> None:
        on_step(done * steps + step, passes * steps, lambda: painted.get(0.0))

    for frames in rounds:
        places = _widest(painted, way, len(frames)) if painted else _evenly(way, len(frames))
        for group in batches(frames, painting, device):
            here = [places[frame] for frame in group]
            painted |= zip(here, walker.paint(here, report), strict=True)
            done += 1
    return [painted[place] for place in sorted(painted)]


@dataclass(frozen=True)
class _Walker:
    """A pipeline on its way, with all that is the same in every frame."""

    pipe: Any
    painting: Painting
    way: Walk
    stops: Embeddings
    seed: int
    device: str

    def paint(self, places: Sequence[float], report: Callable[[int, int, Any], None]) -> list[Image.Image]:
        """The frames at these places of the way, in one batch."""
        painting = self.painting
        settings: dict[str, Any] = {
            "width": painting.width,
            "height": painting.height,
            "num_inference_steps": painting.steps,
            "latents": torch.cat([self._noise(place) for place in places]).to(self.device, self.pipe.dtype),
            # For schedulers that add noise at each step: the same in every frame, or the film would flicker.
            "generator": [torch.Generator("cpu").manual_seed(self.seed) for _ in places],
        }
        settings |= {} if painting.guidance is None else {"guidance_scale": painting.guidance}
        settings |= _between(self.stops, [place * _legs(self.way) for place in places])
        with torch.inference_mode(), scheduled(self.pipe, painting.scheduler) as scheduler, stepping(scheduler, report):
            try:
                return list(self.pipe(**settings, output_type="pil").images)
            except ValueError as error:  # pipelines check their arguments, each in its own way
                raise JobError("unsupported_setting", f"This model does not accept the settings. {error}") from error

    def _noise(self, place: float) -> torch.Tensor:
        """The noise that a frame starts from: of shape (1, channels, rows, columns), as random as any other.

        From prompt to prompt it stays. With one prompt it goes around the circle through the noise of this seed and of
        the next, a quarter of it where there is no loop: on a circle, unlike on a line, noise stays as strong as noise
        must be.
        """
        network = getattr(self.pipe, "unet", None) or self.pipe.transformer
        scale = self.pipe.vae_scale_factor
        shape = (1, network.config.in_channels, self.painting.height // scale, self.painting.width // scale)
        here, there = (
            torch.randn(shape, generator=torch.Generator("cpu").manual_seed(self.seed + more)) for more in (0, 1)
        )
        around = 2 * pi if self.way.loop else pi / 2
        angle = torch.tensor(place * around if len(self.way.prompts) == 1 else 0.0)
        return angle.cos() * here + angle.sin() * there


def _rounds(way: Walk) -> list[int]:
    """How many frames are painted before it is seen where the next are needed; noise alone changes evenly."""
    if len(way.prompts) == 1:
        return [way.frames]
    first = way.frames // 2 + 1
    rest = way.frames - first
    each = max(1, ceil(rest / _ROUNDS))
    return [first, *(min(each, rest - begun) for begun in range(0, rest, each))]


def _evenly(way: Walk, count: int) -> list[float]:
    """Places from 0, the beginning, to 1, the end, which in a loop is the beginning again and left out."""
    return [number / max(1, count if way.loop else count - 1) for number in range(count)]


def _widest(painted: dict[float, Image.Image], way: Walk, count: int) -> list[float]:
    """The middles between those neighbours that differ most."""
    known = {place: np.asarray(image).astype(np.int16) for place, image in sorted(painted.items())}
    if way.loop:
        known[1.0] = known[0.0]
    gaps = [(np.abs(known[here] - known[there]).mean(), (here + there) / 2) for here, there in pairwise(known)]
    return sorted(middle for _, middle in sorted(gaps, reverse=True)[:count])


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


def _legs(way: Walk) -> int:
    """How many times the way leads from one prompt to the next."""
    return len(way.prompts) - (0 if way.loop else 1)


def _between(stops: Embeddings, positions: Sequence[float]) -> dict[str, torch.Tensor]:
    """The embeddings of each position, in a batch: 1.5 is half way from the second prompt to the third."""
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in stops[0]}
    for position in positions:
        here, there = stops[int(position) % len(stops)], stops[(int(position) + 1) % len(stops)]
        for name, made in rows.items():
            made.append(torch.lerp(here[name], there[name], position % 1))
    return {name: torch.cat(made) for name, made in rows.items()}
