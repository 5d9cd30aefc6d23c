"""Kinds that make pictures and films, against the bare pipelines of diffusers."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.installation import Installation
from benchmarks.overhead import UNFINISHED, Figure, compared, source_of
from worker.engines.diffusion import Painting, load_pipeline
from worker.engines.film import write_film
from worker.engines.latent_walk import Walk, walk
from worker.engines.samplers import load_sampler

_APPLE = {"prompt": "a red apple", "upscale": 1, "seed": 0}


def images(place: Installation) -> Iterator[Figure]:
    """`generate_image` on the starter pipeline, not enlarged, against the pipeline itself, its pictures saved."""
    source = source_of(place, "emoji")
    pipe = load_pipeline(source, "cpu")
    steps, count = 50, 8

    def bare() -> None:
        with torch.inference_mode(), TemporaryDirectory() as folder:
            made = pipe(
                "a red apple",
                num_inference_steps=steps,
                guidance_scale=source.defaults["guidance"],
                num_images_per_prompt=count,
                generator=[torch.Generator().manual_seed(seed) for seed in range(count)],
            )
            for number, image in enumerate(made.images):
                image.save(Path(folder) / f"{number}.png")

    yield compared(place, "generate_image", _APPLE | {"steps": steps, "images": count} | UNFINISHED, bare)


def samples(place: Installation) -> Iterator[Figure]:
    """`sample_image` with the starter that is a diffusion model, against its network and scheduler, its pictures
    saved."""
    sampler = load_sampler(source_of(place, "digit-ddpm"), "cpu")
    pipe, steps, count = sampler.pipe, 200, 8
    shape = (count, pipe.unet.config.in_channels, sampler.size.height, sampler.size.width)

    def bare() -> None:
        made = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        labels = torch.full((count,), 7)
        with torch.inference_mode():
            pipe.scheduler.set_timesteps(steps)
            for time in pipe.scheduler.timesteps:
                noise = pipe.unet(made, time, class_labels=labels).sample
                made = pipe.scheduler.step(noise, time, made).prev_sample
        with TemporaryDirectory() as folder:
            for number, image in enumerate(pipe.numpy_to_pil((made / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy())):
                image.save(Path(folder) / f"{number}.png")

    params = {"model": "digit-ddpm", "label": "7", "images": count, "steps": steps, "seed": 0}
    yield compared(place, "sample_image", params | UNFINISHED, bare)


def films(place: Installation) -> Iterator[Figure]:
    """`generate_video` by the latent walk, not enlarged, against the walk and the encoder alone."""
    source, base = source_of(place, "latent-walk"), source_of(place, "emoji")
    pipe = load_pipeline(base, "cpu")
    defaults = base.defaults | source.defaults
    painting = Painting(
        prompt="a red apple",
        negative_prompt=defaults.get("negative_prompt"),
        width=defaults["width"],
        height=defaults["height"],
        steps=20,
        guidance=defaults["guidance"],
        scheduler=defaults.get("scheduler", "default"),
    )
    way = Walk(prompts=["a red apple", "a blue car"], frames=16, loop=False)

    def bare() -> None:
        with TemporaryDirectory() as folder:
            write_film(Path(folder) / "clip.mp4", walk(pipe, painting, way, 0, "cpu", lambda *_: None), 12)

    params = _APPLE | {"then": ["a blue car"], "frames": way.frames, "steps": painting.steps}
    yield compared(place, "generate_video", params | UNFINISHED, bare)
