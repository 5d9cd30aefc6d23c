"""Walks over tiny random image models of every form that can be walked over."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.errors import Cancelled, JobError
from tests.engines.library import Library
from worker.engines import diffusion
from worker.engines.diffusion import Painting, load_pipeline, paint
from worker.engines.latent_walk import Walk, is_walk, walk

FAMILIES = ["tiny-sd", "tiny-sdxl", "tiny-sd3"]
PAINTING = Painting(
    prompt="a red apple", negative_prompt=None, width=32, height=32, steps=2, guidance=4.0, scheduler="default"
)


def _walk(pipe: Any, way: Walk, seed: int = 3, on_step: Any = lambda *_: None) -> list[Image.Image]:
    return walk(pipe, PAINTING, way, seed, "cpu", on_step)


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def _painted(pipe: Any, prompt: str, seed: int) -> np.ndarray:
    painting = Painting(**{**vars(PAINTING), "prompt": prompt})
    return _pixels(paint(pipe, painting, [seed], lambda *_: None)[0])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_walk_begins_and_ends_with_what_was_asked(library: Library, name: str):
    # given a walk from one prompt to another
    pipe = load_pipeline(library[name], "cpu")
    steps: list[tuple[int, int]] = []
    frames = _walk(
        pipe,
        Walk(prompts=["a red apple", "sky"], frames=5, loop=False),
        on_step=lambda done, total, _: steps.append((done, total)),
    )
    # then its first and last frame are the model's pictures of them, and each step was told
    assert np.abs(_pixels(frames[0]) - _painted(pipe, "a red apple", 3)).max() <= 2
    assert np.abs(_pixels(frames[-1]) - _painted(pipe, "sky", 3)).max() <= 2
    assert len(frames) == 5
    assert steps == [(number, 6) for number in range(1, 7)]


@pytest.mark.parametrize("name", FAMILIES)
def test_with_one_prompt_it_goes_from_seed_to_seed(library: Library, name: str):
    pipe = load_pipeline(library[name], "cpu")
    frames = _walk(pipe, Walk(prompts=["a red apple"], frames=4, loop=False))
    assert np.abs(_pixels(frames[0]) - _painted(pipe, "a red apple", 3)).max() <= 2
    assert np.abs(_pixels(frames[-1]) - _painted(pipe, "a red apple", 4)).max() <= 2


@pytest.mark.parametrize("prompts", [["a red apple"], ["a red apple", "sky", "tree"]])
def test_a_loop_leads_back_without_a_jump(library: Library, prompts: list[str]):
    # given a loop
    pipe = load_pipeline(library["tiny-sd"], "cpu")
    frames = [_pixels(frame) for frame in _walk(pipe, Walk(prompts=prompts, frames=24, loop=True))]
    # then the step from its last frame to its first is like the steps within
    steps = [np.abs(here - there).mean() for here, there in pairwise(frames)]
    assert np.abs(frames[-1] - frames[0]).mean() <= 1.2 * max(steps)
    assert max(steps) < np.abs(frames[0] - frames[12]).mean() / 2


def test_the_same_seed_gives_the_same_frames_whatever_the_batch(library: Library, monkeypatch: pytest.MonkeyPatch):
    pipe = load_pipeline(library["tiny-sd"], "cpu")
    way = Walk(prompts=["a red apple", "sky"], frames=5, loop=False)
    first, again = _walk(pipe, way), _walk(pipe, way)
    assert all(np.array_equal(_pixels(here), _pixels(there)) for here, there in zip(first, again, strict=True))
    # when there is room for two frames at once only, then they are the same, and steps count through
    monkeypatch.setitem(diffusion._BATCH_PIXELS, "cpu", 2 * 32 * 32)
    steps: list[tuple[int, int]] = []
    parts = _walk(pipe, way, on_step=lambda done, total, _: steps.append((done, total)))
    assert steps == [(number, 8) for number in range(1, 9)]
    for here, there in zip(first, parts, strict=True):
        assert np.abs(_pixels(here) - _pixels(there)).max() <= 2


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("frames", [1, 2, 3, 6])
def test_any_number_of_frames_is_made(library: Library, frames: int, loop: bool):
    pipe = load_pipeline(library["tiny-sd"], "cpu")
    assert len(_walk(pipe, Walk(prompts=["a", "b"], frames=frames, loop=loop))) == frames


def test_what_a_step_raises_ends_it(library: Library):
    def stop(*_: Any) -> None:
        raise Cancelled

    pipe = load_pipeline(library["tiny-sd"], "cpu")
    with pytest.raises(Cancelled):
        _walk(pipe, Walk(prompts=["a"], frames=4, loop=False), on_step=stop)


def test_a_model_of_another_form_cannot_be_walked_over(library: Library):
    pipe = load_pipeline(library["tiny-flux"], "cpu")
    with pytest.raises(JobError) as caught:
        _walk(pipe, Walk(prompts=["a"], frames=2, loop=False))
    assert caught.value.code == "model_unsupported"


def test_only_the_declaration_makes_a_walk(library: Library):
    assert is_walk(library["latent-walk"])
    assert not is_walk(library["emoji"])
    assert library["latent-walk"].base == "emoji"
