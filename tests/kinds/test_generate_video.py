"""`generate_video`, run as a worker runs it, on tiny random models and on the starter."""

import io
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared import kinds
from shared.errors import Cancelled, Invalid, JobError
from tests.kinds.context import FakeContext, Saved, run
from worker.engines.film import Film, open_film
from worker.engines.previews import Pace
from worker.engines.video import Shot, load_video_pipeline, shoot

Context = Callable[..., FakeContext]
FAMILIES = ["tiny-animatediff", "tiny-cogvideox", "tiny-ltx", "tiny-wan"]
#: A form that all four families can make: 9 frames are 8 + 1.
SMALL = {"prompt": "a red apple", "width": 32, "height": 32, "frames": 9, "steps": 2, "fps": 8}
WALK = {"prompt": "red apple", "frames": 4, "steps": 3, "upscale": 1}


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Saved], tuple[Film, list[Image.Image]]]:
    """A saved clip, read again."""

    def read(saved: Saved) -> tuple[Film, list[Image.Image]]:
        path = tmp_path / "saved.mp4"
        path.write_bytes(saved.data)
        with open_film(path) as film:
            return film, list(film.frames())

    return read


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def _picture(folder: Path, size: tuple[int, int] = (96, 64)) -> Path:
    path = folder / "picture.png"
    Image.effect_noise(size, 60).convert("RGB").save(path)
    return path


@pytest.mark.parametrize("model", FAMILIES)
def test_every_family_makes_a_clip_and_its_seed_repeats(context: Context, model: str, opened: Callable):
    # when the same job runs twice, and another with the next seed
    first, again, other = (run("generate_video", context(), **SMALL, model=model, seed=seed) for seed in (3, 3, 4))
    # then equal seeds give equal bytes, and another seed another clip
    assert [saved.name for saved in first.outputs] == ["clip.mp4"]
    assert first.outputs[0].data == again.outputs[0].data != other.outputs[0].data
    assert first.outputs[0].media_type == "video/mp4"
    # and it is what was asked for, and says so
    film, frames = opened(first.outputs[0])
    assert (len(frames), film.fps, film.width, film.height) == (9, 8, 32, 32)
    meta = {"seconds": 1.125, "fps": 8, "frames": 9, "seed": 3, "width": 32, "height": 32, "note": ""}
    assert first.outputs[0].meta == meta
    assert [step[:2] for step in first.steps] == [(0, None), *((number, 11) for number in range(1, 12))]


def test_the_clip_shows_the_frames_of_the_model(context: Context, opened: Callable):
    # given what the engine makes of the same params
    ctx = run("generate_video", context(), **SMALL, model="tiny-wan", seed=3, negative_prompt="blue", guidance=4.0)
    shot = Shot(
        prompt="a red apple", negative_prompt="blue", image=None, width=32, height=32, frames=9, fps=8, steps=2,
        guidance=4.0,
    )  # fmt: skip
    made = shoot(load_video_pipeline(ctx.models["tiny-wan"], "cpu"), shot, 3, lambda *_: None)
    # then the clip has them but for the loss of its coding
    _, frames = opened(ctx.outputs[0])
    for seen, wanted in zip(frames, made, strict=True):
        assert np.abs(_pixels(seen).mean((0, 1)) - _pixels(wanted).mean((0, 1))).max() < 3
        assert np.abs(_pixels(seen) - _pixels(wanted)).mean() < 20


@pytest.mark.parametrize("model", [*FAMILIES, "latent-walk"])
def test_cancel_comes_within_one_step(context: Context, model: str):
    # when a job is cancelled in its second step, then it ends there, and the model serves the next job
    ctx = context(cancel_at=2)
    with pytest.raises(Cancelled):
        run("generate_video", ctx, **SMALL | {"steps": 50}, model=model)
    assert ctx.steps[-1][0] == 2
    assert ctx.outputs == []
    run("generate_video", context(), **SMALL, model=model)


def test_cancel_comes_within_one_frame_of_saving(context: Context):
    ctx = context(cancel_at=5)
    with pytest.raises(Cancelled):
        run("generate_video", ctx, **SMALL, model="tiny-wan")
    assert ctx.steps[-1][2] == "Frame 3 of 9"
    assert ctx.outputs == []


