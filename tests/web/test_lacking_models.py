"""A form whose kind needs a model that the library does not have: which sort, where to add one, nothing submitted."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from shared import keys, library, listing, owners
from shared.db import Database
from shared.owners import Owner
from tests.web.browsing import PHONE, assert_accessible, assert_fits
from tests.web.conftest import Visitor

SENTENCE = "This needs a model for “Describing pictures”, and the library has none yet."
GENERATE = re.compile(r'<button class="button primary full"([^>]*)>')


def test_a_kind_without_a_model_says_which_one_it_needs(mine: Visitor) -> None:
    page = mine.get("/?kind=describe_image").text
    assert SENTENCE in page
    assert "hub:HuggingFaceTB/SmolVLM-256M-Instruct" in page
    assert 'href="/models/-/add?task=image-to-text"' in page
    assert '<option value="image-to-text" selected' in mine.get("/models/-/add?task=image-to-text").text
    assert '<select class="input" id="f-model"' not in page
    button = GENERATE.search(page)
    assert button is not None
    assert "disabled" in button[1]
    assert 'class="chips"' not in page, "no starting point works"


def test_a_script_that_submits_anyway_hears_the_sentence(mine: Visitor, db: Database, owner: Owner) -> None:
    answer = mine.post("/", kind="describe_image")
    assert answer.status_code == 422
    assert answer.text.count(SENTENCE) == 1, "once, as the error of the field"
    assert listing.page(db, owner.id).items == []


def test_with_a_model_the_form_is_as_any_other(mine: Visitor, db: Database) -> None:
    library.add(db, None, name="sees", task="image-to-text", source="hub:demo/sees", revision="0" * 40)
    page = mine.get("/?kind=describe_image").text
    assert SENTENCE not in page
    assert '<option value="sees"' in page
    assert 'class="chips"' in page
    button = GENERATE.search(page)
    assert button is not None
    assert "disabled" not in button[1]


@pytest.mark.parametrize("path", ["/batches/new?kind=describe_image", "/schedules/new?kind=describe_image"])
def test_other_forms_say_it_as_well(mine: Visitor, path: str) -> None:
    assert SENTENCE in mine.get(path).text


def test_a_model_that_may_be_left_out_is_no_hindrance(mine: Visitor) -> None:
    page = mine.get("/?kind=generate_image").text
    assert page.count("The library has no model for this yet.") == 2, "no ControlNet and no reference adapter"
    button = GENERATE.search(page)
    assert button is not None
    assert "disabled" not in button[1]


def test_who_may_not_add_models_is_told_whom_to_ask(visitor: Visitor, db: Database) -> None:
    secret = keys.create(db, owners.ensure(db, "guest").id, "g", ("jobs:read", "jobs:write")).secret
    visitor.post("/login", key=secret)
    page = visitor.get("/?kind=describe_image").text
    assert "ask whoever runs this site" in page
    assert "/models/-/add" not in page


def test_on_a_phone(open_page: Callable[..., Page]) -> None:
    page = open_page("/?kind=describe_image", viewport=PHONE)
    expect(page.get_by_role("button", name="Generate")).to_be_disabled()
    assert_accessible(page, "a model that is not there")
    page.set_viewport_size({"width": 320, "height": 700})
    assert_fits(page, "a model that is not there")
    page.get_by_role("link", name="Add a model").click()
    expect(page.get_by_label("Task")).to_have_value("image-to-text")
