"""`sample_image` on tiny random models of every form, and on the starters, judged by a reader of digits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from shared.errors import Cancelled, JobError
from starters.digits.judge import read_digits
from tests.engines.library import Library
from tests.kinds.context import FakeContext, run
from tests.kinds.pictures import image_of, pixels_of
from worker.engines import diffusion
from worker.engines.film import open_film
from worker.engines.networks.conv_vae import ConvVae
from worker.engines.networks.dcgan import Generator
from worker.engines.networks.shapes import SIZES, PictureConfig

Context = Callable[..., FakeContext]
PLAIN = ["tiny-gan", "tiny-vae", "tiny-ddpm", "tiny-ddim"]
CLASSED = ["tiny-gan-classes", "tiny-vae-classes", "tiny-ddim-classes"]
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def sample(ctx: FakeContext, model: str, **settings: Any) -> FakeContext:
    """A job of few steps."""
    few = {"steps": 3} if "dd" in model else {}
    return run("sample_image", ctx, **{"model": model, "images": 1, "seed": 3} | few | settings)


@pytest.mark.parametrize("model", ["tiny-ddpm", "tiny-ddim"])
def test_diffusion_gives_what_the_bare_pipeline_gives(context: Context, library: Library, model: str):
    # given the pipeline that wrote the folder
    cls = diffusers.DDPMPipeline if model == "tiny-ddpm" else diffusers.DDIMPipeline
    pipe = cls.from_pretrained(library[model].folder)
    pipe.set_progress_bar_config(disable=True)
    bare = pipe(generator=[torch.Generator().manual_seed(3)], num_inference_steps=3).images[0]
    # then ours is the same to the last bit
    ctx = sample(context(), model)
    assert np.array_equal(pixels_of(ctx.outputs[0]), np.asarray(bare).astype(int))
    assert [step[:2] for step in ctx.steps] == [(0, None), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("model", ["tiny-gan-classes", "tiny-vae-classes"])
def test_a_network_of_our_own_gives_what_it_gives_alone(context: Context, library: Library, model: str):
    # given the network, built and filled by hand
    folder = library[model].folder
    config = PictureConfig.read(json.loads((folder / "config.json").read_text()))
    network = Generator(config) if "gan" in model else ConvVae(config)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    painter = getattr(network.eval(), "decoder", network)
    with torch.no_grad():
        noise = torch.randn(1, config.latent, generator=torch.Generator().manual_seed(3))
        made = painter(noise * 0.5, torch.tensor([1]))[0].permute(1, 2, 0)
    bare = ((made / 2 + 0.5).clamp(0, 1) * 255).round().numpy().astype(int)
    # then a job gives the same
    assert np.array_equal(pixels_of(sample(context(), model, label="dog", truncation=0.5).outputs[0]), bare)


@pytest.mark.parametrize("model", [*PLAIN, *CLASSED])
def test_seeds_repeat_and_batch_mates_change_nothing(context: Context, model: str):
    together, again = (sample(context(), model, images=3) for _ in range(2))
    assert [saved.data for saved in together.outputs] == [saved.data for saved in again.outputs]
    for saved in together.outputs:
        alone = sample(context(), model, seed=saved.meta["seed"])
        assert np.abs(pixels_of(saved) - pixels_of(alone.outputs[0])).max() <= 2
    assert np.abs(pixels_of(together.outputs[0]) - pixels_of(together.outputs[1])).max() > 2


@pytest.mark.parametrize("model", PLAIN)
def test_cancel_comes_within_one_step(context: Context, model: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(diffusion._BATCH_PIXELS, "cpu", 2 * 16 * 16)
    ctx = context(cancel_at=2)
    with pytest.raises(Cancelled):
        sample(ctx, model, images=8)
    assert ctx.steps[-1][0] == 2
    assert len(ctx.saved) == (2 if model in {"tiny-gan", "tiny-vae"} else 0)


@pytest.mark.parametrize("model", CLASSED)
def test_a_class_has_a_name_and_a_number(context: Context, model: str):
    by_name, synonym, number, other = (
        pixels_of(sample(context(), model, label=label).outputs[0]) for label in ("canis lupus", "wolf", "2", "cat")
    )
    assert np.array_equal(by_name, synonym)
    assert np.array_equal(by_name, number)
    assert not np.array_equal(by_name, other)


def test_without_a_class_each_picture_draws_one(context: Context):
    ctx = sample(context(), "tiny-gan-classes", images=12)
    drawn = {json.loads(image_of(saved).text["atelier"])["class"] for saved in ctx.outputs}
    assert drawn == {"cat", "dog", "Canis lupus, wolf"}


@pytest.mark.parametrize("model", PLAIN)
def test_the_way_from_one_seed_to_another_is_a_strip(context: Context, tmp_path: Path, model: str):
    # when a job goes from seed 3 to seed 4 in five pictures
    ctx = sample(context(), model, interpolate_to=4, frames=5, as_clip=True)
    strip, clip = ctx.outputs
    # then it begins and ends with their own pictures
    first, last = (pixels_of(sample(context(), model, seed=seed).outputs[0]) for seed in (3, 4))
    pixels = pixels_of(strip)
    assert image_of(strip).size == (80, 16)
    assert np.abs(pixels[:, :16] - first).max() <= 2
    if model != "tiny-ddpm":  # its steps draw noise too, all the way by the first seed
        assert np.abs(pixels[:, -16:] - last).max() <= 2
    # and moves there and back as a clip
    (tmp_path / "clip.mp4").write_bytes(clip.data)
    with open_film(tmp_path / "clip.mp4") as moving:
        assert (clip.media_type, len(list(moving.frames())), moving.fps) == ("video/mp4", 8, 12)


def test_truncation_draws_pictures_together(context: Context):
    def spread(truncation: float) -> float:
        ctx = sample(context(), "tiny-gan", images=8, truncation=truncation)
        return float(np.stack([pixels_of(saved) for saved in ctx.outputs]).std(0).mean())

    assert spread(0.3) < spread(1.0)


@pytest.mark.parametrize("scheduler", ["ddim", "euler_a", "dpmpp_2m", "heun", "unipc"])
def test_schedulers_serve_diffusion(context: Context, scheduler: str):
    ctx = sample(context(), "tiny-ddpm", scheduler=scheduler)
    assert ctx.steps[-1][0] == ctx.steps[-1][1]
    assert pixels_of(ctx.outputs[0]).std() > 1


@pytest.mark.parametrize(
    ("model", "settings", "sentence"),
    [
        ("tiny-gan", {"steps": 5}, "takes no steps"),
        ("tiny-vae", {"scheduler": "ddim"}, "no scheduler"),
        ("tiny-ddpm", {"truncation": 0.5}, "no truncation"),
        ("tiny-ddpm", {"label": "cat"}, "knows no classes"),
        ("tiny-gan-classes", {"label": "unicorn"}, "no class “unicorn”. It knows: cat, dog, Canis lupus"),
        ("tiny-gan-classes", {"label": "3"}, "no class “3”"),
        ("tiny-sd", {}, "not for unconditional-image-generation"),
    ],
)
def test_what_a_model_does_not_take_is_told(context: Context, model: str, settings: dict, sentence: str):
    with pytest.raises(JobError, match=sentence):
        sample(context(), model, **settings)


def test_the_picture_says_how_it_was_made(context: Context):
    texts = image_of(sample(context(), "tiny-ddim-classes", label="1").outputs[0]).text
    assert texts["parameters"] == (
        "dog\nSteps: 3, Sampler: Default, Seed: 3, Size: 16x16, Model: tiny-ddim-classes, Version: Atelier"
    )
    record = json.loads(texts["atelier"])
    assert (record["class"], record["label"], record["model_key"]) == ("dog", 1, "tiny-ddim-classes@test")


@pytest.mark.parametrize("size", SIZES)
def test_networks_serve_every_size(size: int):
    config = PictureConfig(size=size, channels=3, latent=4, width=2, classes=("a",))
    made = Generator(config).eval()(torch.zeros(1, 4), torch.tensor([0]))
    again, kl = ConvVae(config)(made, torch.zeros(1, 4), torch.tensor([0]))
    assert made.shape == again.shape == (1, 3, size, size)
    assert kl.shape == (1,)


@pytest.mark.parametrize("wrong", [{"size": 30}, {"channels": 2}, {"latent": 10**6}, {"width": 0}])
def test_a_config_beyond_bounds_is_refused(wrong: dict):
    with pytest.raises(ValueError, match=r"pixels|bounds"):
        PictureConfig(**{"size": 16, "channels": 1, "latent": 4, "width": 2} | wrong)


@pytest.mark.quality
@pytest.mark.parametrize("model", ["digit-vae", "digit-gan", "digit-ddpm"])
def test_the_starters_make_the_digit_that_is_asked_for(context: Context, model: str):
    # when each digit is asked for four times, and a reader that has seen none of these pictures reads them
    read: list[int] = []
    for name in DIGITS:
        ctx = run("sample_image", context(), model=model, label=name, images=4, seed=1)
        read += read_digits(np.stack([np.asarray(image_of(saved).resize((32, 32))) for saved in ctx.outputs]))
    # then nearly all are what was asked for
    assert sum(digit == number // 4 for number, digit in enumerate(read)) >= 36, read