def test_what_had_to_differ_is_said(context: Context):
    ctx = run("generate_video", context(), **SMALL | {"frames": 7}, model="tiny-wan")
    assert ctx.outputs[0].meta["frames"] == 9
    assert ctx.outputs[0].meta["note"] == "This model makes 9 frames instead of 7."
    assert "9 frames instead of 7" in ctx.steps[1][2]


@pytest.mark.parametrize("model", ["tiny-cogvideox-i2v", "tiny-ltx", "tiny-wan-both", "tiny-wan-i2v"])
def test_a_picture_is_set_in_motion(context: Context, tmp_path: Path, model: str, opened: Callable):
    # given two pictures
    sides = {"width": 64, "height": 64}
    ctx, other = context(), context()
    image = ctx.give(_picture(tmp_path), "image/png")
    run("generate_video", ctx, **SMALL | sides, model=model, image=image, seed=3)
    other_image = other.give(_picture(tmp_path), "image/png")
    run("generate_video", other, **SMALL | sides, model=model, image=other_image, seed=3)
    # then each makes its own film
    film, frames = opened(ctx.outputs[0])
    assert (len(frames), film.width, film.height) == (9, 64, 64)
    assert ctx.outputs[0].data != other.outputs[0].data


def test_a_film_of_a_picture_takes_its_shape(context: Context, tmp_path: Path):
    # given a tall picture, and no height
    ctx = context()
    image = ctx.give(_picture(tmp_path, (50, 100)), "image/png")
    run("generate_video", ctx, **SMALL | {"height": None}, model="tiny-wan-both", image=image)
    assert (ctx.outputs[0].meta["width"], ctx.outputs[0].meta["height"]) == (32, 64)


def test_a_motion_adapter_moves_its_base(context: Context, opened: Callable):
    ctx = context()
    ctx.models = dict(ctx.models) | {"tiny-motion": replace(ctx.models["tiny-motion"], base="tiny-sd")}
    run("generate_video", ctx, **SMALL, model="tiny-motion")
    assert len(opened(ctx.outputs[0])[1]) == 9


def test_the_first_frame_is_shown_when_it_is_time(context: Context, monkeypatch: pytest.MonkeyPatch):
    # given a preview that is due at every step
    monkeypatch.setattr(Pace, "due", lambda self, done: True)
    for model, count in (("tiny-animatediff", 2), ("tiny-wan", 0), ("latent-walk", 8)):
        params = SMALL | {"model": model, "upscale": 1, "then": ["sky"] if model == "latent-walk" else []}
        wanted = run("generate_video", context(), **params)
        unwanted = run("generate_video", context(), **params, previews=False)
        previews = [saved for saved in wanted.saved if saved.role == "preview"]
        assert len(previews) == count, model
        assert {Image.open(io.BytesIO(saved.data)).format for saved in previews} <= {"JPEG"}
        assert not [saved for saved in unwanted.saved if saved.role == "preview"]


def test_frames_are_enlarged(context: Context, opened: Callable):
    plain = run("generate_video", context(), **WALK, model="latent-walk", seed=3)
    large = run("generate_video", context(), **WALK | {"upscale": 2}, model="latent-walk", seed=3)
    assert (large.outputs[0].meta["width"], large.outputs[0].meta["height"]) == (128, 128)
    film, frames = opened(large.outputs[0])
    assert (film.width, film.height) == (128, 128)
    small = opened(plain.outputs[0])[1]
    for big, little in zip(frames, small, strict=True):
        assert np.abs(_pixels(big.resize((64, 64), Image.Resampling.BOX)) - _pixels(little)).mean() < 8


