"""`generate_image`, run as a worker runs it, on a tiny random model of every family."""

import io
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from shared.errors import Cancelled, JobError
from starters.digits.judge import read_digits
from tests.kinds.context import FakeContext, Saved, run
from worker.engines import diffusion
from worker.engines.choosing import sharpness
from worker.engines.previews import Pace

Context = Callable[..., FakeContext]
FAMILIES = ["tiny-sd", "tiny-sdxl", "tiny-sd3", "tiny-flux"]
SMALL = {"prompt": "a red apple", "width": 32, "height": 32, "steps": 3}


def _image(saved: Saved) -> Image.Image:
    return Image.open(io.BytesIO(saved.data))


def _pixels(saved: Saved) -> np.ndarray:
    return np.asarray(_image(saved)).astype(int)


@pytest.mark.parametrize("model", FAMILIES)
def test_every_family_paints_and_its_seed_repeats(context: Context, model: str):
    # when the same job runs twice, and another with the next seed
    first, again, other = (run("generate_image", context(), **SMALL, model=model, seed=seed) for seed in (3, 3, 4))
    # then equal seeds give equal bytes, and another seed another picture
    assert first.outputs[0].data == again.outputs[0].data
    assert np.abs(_pixels(first.outputs[0]) - _pixels(other.outputs[0])).max() > 8
    assert _image(first.outputs[0]).size == (32, 32)
    assert [step[:2] for step in first.steps] == [(0, None), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("model", FAMILIES)
def test_pictures_of_one_job_are_what_single_jobs_would_paint(context: Context, model: str):
    together = run("generate_image", context(), **SMALL, model=model, seed=3, images=3)
    assert [saved.meta["seed"] for saved in together.outputs] == [3, 4, 5]
    for saved in together.outputs:
        alone = run("generate_image", context(), **SMALL, model=model, seed=saved.meta["seed"])
        assert np.abs(_pixels(saved) - _pixels(alone.outputs[0])).max() <= 2


@pytest.mark.parametrize("model", FAMILIES)
def test_cancel_comes_within_one_step(context: Context, model: str):
    # when a job is cancelled in its second step, then it ends there, and the model serves the next job
    ctx = context(cancel_at=2)
    with pytest.raises(Cancelled):
        run("generate_image", ctx, **SMALL | {"steps": 50}, model=model)
    assert ctx.steps[-1][0] == 2
    assert ctx.saved == []
    run("generate_image", context(), **SMALL, model=model)


def test_many_pictures_are_painted_in_batches_and_counted_through(context: Context, monkeypatch: pytest.MonkeyPatch):
    # given a device with room for two pictures at once
    monkeypatch.setitem(diffusion._BATCH_PIXELS, "cpu", 2 * 32 * 32)
    # when five are asked for
    ctx = run("generate_image", context(), **SMALL, model="tiny-sd", images=5, seed=3)
    # then progress counts through all three batches
    assert [step[:2] for step in ctx.steps[1:]] == [(number, 9) for number in range(1, 10)]
    assert [saved.name for saved in ctx.outputs] == [f"image-{number}.png" for number in range(1, 6)]


@pytest.mark.parametrize(
    ("model", "schedulers"),
    [
        ("tiny-sd", ["ddim", "euler", "euler_a", "dpmpp_2m", "heun", "pndm", "lms", "unipc"]),
        ("tiny-sd3", ["euler", "heun", "dpmpp_2m", "unipc"]),
        ("tiny-flux", ["euler"]),
    ],
)
def test_schedulers_of_the_family_work_and_leave_no_trace(context: Context, model: str, schedulers: list[str]):
    before = run("generate_image", context(), **SMALL, model=model, seed=3).outputs[0].data
    for scheduler in schedulers:
        ctx = run("generate_image", context(), **SMALL, model=model, seed=3, scheduler=scheduler)
        assert ctx.steps[-1][0] == ctx.steps[-1][1], scheduler
        assert _pixels(ctx.outputs[0]).std() > 1, scheduler
    assert run("generate_image", context(), **SMALL, model=model, seed=3).outputs[0].data == before


@pytest.mark.parametrize(("model", "scheduler"), [("tiny-sd3", "ddim"), ("tiny-flux", "dpmpp_2m")])
def test_a_scheduler_of_another_family_is_refused(context: Context, model: str, scheduler: str):
    with pytest.raises(JobError) as caught:
        run("generate_image", context(), **SMALL, model=model, scheduler=scheduler)
    assert caught.value.code == "unsupported_scheduler"
    assert "euler" in str(caught.value)


def test_the_picture_carries_its_parameters(context: Context):
    # when a picture is painted
    ctx = run(
        "generate_image", context(), **SMALL, model="tiny-sd", negative_prompt="blür\nspots", guidance=4.5, seed=3,
        scheduler="euler_a",
    )  # fmt: skip
    texts = _image(ctx.outputs[0]).text
    # then image tools can read how, and so can we
    assert texts["parameters"] == (
        "a red apple\nNegative prompt: blür\nspots\n"
        "Steps: 3, Sampler: Euler a, CFG scale: 4.5, Seed: 3, Size: 32x32, Model: tiny-sd, Version: Atelier"
    )
    record = json.loads(texts["atelier"])
    assert (record["prompt"], record["seed"], record["model_key"]) == ("a red apple", 3, "tiny-sd@test")


def test_a_negative_prompt_and_guidance_change_the_picture(context: Context):
    plain, strict, avoiding = (
        _pixels(run("generate_image", context(), **SMALL, model="tiny-sd", seed=3, **more).outputs[0])
        for more in ({"guidance": 1.0}, {"guidance": 9.0}, {"guidance": 9.0, "negative_prompt": "blue"})
    )
    assert np.abs(plain - strict).max() > 2
    assert np.abs(strict - avoiding).max() > 2


@pytest.mark.parametrize("model", FAMILIES)
def test_previews_are_small_and_only_when_wanted(context: Context, model: str, monkeypatch: pytest.MonkeyPatch):
    # given a preview that is due at every step
    monkeypatch.setattr(Pace, "due", lambda self, done: True)
    wanted = run("generate_image", context(), **SMALL, model=model)
    unwanted = run("generate_image", context(), **SMALL, model=model, previews=False)
    # then each is a small JPEG
    previews = [saved for saved in wanted.saved if saved.role == "preview"]
    assert len(previews) == 3
    assert {(_image(saved).format, _image(saved).size) for saved in previews} == {("JPEG", (32, 32))}
    assert [saved.role for saved in unwanted.saved] == ["output"]


def test_quick_jobs_make_no_previews(context: Context):
    ctx = run("generate_image", context(), **SMALL, model="tiny-sd")
    assert [saved.role for saved in ctx.saved] == ["output"]


@pytest.mark.parametrize("factor", [2, 4])
def test_a_picture_is_enlarged(context: Context, factor: int):
    ctx = run("generate_image", context(), **SMALL, model="tiny-sd", upscale=factor, upscaler="realesrgan-video")
    assert _image(ctx.outputs[0]).size == (32 * factor, 32 * factor)
    assert ctx.outputs[0].meta["width"] == 32 * factor


def test_the_models_own_settings_fill_what_is_left_open(context: Context):
    # given a model that says how it likes to be used
    ctx = context()
    own = {"steps": 2, "width": 40, "height": 24, "guidance": 3.0, "scheduler": "euler", "upscale": 1}
    ctx.models = dict(ctx.models) | {"tiny-sd": replace(ctx.models["tiny-sd"], defaults=own)}
    # when a job leaves them open, or does not
    run("generate_image", ctx, model="tiny-sd", prompt="a")
    run("generate_image", ctx, model="tiny-sd", prompt="a", steps=3, width=32)
    # then the model's are taken, and the job's go first
    assert [_image(saved).size for saved in ctx.outputs] == [(40, 24), (32, 24)]
    assert [json.loads(_image(saved).text["atelier"])["steps"] for saved in ctx.outputs] == [2, 3]
    assert json.loads(_image(ctx.outputs[0]).text["atelier"])["scheduler"] == "euler"


def test_without_a_size_the_pipeline_has_its_own(context: Context):
    ctx = run("generate_image", context(), model="tiny-sd", prompt="a", steps=1)
    assert _image(ctx.outputs[0]).size == (32, 32)


def test_what_a_pipeline_does_not_accept_is_told(context: Context):
    # given a pipeline that knows positions up to a certain size only
    with pytest.raises(JobError) as caught:
        run("generate_image", context(), **SMALL | {"width": 1024}, model="tiny-sd3")
    assert caught.value.code == "unsupported_setting"
    assert "cannot be greater" in str(caught.value)


def test_an_upscaler_must_be_one(context: Context):
    with pytest.raises(JobError) as caught:
        run("generate_image", context(), **SMALL, model="tiny-sd", upscale=2, upscaler="tiny-sd")
    assert caught.value.code == "wrong_task"


@pytest.mark.quality
def test_the_digits_starter_paints_what_the_prompt_names(context: Context):
    # given the words for all digits
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    # when each is painted twice, and a classifier that has never seen these pictures reads them
    read = []
    for word in words:
        ctx = run("generate_image", context(), model="digits", prompt=f"a photo of {word}", images=2, seed=1)
        read += read_digits(np.stack([_pixels(saved) for saved in ctx.outputs]).astype(np.uint8))
    # then nearly all are what was asked for
    assert sum(digit == number // 2 for number, digit in enumerate(read)) >= 17, read


def test_a_model_that_wishes_to_be_enlarged_goes_without_an_upscaler(context: Context):
    # given a model that asks for an upscaler which is not installed
    ctx = context()
    wishing = replace(ctx.models["tiny-sd"], defaults={"upscale": 4, "upscaler": "nobody"})
    ctx.models = dict(ctx.models) | {"tiny-sd": wishing}
    # when the job does not insist, then the picture comes as it is; when it does, it is told
    assert _image(run("generate_image", ctx, **SMALL, model="tiny-sd").outputs[0]).size == (32, 32)
    with pytest.raises(JobError):
        run("generate_image", ctx, **SMALL, model="tiny-sd", upscale=4)


def test_the_largest_seed_is_a_seed(context: Context):
    ctx = run("generate_image", context(), **SMALL, model="tiny-sd", images=2, seed=2**63 - 1)
    assert [saved.meta["seed"] for saved in ctx.outputs] == [2**63 - 1, 2**63]


def test_the_best_pictures_are_kept_and_are_the_same_ones(context: Context):
    # given four pictures
    params = {"model": "tiny-sd", "prompt": "a cat", "steps": 2, "width": 32, "height": 32, "images": 4, "seed": 5}
    every = {saved.meta["seed"]: _pixels(saved) for saved in run("generate_image", context(), **params).outputs}
    # when two are to be kept
    kept = run("generate_image", context(), **params, keep_best=2).outputs
    # then they are the two sharpest, or fewer where they look alike, as they were made
    assert 1 <= len(kept) <= 2
    assert all(np.array_equal(_pixels(saved), every[saved.meta["seed"]]) for saved in kept)
    sharpest = max(every, key=lambda seed: sharpness(Image.fromarray(every[seed].astype(np.uint8))))
    assert sharpest in {saved.meta["seed"] for saved in kept}


def test_lean_paints_the_same_one_by_one(context: Context):
    params = {"model": "tiny-sd", "prompt": "a cat", "steps": 2, "width": 32, "height": 32, "images": 3, "seed": 5}
    usual, lean = (run("generate_image", context(lean=lean), **params) for lean in (False, True))
    assert [step[1] for step in lean.steps][-1] == 3 * 2
    for one, other in zip(usual.outputs, lean.outputs, strict=True):
        assert np.abs(_pixels(one) - _pixels(other)).max() <= 2
