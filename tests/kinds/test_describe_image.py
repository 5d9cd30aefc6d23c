"""`describe_image`, run as a worker runs it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import transformers
from PIL import Image

from shared import kinds
from shared.errors import Cancelled, Invalid, JobError
from tests.engines.library import Library
from tests.kinds.context import FakeContext, run
from worker.engines.sampling import Sampling, SeededSampler, dice_of

Context = Callable[..., FakeContext]
PLAIN = {"max_new_tokens": 8, "repetition_penalty": 1.0}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)).save(path)
    return path


def _describe(ctx: FakeContext, picture: Path, **params: object) -> FakeContext:
    return run("describe_image", ctx, image=ctx.give(picture, "image/png"), **{**PLAIN, **params})


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize(
    ("model", "family", "question"),
    [
        ("tiny-blip", "BlipForConditionalGeneration", None),
        ("tiny-blip-answers", "BlipForQuestionAnswering", "what is in the house"),
        ("tiny-git", "GitForCausalLM", None),
        ("tiny-llava", "LlavaForConditionalGeneration", "what is it?"),
    ],
)
def test_alone_the_text_is_the_bare_librarys(
    context: Context, library: Library, picture: Path, model: str, family: str, question: str | None, seed: int | None
):
    # given the bare library: its own class and processor, greedy or with the sampler of this seed
    folder = library[model].folder
    bare = getattr(transformers, family).from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    asked = {} if question is None else {"text": f"<image>{question}: " if "llava" in model else question}
    inputs = processor(images=Image.open(picture).convert("RGB"), **asked, return_tensors="pt")
    inputs = {name: value for name, value in inputs.items() if name in {"input_ids", "pixel_values"}}
    sampling = Sampling(max_new_tokens=8, temperature=1.0, top_k=0, top_p=1.0, repetition_penalty=1.0)
    sampler = transformers.LogitsProcessorList([SeededSampler(sampling, dice_of([seed]))] if seed is not None else [])
    theirs = bare.generate(**inputs, max_new_tokens=8, do_sample=False, logits_processor=sampler)
    text = processor.tokenizer.decode(theirs[0, -8:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    # then the kind writes the same
    settings = {} if seed is None else {"temperature": 1.0, "top_k": 0, "top_p": 1, "seed": seed}
    given = {} if question is None else {"question": question}
    ctx = _describe(context(), picture, model=model, **given, **settings)
    assert ctx.outputs[0].text == text.rstrip("\ufffd").strip()
    assert ctx.outputs[0].meta["tokens"] == 8


def test_the_same_seed_gives_the_same_bytes(context: Context, picture: Path):
    params = {"model": "tiny-git", "temperature": 1.0}
    first, again, other = (_describe(context(), picture, **params, seed=seed).outputs[0].data for seed in (4, 4, 5))
    assert first == again != other


def test_without_a_model_the_job_says_how_to_add_one(context: Context, picture: Path):
    with pytest.raises(JobError, match="atelier models add NAME SOURCE --task image-to-text") as caught:
        _describe(context(), picture)
    assert (caught.value.code, caught.value.field) == ("model_missing", "model")


def test_a_question_to_a_model_that_takes_none_and_none_to_one_that_needs_it(context: Context, picture: Path):
    with pytest.raises(JobError, match="captions only"):
        _describe(context(), picture, model="tiny-git", question="why?")
    with pytest.raises(JobError, match="ask one"):
        _describe(context(), picture, model="tiny-blip-answers")


def test_cancel_comes_within_one_step(context: Context, picture: Path):
    ctx = context(cancel_at=3)
    with pytest.raises(Cancelled):
        _describe(ctx, picture, model="tiny-git", max_new_tokens=30)
    assert ctx.steps[-1][0] == 3
    assert ctx.saved == []


def test_what_is_no_picture_is_refused(context: Context, tmp_path: Path):
    path = tmp_path / "picture.png"
    path.write_text("no picture")
    with pytest.raises(JobError, match="cannot be read"):
        _describe(context(), path, model="tiny-git")
    with pytest.raises(Invalid, match="needed"):
        kinds.validate("describe_image", {"question": "what?"})


def test_a_model_that_does_something_else_is_refused(context: Context, picture: Path):
    with pytest.raises(JobError, match="is for text-generation, not for image-to-text"):
        _describe(context(), picture, model="tiny-gpt2")