@pytest.mark.parametrize(
    ("model", "asked", "code", "field"),
    [
        ("tiny-wan-i2v", {}, "image_needed", "image"),
        ("tiny-wan", {"image": True}, "unsupported_setting", "image"),
        ("latent-walk", {"image": True}, "unsupported_setting", "image"),
        ("tiny-wan", {"then": ["sky"]}, "unsupported_setting", "then"),
        ("tiny-wan", {"loop": True}, "unsupported_setting", "loop"),
        ("tiny-animatediff", {"frames": 25}, "too_long", "frames"),
        ("tiny-sd", {}, "wrong_task", "model"),
        ("tiny-motion", {}, "model_unsupported", None),
        ("tiny-wan", {"upscale": 2, "upscaler": "tiny-sd"}, "wrong_task", "model"),
    ],
)
def test_what_cannot_be_made_is_said(
    context: Context, tmp_path: Path, model: str, asked: dict, code: str, field: str | None
):
    ctx = context()
    if "image" in asked:
        asked = asked | {"image": ctx.give(_picture(tmp_path), "image/png")}
    with pytest.raises(JobError) as caught:
        run("generate_video", ctx, **SMALL | asked, model=model)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_a_picture_that_is_none_is_refused(context: Context, tmp_path: Path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"not a picture")
    ctx = context()
    with pytest.raises(JobError) as caught:
        run("generate_video", ctx, **SMALL, model="tiny-ltx", image=ctx.give(path, "image/png"))
    assert (caught.value.code, caught.value.field) == ("unreadable_image", "image")


@pytest.mark.parametrize(
    ("data", "field", "sentence"),
    [
        ({"width": 33}, "width", "multiple of 8"),
        ({"width": 4096, "height": 4096}, "", "4.2 million"),
        ({"width": 1024, "height": 1024, "frames": 1024}, "", "268 million"),
        ({"width": 2048, "height": 2048, "upscale": 4}, "", "17 million"),
        ({"frames": 0}, "frames", "1 or more"),
        ({"fps": 200}, "fps", "60 or less"),
        ({"then": [""]}, "then.0", "at least 1"),
        ({"image": "../x"}, "image", "not allowed"),
        ({"upscale": 3}, "upscale", "one of"),
    ],
)
def test_wrong_params_are_answered_with_a_sentence(data: dict, field: str, sentence: str):
    with pytest.raises(Invalid) as caught:
        kinds.validate("generate_video", {"prompt": "a"} | data)
    assert [(error["field"], sentence in error["message"]) for error in caught.value.errors] == [(field, True)]


def test_out_of_memory_leads_to_fewer_frames_and_half_the_sides():
    params = kinds.validate("generate_video", {"prompt": "a", "width": 1280, "height": 720, "frames": 81, "upscale": 1})
    assert params.smaller() == {"width": 640, "height": 360, "frames": 40}
    assert kinds.validate("generate_video", {"prompt": "a"}).smaller() == {"frames": 17, "upscale": 1}


@pytest.mark.quality
def test_the_starter_walks_from_one_thing_to_another(context: Context, opened: Callable):
    # when it walks from a red thing to a blue one
    asked = {"prompt": "a red apple", "then": ["a blue car"], "seed": 1, "frames": 24, "steps": 12, "upscale": 1}
    ctx = run("generate_video", context(), **asked)
    film, frames = opened(ctx.outputs[0])
    assert (len(frames), film.fps, film.width) == (24, 12, 64)
    # then it begins with the picture that generate_image paints, and ends with the other
    for frame, prompt in ((frames[0], "a red apple"), (frames[-1], "a blue car")):
        painted = run("generate_image", context(), prompt=prompt, seed=1, steps=12, upscale=1).outputs[0]
        wanted = _pixels(Image.open(io.BytesIO(painted.data)).convert("RGB"))
        assert np.abs(_pixels(frame) - wanted).mean() < 4, prompt
    # and what is red turns blue, in small steps
    things = [_pixels(frame)[16:48, 16:48].mean((0, 1)) for frame in frames]
    assert things[0][0] > things[0][2] + 50
    assert things[-1][2] > things[-1][0] + 50
    steps = [np.abs(_pixels(here) - _pixels(there)).mean() for here, there in pairwise(frames)]
    assert np.median(steps) < 10
    assert max(steps) < np.abs(_pixels(frames[0]) - _pixels(frames[-1])).mean() / 4


@pytest.mark.quality
def test_the_starter_loops(context: Context, opened: Callable):
    ctx = run("generate_video", context(), prompt="fire", loop=True, seed=1, frames=12, steps=10, upscale=1)
    frames = [_pixels(frame) for frame in opened(ctx.outputs[0])[1]]
    steps = [np.abs(here - there).mean() for here, there in pairwise(frames)]
    assert np.abs(frames[-1] - frames[0]).mean() < 2 * np.median(steps)
    assert np.abs(frames[6] - frames[0]).mean() > 2 * np.median(steps)
