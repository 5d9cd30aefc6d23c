"""Kinds that teach a model to read: from rows to a model that the library loads, with a report of before and after."""

import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from PIL import Image

from shared.errors import JobError
from tests.kinds.context import FakeContext, Saved, run
from tests.kinds.training import trained

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


@pytest.mark.parametrize(
    ("kind", "format_", "rows"),
    [("train_classifier", "labelled", LABELLED * 4), ("train_token_classifier", "entities", TAGGED * 4)],
)
def test_the_version_that_stands_is_judged_on_the_same_rows_and_so_is_what_must_not_be_forgotten(
    context: Context, tmp_path: Path, kind: str, format_: str, rows: list[dict[str, Any]]
):
    # given a model that was trained before, under a name of its own, for the tests share what is resident
    first, mine = context(), f"mine-{format_}"
    run(kind, first, name=mine, dataset=first.give_dataset(format_, rows, rows[:4]), **QUICK)
    meta, shelf = trained(first, tmp_path / "first")

    # when it is trained again, on other rows, with a regression set
    second = FakeContext(context().workdir, {**first.models, mine: replace(shelf[mine], version=1)})
    other = second.give_dataset(format_, rows * 2, rows[:4])
    kept = second.give_dataset(format_, rows[:2])
    run(kind, second, name=mine, dataset=other, regression=kept, **QUICK)

    # then the report has how the old one judges, and what the new one knows of the regression set
    found = one(second, "model").meta
    assert found["rival"]["number"] == 1
    assert found["rival"]["figures"][found["judged_by"]] == pytest.approx(meta["after"][meta["judged_by"]], abs=1e-4)
    assert found["regression"] == kept
    assert {found["watched"]} <= found["after"].keys() & found["before"].keys() & found["rival"]["figures"].keys()


def test_a_regression_set_has_no_other_labels(context: Context):
    ctx = context()
    data, other = (
        ctx.give_dataset("labelled", LABELLED * 4),
        ctx.give_dataset("labelled", [{"text": "a", "label": "b"}]),
    )
    with pytest.raises(JobError, match="has a label that the dataset does not have: b"):
        run("train_classifier", ctx, name="mine", dataset=data, regression=other, **QUICK)


def test_what_cannot_be_taught_is_said(context: Context):
    ctx = context()
    data = ctx.give_dataset("labelled", LABELLED[:1] * 4)
    with pytest.raises(JobError, match="same label"):
        run("train_classifier", ctx, name="mine", dataset=data, **QUICK)
