"""From a file to a model in use, in a real browser with a real worker: every step by what the pages offer."""

import json
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from werkzeug.serving import make_server

from shared import keys, library, uploads, workflow_listing, workflows
from shared.intake.caps import Caps
from shared.job import JobState
from shared.keys import SCOPES
from shared.steps import Asked
from shared.storage import Storage
from shared.uploads import Arrived
from tests.engines.tiny import MODELS, build
from tests.faults.fleet import Fleet
from tests.kinds.samples import pictures, rows
from tests.web.browsing import PHONE, WIDE, Watched, assert_accessible, assert_fits
from web.app import create_app

_PATIENCE_MS = 120_000
_MODELS = ("tiny-llama", "tiny-bert")

pytestmark = pytest.mark.timeout(400)
"""Seconds: each test waits for several jobs in turn."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """An installation with one worker, whose library has two tiny models."""
    folder = tmp_path_factory.mktemp("fleet")
    fleet = Fleet(folder)
    try:
        for name in _MODELS:
            build(name, folder / name)
            library.add(fleet.db, None, name=name, task=MODELS[name][0], source=f"folder:{folder / name}", title=name)
        fleet.start_worker()
        yield fleet
    finally:
        fleet.close()


@pytest.fixture(scope="module")
def site_url(fleet: Fleet) -> Iterator[str]:
    """Its pages, served by threads of this process."""
    app = create_app(fleet.settings)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join(10)
    app.extensions["atelier"].db.dispose()


@pytest.fixture
def page(browser: Browser, fleet: Fleet, site_url: str) -> Iterator[Page]:
    """The owner's browser, on the list of datasets."""
    secret = keys.create(fleet.db, fleet.owner.id, "browser", SCOPES).secret
    context = browser.new_context(base_url=site_url, viewport=WIDE)
    watched = Watched(context, site_url)
    watched.page.goto(f"/login?key={secret}&next=/datasets")
    yield watched.page
    context.close()
    assert watched.errors == []


def _lines(format_: str, folder: Path) -> Path:
    path = folder / f"{format_}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(format_)))
    return path


def _folders(folder: Path) -> Path:
    """Pictures in a folder for each class."""
    path, described = folder / "classed.zip", rows("classed")
    drawn = pictures(len(described))
    with zipfile.ZipFile(path, "w") as packed:
        for row in described:
            packed.writestr(f"{row['label']}/{Path(row['file']).name}", drawn[row["file"]])
    return path


