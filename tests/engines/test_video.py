"""Films by tiny random models of every family, against what the bare pipelines make."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    AnimateDiffPipeline,
    DDIMScheduler,
    DiffusionPipeline,
    LTXImageToVideoPipeline,
    MotionAdapter,
    WanImageToVideoPipeline,
)
from PIL import Image

from shared.errors import Cancelled, JobError
from tests.engines.library import Library
from worker.engines.video import Form, Shot, fitted, form, load_video_pipeline, shaped, shoot, takes_any_shape

FROM_PROMPTS = ["tiny-animatediff", "tiny-motion", "tiny-cogvideox", "tiny-ltx", "tiny-wan", "tiny-wan-both"]
FROM_PICTURES = ["tiny-cogvideox-i2v", "tiny-ltx", "tiny-wan-both", "tiny-wan-i2v"]
SIDES = {"tiny-animatediff": 32, "tiny-motion": 32}
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def pipeline(library: Library) -> Callable[[str], Any]:
    """Each model, loaded once."""
    loaded: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in loaded:
            base = library["tiny-sd"] if name == "tiny-motion" else None
            loaded[name] = load_video_pipeline(library[name], "cpu", base)
        return loaded[name]

    return get


def _shot(name: str, image: Image.Image | None = None, **more: Any) -> Shot:
    side = SIDES.get(name, 64)
    plain = Shot(
        prompt="a red apple", negative_prompt="blue", image=image, width=side, height=side, frames=5, fps=8, steps=2,
        guidance=4.0,
    )  # fmt: skip
    return replace(plain, **more)


def _frames(images: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images])


def _nothing(done: int, total: int, preview: Any) -> None:
    return


def _bare(library: Library, name: str, shot: Shot, seed: int) -> np.ndarray:
    """What the library alone makes, as its documentation says to call it."""
    if name == "tiny-motion":
        adapter = MotionAdapter.from_pretrained(library[name].folder)
        pipe = AnimateDiffPipeline.from_pretrained(library["tiny-sd"].folder, motion_adapter=adapter)
        pipe.scheduler = DDIMScheduler.from_pretrained(
            library["tiny-sd"].folder / "scheduler", beta_schedule="linear", clip_sample=False,
            timestep_spacing="linspace", steps_offset=1,
        )  # fmt: skip
    else:
        pipe = DiffusionPipeline.from_pretrained(library[name].folder)
    more: dict[str, Any] = {"frame_rate": shot.fps} if name == "tiny-ltx" else {}
    if shot.image:
        more["image"] = shot.image
        siblings = {"tiny-ltx": LTXImageToVideoPipeline, "tiny-wan-both": WanImageToVideoPipeline}
        if name in siblings:
            pipe = siblings[name].from_pipe(pipe, **({"expand_timesteps": True} if name == "tiny-wan-both" else {}))
    pipe.set_progress_bar_config(disable=True)
    made = pipe(
        prompt=shot.prompt, negative_prompt=shot.negative_prompt, width=shot.width, height=shot.height,
        num_frames=shot.frames, num_inference_steps=shot.steps, guidance_scale=shot.guidance, output_type="pil",
        generator=torch.Generator("cpu").manual_seed(seed), **more,
    )  # fmt: skip
    return _frames(made.frames[0])


@pytest.mark.parametrize(
    ("name", "image"),
    [(name, None) for name in FROM_PROMPTS] + [(name, PICTURE) for name in FROM_PICTURES],
    ids=[*FROM_PROMPTS, *(f"{name} of a picture" for name in FROM_PICTURES)],
)
def test_frames_are_what_the_bare_pipeline_makes(
    library: Library, pipeline: Callable[[str], Any], name: str, image: Image.Image | None
):
    # given a shot that the model can make
    shot, _ = fitted(_shot(name, image), form(pipeline(name)))
    # when it is shot twice, with a third by another seed between
    steps: list[tuple[int, int]] = []
    first = _frames(shoot(pipeline(name), shot, 3, lambda done, total, _: steps.append((done, total))))
    other = _frames(shoot(pipeline(name), shot, 4, _nothing))
    again = _frames(shoot(pipeline(name), shot, 3, _nothing))
    # then a seed gives the same frames, which are the bare pipeline's, and each step was told
    assert first.shape == (shot.frames, shot.height, shot.width, 3)
    assert steps == [(1, 2), (2, 2)]
    assert np.array_equal(first, again)
    assert np.array_equal(first, _bare(library, name, shot, 3))
    assert np.abs(first.astype(int) - other).max() > 2


@pytest.mark.parametrize("name", ["tiny-animatediff", "tiny-cogvideox", "tiny-ltx", "tiny-wan"])
def test_what_a_step_raises_ends_it_and_leaves_the_model_whole(pipeline: Callable[[str], Any], name: str):
    calls = 0

    def stop(done: int, total: int, preview: Any) -> None:
        nonlocal calls
        calls += 1
        raise Cancelled

    before = _frames(shoot(pipeline(name), _shot(name), 3, _nothing))
    with pytest.raises(Cancelled):
        shoot(pipeline(name), _shot(name, steps=50), 3, stop)
    assert calls == 1
    assert np.array_equal(_frames(shoot(pipeline(name), _shot(name), 3, _nothing)), before)


def test_a_look_at_the_first_frame_where_it_is_cheap(pipeline: Callable[[str], Any]):
    looks: dict[str, list[Any]] = {"tiny-animatediff": [], "tiny-wan": []}
    frames = {
        name: shoot(pipeline(name), _shot(name), 3, lambda *args, seen=seen: seen.append(args[2]()))
        for name, seen in looks.items()
    }
    assert looks["tiny-wan"] == [None, None]
    last = np.asarray(looks["tiny-animatediff"][-1]).astype(int)
    assert np.abs(last - np.asarray(frames["tiny-animatediff"][0])).max() <= 2


@pytest.mark.parametrize(
    ("name", "asked", "made"),
    [
        ("tiny-wan", {"frames": 8, "width": 72, "height": 44}, (9, 64, 48)),
        ("tiny-wan", {"frames": 1}, (1, 64, 64)),
        ("tiny-cogvideox", {"frames": 12}, (9, 64, 64)),
        ("tiny-animatediff", {"frames": 7}, (7, 32, 32)),
    ],
)
def test_a_shot_is_fitted_to_the_model_and_it_says_so(
    pipeline: Callable[[str], Any], name: str, asked: dict[str, int], made: tuple[int, int, int]
):
    shot, note = fitted(_shot(name, **asked), form(pipeline(name)))
    assert (shot.frames, shot.width, shot.height) == made
    assert (note == "") == ((_shot(name, **asked).frames, *_sides(_shot(name, **asked))) == made)
    images = shoot(pipeline(name), shot, 1, _nothing)
    assert (len(images), *images[0].size) == made


def _sides(shot: Shot) -> tuple[int, int]:
    return shot.width, shot.height


def test_the_note_names_what_differs(pipeline: Callable[[str], Any]):
    _, note = fitted(_shot("tiny-wan", frames=8, width=72), form(pipeline("tiny-wan")))
    assert note == "This model makes 9 frames instead of 8 and 64 × 64 pixels instead of 72 × 64."


def test_the_own_form_is_what_the_pipelines_say(pipeline: Callable[[str], Any]):
    known = {name: form(pipeline(name)) for name in ("tiny-animatediff", "tiny-cogvideox", "tiny-ltx", "tiny-wan")}
    assert {name: (own.width, own.height, own.frames, own.fps) for name, own in known.items()} == {
        "tiny-animatediff": (32, 32, 16, 8),
        "tiny-cogvideox": (64, 64, 9, 8),
        "tiny-ltx": (704, 512, 161, 25),
        "tiny-wan": (832, 480, 81, 16),
    }


def test_a_film_of_a_picture_has_its_shape():
    own = Form(
        width=832, height=480, frames=81, fps=16, steps=50, side_step=16, frame_step=4, most_frames=None
    )  # fmt: skip
    tall = shaped(own, Image.new("RGB", (300, 600)))
    assert tall.height / tall.width == pytest.approx(2, rel=0.01)
    assert tall.height * tall.width == pytest.approx(832 * 480, rel=0.01)


def test_a_picture_of_another_shape_is_cut_not_stretched():
    # given a circle on a wide ground
    wide = Image.new("RGB", (200, 100), "white")
    wide.paste("black", (80, 30, 120, 70))
    own = Form(width=64, height=64, frames=9, fps=8, steps=2, side_step=8, frame_step=4, most_frames=None)
    shot, _ = fitted(_shot("tiny-wan", wide), own)
    assert shot.image is not None
    dark = np.asarray(shot.image.convert("L")) < 128
    assert dark.any(axis=0).sum() == pytest.approx(dark.any(axis=1).sum(), abs=1)


def test_learned_positions_keep_to_their_size(pipeline: Callable[[str], Any]):
    assert not takes_any_shape(pipeline("tiny-cogvideox-i2v"))
    assert takes_any_shape(pipeline("tiny-wan-i2v"))
    with pytest.raises(JobError) as caught:
        shoot(pipeline("tiny-cogvideox-i2v"), _shot("", PICTURE, width=96), 1, _nothing)
    assert caught.value.code == "unsupported_setting"


@pytest.mark.parametrize(
    ("name", "asked", "code", "field"),
    [
        ("tiny-wan-i2v", {}, "image_needed", "image"),
        ("tiny-wan", {"image": PICTURE}, "unsupported_setting", "image"),
        ("tiny-animatediff", {"image": PICTURE}, "unsupported_setting", "image"),
        ("tiny-animatediff", {"frames": 25}, "too_long", "frames"),
        ("tiny-ltx", {"width": 72}, "unsupported_setting", None),
    ],
)
def test_what_a_model_cannot_do_is_said(
    pipeline: Callable[[str], Any], name: str, asked: dict[str, Any], code: str, field: str | None
):
    def make() -> None:
        shoot(pipeline(name), fitted(_shot(name, **asked), form(pipeline(name)))[0], 1, _nothing)

    with pytest.raises(JobError) as caught:
        make()
    assert (caught.value.code, caught.value.field) == (code, field)


def test_a_model_of_another_sort_is_refused(library: Library):
    with pytest.raises(JobError, match="makes no films"):
        load_video_pipeline(library["tiny-sd"], "cpu")
    with pytest.raises(JobError, match="names no base"):
        load_video_pipeline(library["tiny-motion"], "cpu")
