"""Many jobs whose pictures are painted in one batch: each gets what it would get alone, as far as one could see."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared import kinds
from shared.errors import Cancelled
from tests.kinds.context import FakeContext
from tests.kinds.party import FakeParty, member, together
from worker.context import Member
from worker.kinds import run_function

Context = Callable[..., FakeContext]
SIZE: dict[str, Any] = {"width": 32, "height": 32, "steps": 3}


def pixels(ctx: FakeContext) -> list[np.ndarray]:
    found = [Image.open(BytesIO(saved.data)) for saved in ctx.saved if saved.role == "output"]
    return [np.asarray(image).astype(int) for image in found]


def painted(context: Context, model: str, asked: list[dict[str, Any]]) -> tuple[FakeParty, list[Member[Any]]]:
    some = [member("generate_image", context(seed=each["seed"]), model=model, **SIZE | each) for each in asked]
    return together("generate_image", {0: some[:1], 1: some[1:]}), some


@pytest.mark.parametrize("model", ["tiny-sd", "tiny-sdxl", "tiny-sd3", "tiny-flux", "tiny-pixart"])
def test_each_paints_what_it_would_paint_alone(context: Context, model: str):
    # given jobs with words and seeds of their own, one of them with two pictures
    asked = [
        {"prompt": "a red apple", "seed": 1},
        {"prompt": "a blue car", "seed": 2, "images": 2},
        {"prompt": "", "seed": 3},
    ]
    asked[2]["prompt"] = "a house"
    party, some = painted(context, model, asked)
    assert set(party.ended.values()) == {None}
    assert some[0].ctx.metrics["batch_size"] == 4

    # then no pixel is further than two of 255 from that of a job alone, and each is another picture
    for each, one in zip(some, asked, strict=True):
        ctx = context(seed=one["seed"])
        run_function("generate_image")(member("generate_image", ctx, model=model, **SIZE | one).params, ctx)
        for alone, beside in zip(pixels(ctx), pixels(each.ctx), strict=True):
            assert np.abs(alone - beside).max() <= 2
    assert np.abs(pixels(some[0].ctx)[0] - pixels(some[2].ctx)[0]).max() > 2


def test_classes_are_painted_together_too(context: Context):
    asked = [{"prompt": "0", "seed": 1}, {"prompt": "1", "seed": 2}]
    some = [member("generate_image", context(seed=each["seed"]), model="tiny-dit", steps=3, **each) for each in asked]
    party = together("generate_image", {0: some[:1], 1: some[1:]})
    assert set(party.ended.values()) == {None}


def test_one_that_is_cancelled_leaves_the_batch_alone(context: Context):
    asked = {"prompt": "a red apple", "model": "tiny-sd"} | SIZE
    cancelled, fine = (
        member("generate_image", context(cancel_at=2), **asked),
        member("generate_image", context(), **asked),
    )
    party = together("generate_image", {0: [cancelled], 1: [fine]})
    assert isinstance(party.ended[cancelled], Cancelled)
    assert (party.ended[fine], len(fine.ctx.saved)) == (None, 1)


def test_a_batch_that_nobody_waits_for_any_more_is_given_up(context: Context):
    # given two that are both cancelled after their first step, of many
    asked = {"prompt": "a red apple", "model": "tiny-sd"} | SIZE | {"steps": 40}
    some = [member("generate_image", context(cancel_at=1), **asked) for _ in range(2)]
    party = together("generate_image", {0: some[:1], 1: some[1:]})
    assert all(isinstance(error, Cancelled) for error in party.ended.values())
    assert max(done for done, *_ in some[0].ctx.steps) == 1


def test_the_best_of_each_job_are_its_own(context: Context):
    asked = [{"prompt": "a", "seed": n, "images": 3, "keep_best": 1} for n in (1, 9)]
    _, some = painted(context, "tiny-sd", asked)
    assert [len(pixels(each.ctx)) for each in some] == [1, 1]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({}, {"prompt": "another", "seed": 4, "images": 2, "upscale": 2}, True),
        ({}, {"width": 64}, False),
        ({}, {"steps": 9}, False),
        ({"negative_prompt": "a"}, {"negative_prompt": "b"}, True),
        ({}, {"negative_prompt": "b"}, False),
    ],
)
def test_what_is_shared_must_be_alike(one: dict[str, Any], other: dict[str, Any], alike: bool):
    keys = [kinds.validate("generate_image", {"prompt": "a"} | each).batch_key() for each in (one, other)]
    assert (keys[0] == keys[1]) is alike


def test_a_picture_from_a_picture_is_painted_alone():
    asked = {"prompt": "a", "image": "art_" + "0" * 26}
    assert kinds.validate("generate_image", asked).batch_key() is None
