"""The devices: what each is at and holds in memory, and the lines before them; kept up to date while somebody looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import devices, library, plant
from shared.devices import Device
from shared.job import JobState
from shared.plant import Queue, Work
from web.auth import identity, needs
from web.pages import memory, polling
from web.pages.memory import Stretch
from web.pages.rows import kind_words
from web.pages.translation import _, plural
from web.pages.wording import duration, listed, size, word
from web.site import site

pages = Blueprint("all_devices", __name__, url_prefix="/devices")


@dataclass(frozen=True)
class Card:
    """One device as the page shows it. `state` names the shape, `state_word` says it."""

    device: Device
    state: str
    state_word: str
    work: Work | None
    note: str
    stretches: list[Stretch]

    @property
    def draining(self) -> bool:
        """Whether it takes no new jobs because somebody asked."""
        return self.device.drain_requested or self.device.state == "draining"


@dataclass(frozen=True)
class Line:
    """The queue of one pool as the page shows it."""

    queue: Queue
    title: str
    what: str
    wait: str


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The page."""
    return render_template("devices/page.html", **_seen())


@pages.get("/list")
@needs("jobs:read")
def part() -> Response:
    """The devices alone; 204 while they would be drawn the same."""
    seen = _seen()
    return polling.redrawn(seen["version"], lambda: render_template("devices/list.html", **seen))


@pages.post("/<path:device_id>/drain")
@needs("admin")
def drain(device_id: str) -> AnyResponse:
    """Let it finish what it runs, and take nothing new."""
    devices.drain(site().db, device_id)
    return redirect(url_for("all_devices.show"), 303)


@pages.post("/<path:device_id>/resume")
@needs("admin")
def resume(device_id: str) -> AnyResponse:
    """Let it take jobs again."""
    devices.drain(site().db, device_id, wanted=False)
    return redirect(url_for("all_devices.show"), 303)


def _seen() -> dict[str, Any]:
    here, owner_id = site(), identity().owner.id
    every = devices.list_devices(here.db)
    work = plant.work(here.db, owner_id, [device.job_id for device in every if device.job_id])
    names = {model.key: model.name for model in library.list_models(here.db, owner_id)}
    cards = [_card(device, work, names) for device in every]
    lines = [_line(queue) for queue in plant.queues(here.db)]
    return {
        "cards": [card for card in cards if card.device.alive],
        "away": [card for card in cards if not card.device.alive],
        "lines": lines,
        "summary": _summary(cards),
        "version": _version(cards, lines),
    }


def _card(device: Device, work: Mapping[str, Work], names: Mapping[str, str]) -> Card:
    at = work.get(device.job_id) if device.job_id else None
    state = _state(device, at)
    words = {
        "starting": _("Starting"),
        "idle": _("Idle"),
        "busy": _("Busy"),
        "draining": _("Draining"),
        "drained": _("Drained"),
        "quarantined": _("Quarantined"),
        "stopped": _("Stopped"),
        "lost": _("Lost"),
    }
    note = device.note if device.alive else _fate(device, at)
    return Card(device, state, words.get(state, state), at, note, memory.stretches(device, names))


def _state(device: Device, at: Work | None) -> str:
    if not device.alive:
        return "stopped" if device.state == "stopped" else "lost"
    if device.state == "quarantined":
        return "quarantined"
    if device.drain_requested or device.state == "draining":
        return "draining" if at and at.state is JobState.RUNNING else "drained"
    return device.state


def _fate(device: Device, at: Work | None) -> str:
    """What became of the job that a silent device had."""
    if device.job_id is None:
        return _("It ran no job.")
    if at is None:
        return _("Its job has been deleted since.")
    if at.state is JobState.RUNNING and at.device == device.id:
        return _("Its job goes back to the queue when its lease ends.")
    return {
        JobState.QUEUED: _("Its job went back to the queue."),
        JobState.RUNNING: _("Its job went back to the queue and runs on %(device)s now.", device=at.device),
        JobState.SUCCEEDED: _("Its job is done, by %(device)s.", device=at.device or "–"),
        JobState.FAILED: _("Its job has failed."),
        JobState.CANCELLED: _("Its job was cancelled."),
    }[at.state]


def _line(queue: Queue) -> Line:
    titles = {
        "accelerated": _("Any accelerator"),
        "gpu": _("GPUs"),
        "cpu": _("CPUs"),
        "io": _("Reading and writing"),
    }
    what = listed(f"{word(kind_words(kind)[0])} {count}" for kind, count in queue.queued.items())
    return Line(queue, titles.get(queue.pool, queue.pool), what, _wait(queue))


def _wait(queue: Queue) -> str:
    if not queue.waiting:
        return _("nothing waits")
    if queue.wait_s is None:
        return _("no device is up for it")
    return _("about %(time)s", time=duration(queue.wait_s))


def _summary(cards: Sequence[Card]) -> str:
    up = [card for card in cards if card.device.alive]
    parts = [plural("%(num)s device is up", "%(num)s devices are up", len(up))]
    busy = sum(card.work is not None and card.work.state is JobState.RUNNING for card in up)
    if up:
        parts.append(_("%(n)s busy", n=busy))
    if lost := sum(card.state == "lost" for card in cards):
        parts.append(plural("%(num)s lost", "%(num)s lost", lost))
    return listed(parts)


def _version(cards: Sequence[Card], lines: Sequence[Line]) -> str:
    """Changes with what is drawn: not with each heartbeat, nor with a few bytes of memory."""
    return polling.version([_drawn(card) for card in cards], lines)


def _drawn(card: Card) -> tuple[object, ...]:
    device = card.device
    memory_words = (size(device.memory_used), size(device.memory_total))
    held = (memory_words, card.stretches)
    return (device.id, device.title, card.state, device.drain_requested, card.note, held, _at(card.work))


def _at(work: Work | None) -> tuple[object, ...]:
    if work is None:
        return ()
    left = duration(work.left_s) if work.left_s is not None else ""
    return (work.job.id if work.job else "", work.state, work.device, work.done, work.total, left)
