"""A field that names a dataset, as the form of a kind shows it: a choice of the reader's own, or where to make one."""

from collections.abc import Iterator
from typing import Annotated

import pytest

from shared import kinds
from shared.kinds.params import DatasetRef, Params
from shared.owners import Owner
from tests.web.conftest import Visitor
from tests.web.dataset_making import Make, make, rows

__all__ = ["make"]


class Learn(Params):
    """Names a dataset."""

    title = "Learn"
    summary = "Learns."
    icon = "box"
    output = "data"
    examples = [{"dataset": "data"}]  # noqa: RUF012 - as every kind declares them

    dataset: Annotated[str, DatasetRef("labelled", "chat")]


@pytest.fixture(autouse=True)
def learn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    known, found = kinds.names, kinds.params_class
    monkeypatch.setattr(kinds, "names", lambda: [*known(), "learn"])
    monkeypatch.setattr(kinds, "params_class", lambda kind: Learn if kind == "learn" else found(kind))
    kinds._schema.cache_clear()
    yield
    kinds._schema.cache_clear()


def test_without_a_dataset_the_form_says_where_to_make_one(mine: Visitor) -> None:
    page = mine.get("/?kind=learn").text
    assert "You have no dataset for this yet." in page
    assert 'href="/datasets"' in page
    assert "Make a dataset first." in page
    answer = mine.post("/", kind="learn", token="t")
    assert answer.status_code == 422
    assert "Make a dataset first, on the page Datasets." in answer.text


def test_the_readers_own_datasets_that_fit_are_offered(
    mine: Visitor, theirs: Visitor, make: Make, owner: Owner, secret: str
) -> None:
    make(owner, secret, "reviews", rows(30))
    make(owner, secret, "texts", rows(10), format="text")
    page = mine.get("/?kind=learn").text
    assert '<option value="reviews"' in page
    assert "reviews (30 rows)" in page
    assert '<option value="texts"' not in page
    assert "reviews" not in theirs.get("/?kind=learn").text
    sent = mine.post("/", kind="learn", token="t", dataset="reviews")
    assert sent.status_code == 303
    assert "reviews@1" in mine.get(sent.location).text
    wrong = mine.post("/", kind="learn", token="u", dataset="texts")
    assert wrong.status_code == 422
    assert "is a dataset of the format text" in wrong.text
    # and its version, which a job that is made again names, stays chosen
    assert '<option value="reviews@1" selected' in mine.get("/?kind=learn&dataset=reviews@1").text
