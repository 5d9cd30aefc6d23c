"""The library: every model by its task, searched by words; and the form that adds one."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from flask import Blueprint, Response, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response as AnyResponse

from shared import devices, library
from shared.complaints import field_errors
from shared.devices import Device
from shared.errors import Conflict, FieldError, Forbidden, Invalid
from shared.kinds.params import Task
from shared.library import Model
from web.api.model_bodies import ModelRequest
from web.api.models import add_for
from web.auth import identity, needs
from web.pages import lineage, polling
from web.pages.entries import entries
from web.pages.translation import _
from web.site import site

# A model's name begins with a letter or a digit: under /models/-/ there is never one.
pages = Blueprint("all_models", __name__, url_prefix="/models")

MAX_SEARCH = 200

ENTRIES = ("source", "task", "name", "title", "revision", "file", "licence", "base")
"""The entries of the form, in the order in which they are drawn."""


@dataclass(frozen=True)
class Row:
    """One model of the list, and the devices that hold it in memory. `hidden`: one of the reader's own goes before."""

    model: Model
    licence: str | None
    inherited: bool
    on: list[str]
    hidden: bool


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The page."""
    return render_template("models/page.html", **_seen())


@pages.get("/-/list")
@needs("jobs:read")
def part() -> Response:
    """The list alone; 204 while it would be drawn the same."""
    seen = _seen()
    return polling.redrawn(seen["version"], lambda: render_template("models/list.html", **seen))


@pages.get("/-/add")
@needs("models:write")
def ask() -> str:
    """The form, filled from the address."""
    return _form({name: request.args.get(name, "") for name in ENTRIES}, [])


@pages.post("/-/add")
@needs("models:write")
def add() -> AnyResponse | tuple[str, int]:
    """Put the model into the library, and go to its page."""
    typed = {name: request.form.get(name, "").strip() for name in ENTRIES}
    try:
        made = add_for(identity(), ModelRequest.model_validate({name: text for name, text in typed.items() if text}))
    except ValidationError as error:
        return _form(typed, field_errors(error)), 422
    except Invalid as error:
        return _form(typed, error.errors), 422
    except (Conflict, Forbidden) as error:
        return _form(typed, [{"field": error.field or "", "message": str(error)}]), 422
    return redirect(url_for("model.show", name=made.name), 303)


def task_word(task: str) -> str:
    """A task as a reader calls it."""
    return {
        "text-generation": _("Text generation"),
        "text2text-generation": _("Text to text"),
        "text-classification": _("Labels of texts"),
        "token-classification": _("Names in texts"),
        "feature-extraction": _("Vectors of texts"),
        "text-to-image": _("Text to image"),
        "unconditional-image-generation": _("Pictures from noise"),
        "image-to-text": _("Describing pictures"),
        "upscale": _("Enlarging pictures"),
        "controlnet": _("ControlNets"),
        "image-adapter": _("Adapters of image models"),
        "image-safety": _("Safety filter of pictures"),
        "text-to-speech": _("Text to speech"),
        "text-to-audio": _("Music and sounds"),
        "automatic-speech-recognition": _("Speech to text"),
        "text-to-video": _("Video"),
    }.get(task, task)


def holders(every: Sequence[Device]) -> dict[str, list[str]]:
    """The devices that hold each model in memory now, by the model's key."""
    found: dict[str, list[str]] = {}
    for device in every:
        for each in device.resident if device.alive else ():
            found.setdefault(each.model, []).append(device.id)
    return found


def _seen() -> dict[str, Any]:
    here, owner_id = site(), identity().owner.id
    words = request.args.get("q", "")[:MAX_SEARCH]
    every = library.list_models(here.db, owner_id)
    known = lineage.by_name(every)
    on = holders(devices.list_devices(here.db))
    rows = [_row(model, known, on.get(model.key, [])) for model in every if _fits(model, words)]
    return {
        "q": words,
        "total": len(every),
        "known": known,
        "groups": _groups(rows),
        "version": hashlib.sha256(repr((rows, len(every))).encode()).hexdigest()[:16],
    }


def _row(model: Model, known: Mapping[str, Model], on: list[str]) -> Row:
    holds = lineage.licence(lineage.line(model, known))
    text, stated_by = holds if holds else (None, model)
    return Row(model, text, inherited=stated_by is not model, on=on, hidden=known[model.name] is not model)


def _fits(model: Model, words: str) -> bool:
    """Whether every one of these words is somewhere in what is known of the model."""
    about = " ".join(
        each or "" for each in (model.name, model.title, model.task, model.source, model.licence, model.base)
    )
    return all(each in about.casefold() for each in words.casefold().split())


def _groups(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Rows by task: those that kinds know first, in their order, then any other."""
    known: tuple[str, ...] = get_args(Task)
    tasks = [*known, *sorted({row.model.task for row in rows} - set(known))]
    found = [(task_word(task), [row for row in rows if row.model.task == task]) for task in tasks]
    return [(title, each) for title, each in found if each]


def _form(typed: Mapping[str, str], errors: Sequence[FieldError]) -> str:
    tasks = [(task, task_word(task)) for task in get_args(Task)]
    if typed["task"] and typed["task"] not in get_args(Task):
        tasks.append((typed["task"], typed["task"]))
    return render_template("models/add.html", form=entries(ENTRIES, typed, errors), tasks=tasks)
