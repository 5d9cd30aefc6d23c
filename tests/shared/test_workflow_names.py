"""Steps that name what an earlier step of their workflow makes: a dataset or a model that is not there yet."""

from typing import Any

import pytest

from shared import library, listing, workflow_listing, workflows
from shared.db import Database
from shared.errors import Invalid
from shared.kinds.params import SOME_FILE
from shared.owners import Owner
from shared.steps import Asked

CHECK = {"name": "check", "kind": "check_dataset", "params": {"name": "reviews", "source": SOME_FILE}}
TRAIN = {"name": "train", "kind": "train_classifier", "params": {"name": "moods", "dataset": "reviews", "steps": 3}}
SORT = {"name": "sort", "kind": "classify_text", "params": {"texts": ["good soup"], "model": "moods"}}


@pytest.fixture(autouse=True)
def base(db: Database) -> None:
    library.add(db, None, name="minilm", task="feature-extraction", source="hub:demo/minilm", revision="0" * 40)


def asked(*steps: dict[str, Any]) -> Asked:
    return Asked.model_validate({"steps": list(steps)})


def refused(db: Database, owner: Owner, *steps: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        workflows.submit(db, owner, asked(*steps))
    return {each["field"]: each["message"] for each in caught.value.errors}


def but(step: dict[str, Any], **params: Any) -> dict[str, Any]:
    return step | {"params": step["params"] | params}


def test_what_an_earlier_step_makes_counts_as_there_and_is_waited_for(db: Database, owner: Owner):
    # when a training names a dataset, and a use its model, that steps before them make
    flow = workflows.submit(db, owner, asked(CHECK, TRAIN, SORT)).workflow
    # then each waits for the one before, without having been told so
    assert {step.name: step.needs for step in flow.steps} == {"check": (), "train": ("check",), "sort": ("train",)}
    standing = workflow_listing.standing(db, flow)
    assert [standing.jobs[step.name].waits for step in flow.steps] == [False, True, True]
    # and the dataset is pinned when the training begins, not before
    assert listing.get(db, owner.id, standing.jobs["train"].id).params["dataset"] == "reviews"


@pytest.mark.parametrize(
    ("steps", "field", "told"),
    [
        ((TRAIN,), "steps.0.params.dataset", "You have no dataset “reviews”"),
        ((TRAIN, CHECK), "steps.0.params.dataset", "You have no dataset “reviews”"),
        ((CHECK, but(TRAIN, dataset="others")), "steps.1.params.dataset", "You have no dataset “others”"),
        ((CHECK, SORT), "steps.1.params.model", "moods"),
        ((but(CHECK, format="chat"), TRAIN), "steps.1.params.dataset", "makes the format chat; this takes labelled"),
        ((CHECK, but(TRAIN, dataset={"from": "check"})), "steps.1.params.dataset", "gives: “reviews”"),
    ],
    ids=["nobody makes it", "a later step makes it", "another name", "no such model", "another format", "a reference"],
)
def test_a_name_that_no_earlier_step_makes_is_refused(
    db: Database, owner: Owner, steps: tuple[dict[str, Any], ...], field: str, told: str
):
    assert told in refused(db, owner, *steps)[field]