def _set(page: Page, **fields: str) -> None:
    """Fill in fields of the form on Create, also those that are folded away."""
    more = page.locator("#create-form .more").first
    if more.count() and more.get_attribute("open") is None:
        more.locator("summary").click()
    for name, value in fields.items():
        control = page.locator(f"#f-{name}")
        if control.evaluate("each => each.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)


def _press(page: Page, words: str) -> None:
    page.locator("#create-form").get_by_role("button", name=re.compile(f"^{words}")).click()


def _done(page: Page) -> None:
    """The page of a job, kept open, comes to say that it is done."""
    expect(page.locator("#panel")).to_have_attribute("data-state", "succeeded", timeout=_PATIENCE_MS)


def _go_on(page: Page, words: str, kind: str) -> None:
    """Follow a button to the form of a kind; where several are offered, by its list."""
    menu = page.locator("details.menu", has_text=words)
    if menu.count():
        menu.locator("summary").click()
        menu.get_by_role("link", name=kind, exact=True).click()
    else:
        page.get_by_role("link", name=words).click()
    expect(page.locator("#create-form")).to_be_visible()


def _checked(page: Page, file: Path, name: str) -> None:
    """Send a file on the page of datasets, and open what its check makes of it."""
    page.get_by_role("link", name="New dataset").first.click()
    page.get_by_label("Name", exact=True).fill(name)
    page.locator("[data-file=source] input[type=file]").set_input_files(file)
    expect(page.locator("[data-file=source] .held")).to_be_visible()
    _press(page, "Check")
    _done(page)
    page.get_by_role("link", name="Open the dataset").click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def _trained(page: Page, name: str, **settings: str) -> None:
    """Train on the form that is open; its curves and its report come by themselves."""
    expect(page.locator("#estimate")).to_contain_text("step")
    _set(page, name=name, evaluations="2", **settings)
    page.locator("#f-name").focus()
    expect(page.locator("#estimate")).to_contain_text(f"{settings['steps']} steps")
    _press(page, "Train")
    _done(page)
    expect(page.locator("#curves .rows tbody tr").first).to_be_visible()
    expect(page.get_by_role("heading", name="Before and after")).to_be_visible()
    expect(_file(page, "report.json")).to_be_visible()
    expect(_file(page, f"{name}.zip")).to_be_visible()
    # What tells of a training is no work: nobody is asked to judge it or to go on with it.
    assert page.locator(".judge").count() == 0
    assert page.get_by_text("Use as input").count() == 0


def _file(page: Page, name: str) -> Locator:
    return page.get_by_role("link", name=f"Download {name}")


def test_conversations_become_an_adapter_of_a_language_model_that_writes(page: Page, tmp_path: Path) -> None:
    _checked(page, _lines("chat", tmp_path), "talks")
    _go_on(page, "Train on this", "Train a language model")
    expect(page.locator("#f-dataset")).to_have_value("talks")
    _trained(page, "talker", base="tiny-llama", steps="6", rank="4", max_length="64")
    expect(page.get_by_role("heading", name="What it wrote")).to_be_visible()
    expect(page.get_by_text("the adapter; its base is tiny-llama")).to_be_visible()
    page.set_viewport_size(PHONE)
    assert_accessible(page, "a training")
    assert_fits(page, "a training")
    page.set_viewport_size(WIDE)
    _go_on(page, "Use this model", "Text")
    expect(page.locator("#f-model")).to_have_value("talker")
    _set(page, prompt="What comes after 3?", max_new_tokens="8")
    _press(page, "Generate")
    _done(page)
    expect(page.locator(".facts").get_by_role("link", name="talker")).to_be_visible()


def test_pictures_in_folders_become_a_model_that_paints_a_class(page: Page, tmp_path: Path) -> None:
    _checked(page, _folders(tmp_path), "colours")
    _go_on(page, "Train on this", "Train a GAN")
    _trained(page, "painter", size="8", width="8", batch_size="8", latent="4", steps="6")
    _go_on(page, "Use this model", "Samples")
    expect(page.locator("#f-model")).to_have_value("painter")
    _set(page, label="red", images="1")
    _press(page, "Generate")
    _done(page)
    expect(page.locator(".pictures img").first).to_be_visible()
    # and the gallery has that picture, and none of the training's
    page.goto("/gallery")
    expect(page.locator(".shot")).to_have_count(1)


def test_labelled_texts_become_a_classifier_that_tells_a_text(page: Page, tmp_path: Path) -> None:
    _checked(page, _lines("labelled", tmp_path), "moods")
    _go_on(page, "Train on this", "Train labels for texts")
    _trained(page, "mood-reader", base="tiny-bert", steps="10")
    expect(page.get_by_role("heading", name="Each label")).to_be_visible()
    _go_on(page, "Use this model", "Labels for texts")
    expect(page.locator("#f-model")).to_have_value("mood-reader")
    _set(page, texts="the soup was good")
    _press(page, "Generate")
    _done(page)
    expect(page.locator("table, pre").first).to_contain_text("the soup was good")


def test_one_workflow_checks_trains_and_uses(fleet: Fleet, tmp_path: Path) -> None:
    # given steps that name what the one before makes, before there is any of it
    path = _lines("labelled", tmp_path)
    storage = Storage(fleet.settings.storage)
    sent = uploads.keep(fleet.db, storage, fleet.owner.id, Arrived(path, name=path.name), Caps()).artifact
    training = {"name": "teller", "dataset": "tales", "base": "tiny-bert", "steps": 3, "evaluations": 1}
    steps = [
        {"name": "check", "kind": "check_dataset", "params": {"name": "tales", "source": sent.id, "validation": 0.2}},
        {"name": "train", "kind": "train_classifier", "params": training},
        {"name": "tell", "kind": "classify_text", "params": {"model": "teller", "texts": ["the soup was good"]}},
    ]
    # when they are submitted as one
    made = workflows.submit(fleet.db, fleet.owner, Asked.model_validate({"steps": steps}))
    for pool in made.pools:
        fleet.ringer.ring(pool)
    # then each runs when the one before is done, and the training knows its rows for ever
    fleet.until(lambda: _all_done(fleet, made.workflow.id), 60, "the workflow ends")
    jobs = workflow_listing.standing(fleet.db, made.workflow).jobs
    told = {name: (job.state, job.error_message) for name, job in jobs.items()}
    assert told == dict.fromkeys(("check", "train", "tell"), (JobState.SUCCEEDED, None))
    assert jobs["train"].params["dataset"] == "tales@1"


def _all_done(fleet: Fleet, workflow_id: str) -> bool:
    found = workflow_listing.get(fleet.db, fleet.owner.id, workflow_id)
    return all(job.done for job in workflow_listing.standing(fleet.db, found).jobs.values())
