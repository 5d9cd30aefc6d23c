"""Thumbs and edits become datasets of three forms, which the kinds that train take as any other."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from PIL import Image

from shared.errors import JobError
from shared.feedback import Feedback, Judged, Thumb
from tests.kinds.context import FakeContext, Saved, run

Context = Callable[..., FakeContext]


def said(ctx: FakeContext, text: str, prompt: Any, thumb: Thumb | None = None, edit: str | None = None) -> None:
    """A text that was written for a prompt, and what was said of it."""
    path = ctx.workdir / f"text-{len(ctx.judged)}.txt"
    path.write_text(text)
    params = {"messages": prompt} if isinstance(prompt, list) else {"prompt": prompt}
    _judge(ctx, path, "text/plain", params, thumb, edit)


def drawn(ctx: FakeContext, colour: str, prompt: str, thumb: Thumb | None = None, edit: str | None = None) -> None:
    """A picture that was made, and what was said of it."""
    path = ctx.workdir / f"picture-{len(ctx.judged)}.png"
    Image.new("RGB", (8, 8), colour).save(path)
    _judge(ctx, path, "image/png", {"prompt": prompt}, thumb, edit)


def _judge(
    ctx: FakeContext, path: Path, media: str, params: dict[str, Any], thumb: Thumb | None, edit: str | None
) -> None:
    ref = ctx.give(path, media)
    ctx.judged.append(Judged(Feedback(ref, thumb, edit, datetime.now(UTC)), media, path.name, "generate", params))


def dataset(ctx: FakeContext) -> tuple[Saved, list[dict[str, Any]]]:
    """The dataset that was made, and all its rows."""
    (made,) = [each for each in ctx.saved if each.role == "dataset"]
    with ZipFile(BytesIO(made.data)) as opened:
        lines = b"".join(opened.read(f"{split}.jsonl") for split in made.meta["splits"]).splitlines()
    return made, [json.loads(line) for line in lines]


def test_an_edit_is_better_than_what_it_mends_and_a_thumb_up_than_one_down(context: Context):
    ctx = context()
    said(ctx, "Helo!", "Greet me.", edit="Hello!")
    said(ctx, "The sea is blue.", "The sea", thumb="up")
    said(ctx, "The sea is a fish.", "The sea", thumb="down")
    said(ctx, "Nothing compares to me.", "Alone", thumb="up")
    run("collect_feedback", ctx, name="taste", form="preference", validation=0.0)

    made, rows = dataset(ctx)
    pairs = {(row["prompt"], row["chosen"], row["rejected"]) for row in rows}
    assert pairs == {("Greet me.", "Hello!", "Helo!"), ("The sea", "The sea is blue.", "The sea is a fish.")}
    assert (made.meta["name"], made.meta["format"], made.meta["splits"]["train"]) == ("taste", "preference", 2)


def test_good_answers_come_with_their_prompts(context: Context):
    ctx = context()
    turns = [{"role": "user", "content": "Who are you?"}]
    said(ctx, "An owl.", turns, thumb="up")
    said(ctx, "Helo!", "Greet me.", thumb="down", edit="Hello!")
    said(ctx, "Rubbish.", "Say something.", thumb="down")
    run("collect_feedback", ctx, name="answers", form="prompt", validation=0.0)

    rows = {(row["prompt"], row["completion"]) for row in dataset(ctx)[1]}
    assert rows == {("Who are you?", "An owl."), ("Greet me.", "Hello!")}


def test_a_picture_is_called_what_somebody_said_it_shows(context: Context):
    ctx = context()
    drawn(ctx, "red", "a red square", thumb="up")
    drawn(ctx, "green", "a red square", edit="a green square")
    drawn(ctx, "blue", "a red square", thumb="down")
    run("collect_feedback", ctx, name="pictures", form="captioned", validation=0.0)

    made, rows = dataset(ctx)
    assert sorted(row["caption"] for row in rows) == ["a green square", "a red square"]
    with ZipFile(BytesIO(made.data)) as opened:
        for row in rows:
            assert Image.open(BytesIO(opened.read(row["file"]))).size == (8, 8)


@pytest.mark.parametrize("form", ["preference", "prompt", "captioned"])
def test_where_nothing_was_said_that_helps_it_says_what_would(context: Context, form: str):
    ctx = context()
    said(ctx, "Fine.", "A prompt", thumb="down")
    with pytest.raises(JobError, match="none makes a row"):
        run("collect_feedback", ctx, name="empty", form=form)
