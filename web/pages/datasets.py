"""Your datasets: the list, and one of them with its versions, what its check found, and its rows."""

import mimetypes
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import artifacts, dataset_rows, datasets
from shared.dataset import SPLITS, WITH_FILES, Dataset, DatasetVersion, Split
from shared.errors import Conflict, NotFound
from web.auth import identity, needs
from web.pages.model_uses import trainings_of
from web.pages.translation import _
from web.site import site

pages = Blueprint("all_datasets", __name__, url_prefix="/datasets")

ROWS = 20
_BAR, _HIGH = 10, 100
#: Labels and faults that the page lists.
_LISTED = 50


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The page."""
    found = datasets.list_datasets(site().db, identity().owner.id)
    return render_template("datasets/page.html", datasets=found, format_word=format_word)


@pages.get("/<name>")
@needs("jobs:read")
def one(name: str) -> str:
    """A dataset; `?version=2` shows an earlier version."""
    return _one(name)


@pages.post("/<name>/delete")
@needs("jobs:write")
def remove(name: str) -> AnyResponse | tuple[str, int]:
    """Delete it; one that a job still needs stays, and the page says which job."""
    try:
        datasets.remove(site().db, identity().owner.id, name)
    except Conflict as error:
        return _one(name, refused=str(error)), 409
    return redirect(url_for("all_datasets.show"), 303)


@pages.get("/<name>/files/<file>")
@needs("jobs:read")
def file(name: str, file: str) -> Response:
    """A picture or sound of a version: of `name@3`."""
    here, owner_id = site(), identity().owner.id
    _dataset, version = datasets.version(here.db, owner_id, name)
    artifact = artifacts.get(here.db, owner_id, version.artifact_id)
    content = dataset_rows.file(here.storage, artifact.key, artifact.size, file)
    media_type = mimetypes.guess_type(file)[0] or "application/octet-stream"
    return Response(content, mimetype=media_type, headers={"Cache-Control": "private, max-age=86400"})


def format_word(name: str) -> str:
    """A format as a reader calls it."""
    return {
        "text": _("Plain texts"),
        "prompt": _("Prompts with completions"),
        "chat": _("Conversations"),
        "labelled": _("Texts with labels"),
        "preference": _("Preferred answers"),
        "entities": _("Texts with tagged words"),
        "captioned": _("Pictures with captions"),
        "classed": _("Pictures with labels"),
        "transcribed": _("Sounds with transcripts"),
    }.get(name, name)


def split_word(name: str) -> str:
    """A split as a reader calls it."""
    return {"train": _("Training"), "validation": _("Validation"), "test": _("Test")}.get(name, name)


def _one(name: str, refused: str = "") -> str:
    here, owner_id = site(), identity().owner.id
    dataset = datasets.get(here.db, owner_id, name)
    version = _wanted(dataset)
    artifact = artifacts.get(here.db, owner_id, version.artifact_id)
    split = _split()
    found = dataset_rows.page(here.storage, artifact.key, version, split, request.args.get("cursor") or None, ROWS)
    report = version.report
    return render_template(
        "datasets/one.html",
        dataset=dataset,
        trainings=trainings_of(
            dataset.name if version is dataset.latest else f"{dataset.name}@{version.number}", version
        ),
        version=version,
        artifact=artifact,
        report=report,
        split=split,
        splits=SPLITS,
        rows=[_shown(row) for row in found.rows],
        next=found.next,
        cursor=request.args.get("cursor"),
        with_files=version.format in WITH_FILES,
        labels=(report.get("labels") or [])[:_LISTED],
        problems=report.get("problems", {}).get("first", [])[:_LISTED],
        bars=_bars((report.get("tokens") or {}).get("histogram", [])),
        format_word=format_word,
        split_word=split_word,
        refused=refused,
    )


def _wanted(dataset: Dataset) -> DatasetVersion:
    asked = request.args.get("version", "")
    if not asked:
        return dataset.latest
    found = next((each for each in dataset.versions if str(each.number) == asked), None)
    if found is None:
        raise NotFound("This dataset has no such version.")
    return found


def _split() -> Split:
    return next((split for split in SPLITS if split == request.args.get("split")), "train")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the page draws it: its place, its picture or sound, its label, and its parts with a word for each."""
    parts: list[tuple[str, str]] = []
    for name, value in row.items():
        if name in {"line", "file", "label", "made"}:
            continue
        if name == "tokens":
            parts.append(("", " ".join(_tagged(token, tag) for token, tag in zip(value, row["tags"], strict=True))))
        elif isinstance(value, list) and name != "tags":
            parts += [(str(each.get("role", "")), str(each.get("content", ""))) for each in value]
        elif name != "tags":
            parts.append(("" if name == "text" else name, str(value)))
    file = str(row.get("file", "")).rpartition("/")[2]
    return {"line": row.get("line"), "file": file, "label": row.get("label"), "made": row.get("made"), "parts": parts}


def _tagged(token: str, tag: str) -> str:
    return token if tag == "O" else f"{token} [{tag}]"


def _bars(histogram: list[dict[str, int]]) -> list[dict[str, int]]:
    """Where each bar is drawn, in a picture 100 units high and 10 a bar wide."""
    most = max((each["rows"] for each in histogram), default=0)
    return [
        {"x": index * _BAR, "height": round(_HIGH * each["rows"] / most), **each}
        for index, each in enumerate(histogram)
    ] if most else []  # fmt: skip
