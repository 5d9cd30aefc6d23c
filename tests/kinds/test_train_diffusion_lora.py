"""`train_diffusion_lora` end to end: captioned pictures in, an adapter out, put on its base and taken off again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import kinds
from shared.errors import Cancelled, Invalid, JobError
from tests.engines.library import Library, source
from tests.engines.picture_sets import as_rows, drawn
from tests.kinds.context import FakeContext, run
from tests.kinds.pictures import pixels_of
from tests.kinds.training import report, trained

Context = Callable[..., FakeContext]
NEEDED = ["tiny-sd", "tiny-gan", "tiny-pixart"]
FEW: dict[str, Any] = {
    "name": "mine", "model": "tiny-sd", "dataset": "data-1@1", "steps": 3, "batch_size": 2, "rank": 4,
    "learning_rate": 0.01, "size": 16, "compared": 2, "evaluations": 1, "sample_prompts": ["a square"], "seed": 3,
}  # fmt: skip


@pytest.fixture
def context(library: Library, tmp_path: Path) -> Context:
    """A context with a dataset of captioned squares and bars, and one of classes."""

    def make(**settings: Any) -> FakeContext:
        folder = tmp_path / f"job-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        ctx = FakeContext(folder, {name: replace(library[name], defaults={"steps": 2}) for name in NEEDED}, **settings)
        rows, files = as_rows(drawn(10, 16), "a {} on black")
        ctx.give_dataset("captioned", rows[:8], rows[8:], files=files)
        rows, files = as_rows(drawn(4, 16))
        ctx.give_dataset("classed", rows, files=files)
        return ctx

    return make


def paint(folder: Path, models: Any, **settings: Any) -> np.ndarray:
    """A picture by the base."""
    folder.mkdir(exist_ok=True)
    few = {"model": "tiny-sd", "prompt": "a square", "width": 16, "height": 16, "steps": 2, "upscale": 1, "seed": 5}
    return pixels_of(run("generate_image", FakeContext(folder, models), **few | settings).outputs[0])


def test_what_was_learned_is_put_on_and_taken_off(context: Context, library: Library, tmp_path: Path):
    ctx = run("train_diffusion_lora", context(), **FEW)
    meta, made = trained(ctx, tmp_path / "model")
    adapter = source("mine", tmp_path / "model", task="image-adapter")
    models = {"tiny-sd": library["tiny-sd"], "mine": adapter}

    assert (meta["task"], meta["base"], meta["name"]) == ("image-adapter", "tiny-sd", "mine")
    assert adapter.base == "tiny-sd"
    assert made.keys() == {"mine"}
    told = report(ctx)
    assert told["before"].keys() == told["after"].keys() >= {"validation_loss", "picture_distance"}
    assert [saved.name for saved in ctx.outputs if saved.media_type == "image/png"] == ["before.png", "after.png"]
    plain = paint(tmp_path / "a", models)
    styled = paint(tmp_path / "b", models, adapters=[{"model": "mine", "weight": 1.0}])
    again = paint(tmp_path / "c", models)
    assert np.array_equal(plain, again)
    assert not np.array_equal(plain, styled)


def test_a_class_is_kept_and_made_once(context: Context):
    ctx = context()
    settings = FEW | {"dataset": "data-2@1", "prompt": "sks {}", "class_prompt": "a bar", "class_images": 2}
    run("train_diffusion_lora", ctx, **settings)
    kept = ctx.checkpoints["class.safetensors"]
    made = [step for step in ctx.steps if step[2].startswith("Picture ")]
    assert [step[2] for step in made] == ["Picture 1 of 2 of the class", "Picture 2 of 2 of the class"]

    again = context()
    again.checkpoints["class.safetensors"] = kept
    run("train_diffusion_lora", again, **settings)
    assert not any(step[2].startswith("Picture ") for step in again.steps)
    files = [next(saved.data for saved in each.saved if saved.role == "model") for each in (ctx, again)]
    assert files[0] == files[1]


def test_a_new_word_is_used_in_prompts(context: Context, library: Library, tmp_path: Path):
    settings = FEW | {"method": "textual_inversion", "word": "<mine>", "begins_as": "square", "compared": 0}
    ctx = run("train_diffusion_lora", context(), **settings | {"sample_prompts": ["a <mine>"]})
    trained(ctx, tmp_path / "model")
    models = {"tiny-sd": library["tiny-sd"], "mine": source("mine", tmp_path / "model", task="image-adapter")}

    chosen = {"prompt": "a <mine> square", "adapters": [{"model": "mine", "weight": 1.0}]}
    plain, spoken = paint(tmp_path / "a", models), paint(tmp_path / "b", models, **chosen)
    assert not np.array_equal(plain, spoken)
    assert np.array_equal(paint(tmp_path / "c", models, **chosen), spoken)
    assert np.array_equal(paint(tmp_path / "d", models), plain)


@pytest.mark.parametrize("wrong", [{"class_prompt": "a toy"}, {"prompt": "a toy"}])
def test_a_new_word_must_be_in_the_prompt_and_keeps_no_class(wrong: dict):
    with pytest.raises(Invalid, match=r"new word"):
        kinds.validate("train_diffusion_lora", FEW | {"method": "textual_inversion"} | wrong)


def test_it_is_cancelled_within_a_step(context: Context):
    ctx = context(cancel_at=1)
    with pytest.raises(Cancelled):
        run("train_diffusion_lora", ctx, **FEW)
    assert ctx.steps[-1][0] == 1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model": "tiny-pixart"}, "no model that can be trained|takes no adapters"),
        ({"model": "tiny-gan"}, "not for text-to-image"),
    ],
)
def test_what_cannot_be_taught_is_told(context: Context, settings: dict, sentence: str):
    with pytest.raises(JobError, match=sentence):
        run("train_diffusion_lora", context(), **FEW | settings)
