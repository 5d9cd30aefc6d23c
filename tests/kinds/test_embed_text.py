"""`embed_text`, run as a worker runs it."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from shared import kinds
from shared.errors import Cancelled, Invalid, JobError
from tests.engines.library import Library
from tests.kinds.context import FakeContext, run

Context = Callable[..., FakeContext]
TEXTS = ["the cat", "a", "in the garden, the dog and the cat.", "the dog"]


def _vectors(ctx: FakeContext) -> np.ndarray:
    return np.load(io.BytesIO(ctx.outputs[0].data))


@pytest.mark.parametrize("model", ["tiny-bert", "tiny-roberta"])
def test_texts_become_a_matrix_and_rows(context: Context, model: str):
    # when texts are embedded
    ctx = run("embed_text", context(), model=model, texts=TEXTS)
    # then a matrix has a vector of length 1 for each, in order, and a file says the same for people
    matrix, listing = ctx.outputs
    vectors = _vectors(ctx)
    assert (matrix.name, vectors.shape, vectors.dtype) == ("vectors.npy", (4, 32), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    rows = [json.loads(line) for line in listing.text.splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    assert np.allclose([row["vector"] for row in rows], vectors, atol=1e-6)
    assert ctx.metrics["rows"] == 4
    assert ctx.metrics["dimensions"] == 32


def test_alone_a_vector_is_what_the_bare_library_makes(context: Context, library: Library):
    # given the library's own mean over the tokens, for one text
    folder = library["tiny-bert"].folder
    inputs = AutoTokenizer.from_pretrained(folder)(TEXTS[2], return_tensors="pt")
    with torch.inference_mode():
        hidden = AutoModel.from_pretrained(folder).eval()(**inputs).last_hidden_state.mean(1)
    # then the kind gives the same
    ctx = run("embed_text", context(), model="tiny-bert", texts=[TEXTS[2]], normalise=False)
    assert np.abs(_vectors(ctx) - hidden.numpy()).max() <= 1e-6


def test_batch_mates_and_order_change_nothing_that_matters(context: Context):
    texts = [*TEXTS, *(f"{'the cat ' * number}" for number in range(1, 30))]
    together = _vectors(run("embed_text", context(), model="tiny-bert", texts=texts))
    backwards = _vectors(run("embed_text", context(), model="tiny-bert", texts=texts[::-1]))[::-1]
    alone = np.concatenate([_vectors(run("embed_text", context(), model="tiny-bert", texts=[text])) for text in TEXTS])
    assert np.abs(together - backwards).max() <= 1e-5
    assert np.abs(together[:4] - alone).max() <= 1e-5


def test_the_same_request_gives_the_same_bytes(context: Context):
    first, again = (run("embed_text", context(), model="tiny-bert", texts=TEXTS) for _ in range(2))
    assert [saved.data for saved in first.outputs] == [saved.data for saved in again.outputs]


def test_a_table_is_embedded_row_by_row(context: Context, tmp_path: Path):
    # given an uploaded table with a column of its own name
    path = tmp_path / "comments.csv"
    path.write_text("id,comment\n7,the cat\n8,the dog\n")
    ctx = context()
    table = ctx.give(path, "text/csv")
    # when it is embedded, then each row is there with what else stood on its line
    run("embed_text", ctx, model="tiny-bert", table=table, column="comment")
    rows = [json.loads(line) for line in ctx.outputs[1].text.splitlines()]
    assert [(row["line"], row["id"], row["text"]) for row in rows] == [(2, "7", "the cat"), (3, "8", "the dog")]
    direct = _vectors(run("embed_text", context(), model="tiny-bert", texts=["the cat", "the dog"]))
    assert np.array_equal(_vectors(ctx), direct)


def test_a_text_beyond_the_window_is_cut_and_counted(context: Context):
    ctx = run("embed_text", context(), model="tiny-bert", texts=["x " * 200, "y"])
    assert ctx.metrics["cut"] == 1


def test_cancel_comes_within_one_batch(context: Context):
    ctx = context(cancel_at=1)
    with pytest.raises(Cancelled):
        run("embed_text", ctx, model="tiny-bert", texts=["the cat " * 20] * 200)
    assert ctx.steps[-1][0] < 200
    assert ctx.saved == []


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "either texts or a table"),
        ({"texts": ["a"], "table": f"art_{0:026d}"}, "either texts or a table"),
        ({"texts": [" "]}, "blank"),
        ({"texts": []}, "at least 1"),
        ({"table": "../x"}, "not allowed"),
        ({"texts": ["a"], "column": ""}, "at least 1"),
    ],
)
def test_bad_inputs_are_answered_with_a_sentence(params: dict, sentence: str):
    with pytest.raises(Invalid, match=sentence):
        kinds.validate("embed_text", params)


def test_a_wrong_table_and_a_wrong_model_end_the_job_with_a_sentence(context: Context, tmp_path: Path):
    ctx = context()
    (tmp_path / "a.csv").write_text("id\n1\n")
    with pytest.raises(JobError, match="no column “text”"):
        run("embed_text", ctx, model="tiny-bert", table=ctx.give(tmp_path / "a.csv", "text/csv"))
    with pytest.raises(JobError, match="is for text-generation"):
        run("embed_text", context(), model="tiny-gpt2", texts=["a"])


@pytest.mark.quality
def test_the_starter_knows_what_is_alike(context: Context):
    # given pairs that mean nearly the same, one of each among unrelated sentences
    pairs = [
        ("A cat sleeps on the sofa.", "A kitten naps on the couch."),
        ("Shares fell sharply on Monday.", "The stock market dropped at the start of the week."),
        ("How do I reset my password?", "I forgot my login and cannot sign in."),
        ("The recipe needs two eggs.", "You will want a pair of eggs for this dish."),
        ("Rain is expected tomorrow.", "The forecast says it will be wet the next day."),
    ]
    vectors = _vectors(run("embed_text", context(), texts=[text for pair in pairs for text in pair]))
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -1)
    # then each is nearest to its partner
    assert [int(row.argmax()) for row in likeness] == [1, 0, 3, 2, 5, 4, 7, 6, 9, 8]
