"""Kinds that teach a model to read: from rows to a model that the library loads, with a report of before and after."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from PIL import Image

from shared.errors import JobError
from tests.kinds.context import FakeContext, Saved, run

Context = Callable[..., FakeContext]

LABELLED = [
    {"text": text, "label": label} for text, label in [("the cat is good", "kind"), ("the dog is bad", "harsh")]
]
TAGGED = [
    {"tokens": ["Maria", "saw", "the", "cat"], "tags": ["B-PER", "O", "O", "O"]},
    {"tokens": ["the", "dog", "saw", "Maria", "Gonzalez"], "tags": ["O", "O", "O", "B-PER", "I-PER"]},
]
QUICK: dict[str, Any] = {"base": "tiny-bert", "epochs": 12.0, "batch_size": 4, "learning_rate": 0.01, "evaluations": 3}


def one(ctx: FakeContext, role: str, name: str = "") -> Saved:
    """The one file of a role, and of a name."""
    (found,) = [each for each in ctx.saved if each.role == role and each.name.endswith(name)]
    return found


def names(archive: Saved) -> set[str]:
    with ZipFile(BytesIO(archive.data)) as opened:
        return set(opened.namelist())


@pytest.mark.parametrize(
    ("kind", "format_", "rows", "judged"),
    [
        ("train_classifier", "labelled", LABELLED * 8, "macro_f1"),
        ("train_token_classifier", "entities", TAGGED * 8, "f1"),
    ],
)
def test_rows_become_a_model_with_a_report(
    context: Context, kind: str, format_: str, rows: list[dict[str, Any]], judged: str
):
    # given a dataset, when a small base is trained on it
    ctx = context()
    data = ctx.give_dataset(format_, rows, rows[:4])
    run(kind, ctx, name="mine", dataset=data, **QUICK)

    # then its figures are better than before, and stand in the report and beside the model
    report, model = json.loads(one(ctx, "output", ".json").text), one(ctx, "model")
    assert report["after"][judged] > report["before"][judged]
    assert (report["ending"], report["judged_by"], report["judged_on"]) == ("finished", judged, "validation")
    assert model.meta["after"] == report["after"]
    assert (model.meta["name"], model.meta["dataset"], model.meta["base"]) == ("mine", data, "tiny-bert")
    assert {"adapter_model.safetensors", "adapter_config.json", "config.json", "atelier.json"} <= names(model)
    assert one(ctx, "log").name.startswith("events.out.tfevents")
    assert ctx.steps[-1][0] == report["steps"]


def test_the_confusion_matrix_is_a_picture(context: Context):
    ctx = context()
    data = ctx.give_dataset("labelled", LABELLED * 4, LABELLED)
    run("train_classifier", ctx, name="mine", dataset=data, **QUICK)

    assert Image.open(BytesIO(one(ctx, "output", ".png").data)).width > 200


def test_the_same_seed_makes_the_same_model(context: Context):
    archives = []
    for seed in (3, 3, 4):
        ctx = context(seed=seed)
        data = ctx.give_dataset("labelled", LABELLED * 4, LABELLED)
        run("train_classifier", ctx, name="mine", dataset=data, **QUICK)
        archives.append(one(ctx, "model").data)

    assert archives[0] == archives[1] != archives[2]


def test_without_held_out_rows_it_is_judged_on_what_it_learned_and_says_so(context: Context):
    ctx = context()
    data = ctx.give_dataset("labelled", LABELLED * 4)
    run("train_classifier", ctx, name="mine", dataset=data, method="top_layers", **QUICK)

    assert json.loads(one(ctx, "output", ".json").text)["judged_on"] == "train"
    assert one(ctx, "model").meta["base"] is None
    assert "model.safetensors" in names(one(ctx, "model"))


def test_what_cannot_be_taught_is_said(context: Context):
    ctx = context()
    data = ctx.give_dataset("labelled", LABELLED[:1] * 4)
    with pytest.raises(JobError, match="same label"):
        run("train_classifier", ctx, name="mine", dataset=data, **QUICK)
