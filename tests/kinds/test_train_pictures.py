"""The kinds that learn to make pictures, end to end: a dataset in, a model out, pictures of it by `sample_image`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.errors import Cancelled
from tests.engines.library import Library
from tests.engines.picture_sets import as_rows, drawn
from tests.kinds.context import FakeContext, run
from tests.kinds.pictures import image_of, pixels_of
from tests.kinds.training import report, trained

SMALL = {"batch_size": 16, "evaluations": 1, "seed": 3}
KINDS: dict[str, dict[str, Any]] = {
    "train_vae": {"steps": 4, "width": 4, "latent": 4},
    "train_gan": {"steps": 3, "width": 4, "latent": 4},
    "train_diffusion": {"steps": 3, "width": 8, "scored": 8},
}


@pytest.fixture
def context(library: Library, tmp_path: Path) -> Callable[..., FakeContext]:
    """A context with a dataset of squares and bars."""

    def make(**settings: Any) -> FakeContext:
        folder = tmp_path / f"job-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        ctx = FakeContext(folder, library, **settings)
        rows, files = as_rows(drawn(60))
        ctx.give_dataset("classed", rows[:48], rows[48:], files=files)
        return ctx

    return make


def teach(kind: str, ctx: FakeContext, **settings: Any) -> FakeContext:
    """A job of a few steps."""
    return run(kind, ctx, **{"name": "mine", "dataset": "data-1@1"} | SMALL | KINDS[kind] | settings)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_trained_is_sampled_by_class(context: Callable[..., FakeContext], tmp_path: Path, kind: str):
    ctx = teach(kind, context())
    meta, models = trained(ctx, tmp_path / "model")

    # the same seed gives the same bytes
    models_of = [
        next(saved.data for saved in each.saved if saved.role == "model") for each in (ctx, teach(kind, context()))
    ]
    assert models_of[0] == models_of[1]
    assert (meta["task"], meta["dataset"]) == ("unconditional-image-generation", "data-1@1")
    assert report(ctx)["steps"] == KINDS[kind]["steps"]
    assert ctx.metrics["examples_at_once"] == SMALL["batch_size"]
    assert any(saved.role == "preview" for saved in ctx.saved)
    assert any(saved.name == "samples.png" for saved in ctx.outputs)
    assert image_of(next(saved for saved in ctx.outputs if saved.name == "samples.png")).width > 64
    (tmp_path / "sampling").mkdir()
    sampled = run("sample_image", FakeContext(tmp_path / "sampling", models), model="mine", label="square", images=2)
    assert [image_of(saved).size for saved in sampled.outputs] == [(8, 8)] * 2
    assert not np.array_equal(*(pixels_of(saved) for saved in sampled.outputs))


def test_told_by_captions_it_paints_from_prompts(context: Callable[..., FakeContext], library: Library, tmp_path: Path):
    # given a base whose text encoder and autoencoder are taken, when a new UNet learns the names of the classes
    settings = {"name": "painter", "base": "tiny-sd", "size": 16, "steps": 2, "batch_size": 4}
    ctx, again = (teach("train_diffusion", context(), **settings) for _ in range(2))

    # then the result is a model of its own that paints from prompts, the same for the same seed
    meta, models = trained(ctx, tmp_path / "model")
    assert (meta["task"], meta["base"], meta["trained_from"]) == ("text-to-image", None, "tiny-sd")
    archives = [next(saved.data for saved in each.saved if saved.role == "model") for each in (ctx, again)]
    assert archives[0] == archives[1]
    (tmp_path / "painting").mkdir()
    painted = run(
        "generate_image", FakeContext(tmp_path / "painting", models), model="painter", prompt="a square", steps=2,
        upscale=1, width=16, height=16, seed=1,
    )  # fmt: skip
    assert image_of(painted.outputs[0]).size == (16, 16)


@pytest.mark.parametrize("kind", KINDS)
def test_without_classes_none_are_learned(context: Callable[..., FakeContext], tmp_path: Path, kind: str):
    _, models = trained(teach(kind, context(), conditional=False), tmp_path / "model")
    (tmp_path / "sampling").mkdir()
    sampled = run("sample_image", FakeContext(tmp_path / "sampling", models), model="mine", images=1)

    assert image_of(sampled.outputs[0]).mode == "L"


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_cancelled_within_a_step(context: Callable[..., FakeContext], kind: str):
    ctx = context(cancel_at=2)
    with pytest.raises(Cancelled):
        teach(kind, ctx)
    assert ctx.steps[-1][0] == 2
