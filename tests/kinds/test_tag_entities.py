"""`tag_entities`, run as a worker runs it."""

import csv
import io
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from shared import kinds
from shared.errors import Cancelled, Invalid, JobError
from tests.engines.library import Library
from tests.kinds import judged
from tests.kinds.context import FakeContext, run

Context = Callable[..., FakeContext]
TEXT = "anna bell lives in the red house, in rome."


def _records(ctx: FakeContext) -> list[dict]:
    return [json.loads(line) for line in ctx.outputs[0].text.splitlines()]


def test_alone_the_labels_are_the_bare_librarys(context: Context, library: Library):
    # given what the bare model says of each word's first token
    folder = library["tiny-tagger"].folder
    inputs = AutoTokenizer.from_pretrained(folder)(TEXT, return_tensors="pt")
    bare = AutoModelForTokenClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        said = bare(inputs["input_ids"], inputs["attention_mask"]).logits[0].argmax(-1)
    firsts = {inputs.word_to_tokens(word).start: inputs.word_to_chars(word) for word in set(inputs.word_ids()) - {None}}
    named = {
        range(chars.start, chars.end): bare.config.id2label[int(said[place])][2:]
        for place, chars in firsts.items()
        if int(said[place])
    }
    # then the spans of the kind cover just these words, with these labels
    (record,) = _records(run("tag_entities", context(), model="tiny-tagger", texts=[TEXT]))
    covered = {
        chars: span["label"]
        for span in record["entities"]
        for chars in named
        if span["start"] <= chars.start and chars.stop <= span["end"]
    }
    assert covered == named
    assert all(TEXT[span["start"] : span["end"]] == span["text"] for span in record["entities"])


def test_batch_mates_change_no_span(context: Context):
    texts = [TEXT, *("the red house " * number for number in range(1, 40))]
    together = _records(run("tag_entities", context(), model="tiny-tagger", texts=texts))[0]["entities"]
    alone = _records(run("tag_entities", context(), model="tiny-tagger", texts=[TEXT]))[0]["entities"]
    assert [(span["start"], span["end"], span["label"]) for span in together] == [
        (span["start"], span["end"], span["label"]) for span in alone
    ]


def test_a_table_keeps_its_columns_and_the_same_request_its_bytes(context: Context, tmp_path: Path):
    path = tmp_path / "letters.csv"
    path.write_text(f'id,text\n7,"{TEXT}"\n')

    def tag(**further: str) -> FakeContext:
        ctx = context()
        return run("tag_entities", ctx, model="tiny-tagger", table=ctx.give(path, "text/csv"), **further)

    ctx = tag()
    (record,) = _records(ctx)
    assert (record["line"], record["id"], record["text"]) == (2, "7", TEXT)
    assert ctx.outputs[0].data == tag().outputs[0].data
    assert ctx.metrics["entities"] == len(record["entities"]) == sum(ctx.outputs[0].meta["labels"].values())
    # and as CSV, each name has a line of its own
    rows = list(csv.DictReader(io.StringIO(tag(form="csv").outputs[0].data.decode("utf-8-sig"))))
    assert [(row["id"], row["text"], row["label"]) for row in rows] == [
        ("7", span["text"], span["label"]) for span in record["entities"]
    ]


def test_what_the_model_is_not_sure_of_can_be_left_out(context: Context):
    ctx = run("tag_entities", context(), model="tiny-tagger", texts=[TEXT], least_score=1.0)
    assert _records(ctx)[0]["entities"] == []


def test_a_long_text_is_tagged_to_its_end(context: Context):
    text = " ".join(["ab"] * 300)
    ctx = run("tag_entities", context(), model="tiny-tagger", texts=[text])
    spans = _records(ctx)[0]["entities"]
    assert all(text[span["start"] : span["end"]] == span["text"] for span in spans)
    assert all(one["end"] <= other["start"] for one, other in pairwise(spans))


def test_cancel_comes_within_one_batch(context: Context):
    ctx = context(cancel_at=1)
    with pytest.raises(Cancelled):
        run("tag_entities", ctx, model="tiny-tagger", texts=[TEXT] * 300)
    assert ctx.steps[-1][0] < 300
    assert ctx.saved == []


def test_bad_inputs_are_answered_with_a_sentence(context: Context):
    for params, sentence in (
        ({}, "either texts or a table"),
        ({"texts": ["a"], "least_score": 2}, "1 or less"),
        ({"texts": ["a"], "form": "xml"}, "one of"),
    ):
        with pytest.raises(Invalid, match=sentence):
            kinds.validate("tag_entities", params)
    with pytest.raises(JobError, match="not for token-classification"):
        run("tag_entities", context(), model="tiny-judge", texts=["a"])


@pytest.mark.quality
def test_the_starter_finds_what_a_reader_finds(context: Context):
    # given sentences of our own with the names that a reader marked, none of them made from the training's forms
    rows = judged.entities()
    assert len(rows) >= 100
    # when they are tagged
    records = _records(run("tag_entities", context(), texts=[text for text, _ in rows]))
    found = [{(judged.bare(span["text"]), span["label"]) for span in record["entities"]} for record in records]
    # then whole names with their sorts agree well enough
    right = sum(len(said & truth) for said, (_, truth) in zip(found, rows, strict=True))
    precision = right / sum(map(len, found))
    recall = right / sum(len(truth) for _, truth in rows)
    assert 2 * precision * recall / (precision + recall) >= 0.8
