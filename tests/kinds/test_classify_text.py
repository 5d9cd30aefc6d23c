"""`classify_text`, run as a worker runs it."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from shared import kinds
from shared.errors import Cancelled, Invalid, JobError
from tests.engines.library import Library
from tests.kinds import judged
from tests.kinds.context import FakeContext, run

Context = Callable[..., FakeContext]
TEXTS = ["the cat", "a", "in the garden, the dog and the cat.", "the dog"]
JUDGES = ["tiny-judge", "tiny-distil", "tiny-roberta-judge", "tiny-adapter"]


def _records(ctx: FakeContext) -> list[dict]:
    return [json.loads(line) for line in ctx.outputs[0].text.splitlines()]


@pytest.mark.parametrize("model", JUDGES)
def test_each_text_gets_a_label_and_every_score(context: Context, model: str):
    # when texts are labelled
    ctx = run("classify_text", context(), model=model, texts=TEXTS)
    # then each has its best label, whose scores sum to one, and the labels are counted
    records = _records(ctx)
    assert [record["text"] for record in records] == TEXTS
    for record in records:
        assert sum(record["scores"].values()) == pytest.approx(1, abs=1e-5)
        assert record["score"] == max(record["scores"].values()) == record["scores"][record["label"]]
    assert ctx.metrics["rows"] == sum(ctx.metrics[f"rows_{label}"] for label in ("bad", "so so", "good")) == 4
    assert sum(ctx.outputs[0].meta["labels"].values()) == 4


@pytest.mark.parametrize("model", ["tiny-judge", "tiny-distil", "tiny-roberta-judge"])
def test_alone_the_scores_are_the_bare_librarys(context: Context, library: Library, model: str):
    folder = library[model].folder
    inputs = AutoTokenizer.from_pretrained(folder)(TEXTS[2], return_tensors="pt")
    with torch.inference_mode():
        bare = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        chances = bare(inputs["input_ids"], inputs["attention_mask"]).logits.softmax(-1)[0]
    (record,) = _records(run("classify_text", context(), model=model, texts=[TEXTS[2]]))
    assert list(record["scores"].values()) == [round(chance, 6) for chance in chances.tolist()]
    assert record["label"] == bare.config.id2label[int(chances.argmax())]


def test_batch_mates_change_no_label(context: Context):
    texts = [*TEXTS, *("the cat " * number for number in range(1, 30))]
    together = _records(run("classify_text", context(), model="tiny-judge", texts=texts))[:4]
    alone = [_records(run("classify_text", context(), model="tiny-judge", texts=[text]))[0] for text in TEXTS]
    for one, other in zip(together, alone, strict=True):
        assert one["label"] == other["label"]
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)


def test_a_table_keeps_its_columns_and_the_same_request_its_bytes(context: Context, tmp_path: Path):
    path = tmp_path / "comments.jsonl"
    path.write_text('{"id": 7, "body": "the cat"}\n{"id": 8, "body": "the dog"}\n')

    def label() -> FakeContext:
        ctx = context()
        return run("classify_text", ctx, model="tiny-judge", table=ctx.give(path, "text/plain"), column="body")

    ctx = label()
    assert [(record["line"], record["id"], record["text"]) for record in _records(ctx)] == [
        (1, 7, "the cat"), (2, 8, "the dog"),
    ]  # fmt: skip
    assert ctx.outputs[0].data == label().outputs[0].data


def test_csv_opens_in_a_spreadsheet_and_starts_no_formula(context: Context):
    ctx = run("classify_text", context(), model="tiny-judge", texts=["=1+1", "a, b"], form="csv")
    assert ctx.outputs[0].name == "labels.csv"
    assert ctx.outputs[0].data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(ctx.outputs[0].data.decode("utf-8-sig"))))
    assert [row["text"] for row in rows] == ["'=1+1", "a, b"]
    assert set(rows[0]) == {"line", "text", "label", "score", "scores.bad", "scores.so so", "scores.good"}


def test_cancel_comes_within_one_batch(context: Context):
    ctx = context(cancel_at=1)
    with pytest.raises(Cancelled):
        run("classify_text", ctx, model="tiny-judge", texts=["the cat " * 20] * 200)
    assert ctx.steps[-1][0] < 200
    assert ctx.saved == []


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "either texts or a table"),
        ({"texts": [" "]}, "blank"),
        ({"texts": ["a"] * 1001}, "1000"),
        ({"texts": ["a"], "form": "xlsx"}, "one of"),
    ],
)
def test_bad_inputs_are_answered_with_a_sentence(params: dict, sentence: str):
    with pytest.raises(Invalid, match=sentence):
        kinds.validate("classify_text", params)


def test_a_model_that_does_something_else_is_refused(context: Context):
    with pytest.raises(JobError, match="is for feature-extraction, not for text-classification"):
        run("classify_text", context(), model="tiny-bert", texts=["a"])


@pytest.mark.quality
def test_the_starter_agrees_with_people(context: Context):
    # given sentences of our own that the starter has never seen, with the label that a reader gave each
    rows = judged.sentiment()
    assert len(rows) >= 40
    # when they are labelled
    records = _records(run("classify_text", context(), texts=[text for _, text in rows]))
    # then most labels agree
    right = sum(record["label"] == label for record, (label, _) in zip(records, rows, strict=True))
    assert right / len(rows) >= 0.8
