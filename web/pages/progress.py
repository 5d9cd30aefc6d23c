"""How far a job is, as its page and the list of jobs tell it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from shared.dependencies import Need
from shared.job import Job, JobState
from shared.listing import Position
from web.pages.sentences import said
from web.pages.translation import _, plural
from web.pages.wording import duration, listed, word

Mark = Literal["done", "now", "bad", ""]


@dataclass(frozen=True)
class Phase:
    """One stretch of a job's life. `shown`: the one that a narrow screen names."""

    title: str
    mark: Mark
    took: str
    shown: bool


def fraction(job: Job) -> float | None:
    """How much of a running job is done, 0 to 1; None where nobody knows."""
    total = job.progress.total
    return min(1.0, job.progress.done / total) if total else None


def sentence(job: Job, place: Position | None, waits_for: Sequence[Need] = ()) -> str:
    """What stands beside the state."""
    match job.state:
        case JobState.QUEUED if job.held:
            return _("until you resume it")
        case JobState.QUEUED if job.progress.note:
            return said(job.progress.note)
        case JobState.QUEUED:
            return waiting_for(need.name for need in waits_for) if job.waits else _waiting(job, place)
        case JobState.RUNNING:
            return _working(job)
        case JobState.SUCCEEDED:
            return _("%(time)s on %(device)s", time=duration(_ran_s(job)), device=job.device or "–")
        case JobState.FAILED if job.started_at:
            return _("after %(time)s on %(device)s", time=duration(_ran_s(job)), device=job.device or "–")
        case _:
            return ""


def short(job: Job, waits_for: Sequence[Need] = ()) -> str:
    """The same in the few words that a row of a list has room for."""
    if job.waits and not job.held:
        return waiting_for(need.name for need in waits_for)
    if job.state is JobState.RUNNING:
        if job.cancel_requested:
            return _("stopping")
        if job.wish == "pause":
            return _("pausing")
        left = _left_s(job)
        return _("%(time)s left", time=duration(left)) if left is not None else ""
    if job.state is JobState.SUCCEEDED:
        return duration(_ran_s(job))
    if job.state is JobState.FAILED:
        return _why(job.error_code or "")
    return ""


def _why(code: str) -> str:
    """What went wrong, in a few words; most codes are such words themselves."""
    told = {
        "too_large": _("asks for too much"),
        "dataset_invalid": _("bad rows"),
        "nothing_to_learn": _("nothing to learn from"),
        "not_finite": _("broke off"),
        "internal": _("unexpected error"),
    }
    return told.get(code) or word(code.replace("_", " "))


def waiting_for(names: Iterable[str]) -> str:
    """What a job that waits for others says of it."""
    return _("waits for %(steps)s", steps=listed(names))


def phases(job: Job) -> list[Phase]:
    """Queued, loading, running, saving: which are over, how long each took, which is now, and which went wrong."""
    loading = _("Loading the model") if job.model else _("Preparing")
    titles = [_("Queued"), loading, _("Running"), _("Saving")]
    at = _reached(job)
    took = _took(job, at)
    shown = min(at, 2) if job.done else at
    return [
        Phase(title, _mark(job, number, at), took[number], shown=number == shown) for number, title in enumerate(titles)
    ]


def _took(job: Job, at: int) -> list[str]:
    """How long each phase took, as far as it is known; the one that goes on, so far."""
    took = ["", "", "", ""]
    if job.started_at is None:
        return took
    took[0] = duration(max(0.0, (job.started_at - job.created_at).total_seconds()))
    ran_s, now = _ran_s(job), job.progress
    if at == 0:
        return took
    if now.first_s is None or now.last_s is None:
        took[min(at, 2)] = duration(ran_s)
        return took
    took[1] = duration(now.first_s)
    # What is not over yet goes on until now; what came after the last step is the saving.
    took[2] = duration(max(0.0, (now.last_s if at > 2 else ran_s) - now.first_s))
    if at > 2:
        took[3] = duration(max(0.0, ran_s - now.last_s))
    return took


def _mark(job: Job, number: int, at: int) -> Mark:
    if number < at:
        return "done"
    if number > at or job.state is JobState.CANCELLED:
        return ""
    return "bad" if job.state is JobState.FAILED else "now"


def _reached(job: Job) -> int:
    """The phase that the job is in, or was in when it ended; past the last one where it succeeded."""
    if job.state is JobState.SUCCEEDED:
        return 4
    if job.state is JobState.QUEUED or job.started_at is None:
        return 0
    if job.progress.done == 0:
        return 1
    return 3 if job.progress.total and job.progress.done >= job.progress.total else 2


def _waiting(job: Job, place: Position | None) -> str:
    if job.run_at > datetime.now(UTC):
        return _("starts again in %(time)s", time=duration((job.run_at - datetime.now(UTC)).total_seconds()))
    if place is None:
        return ""
    if place.makes_room and not place.ahead:
        return _("next in line · a training makes room for it within seconds")
    ahead = plural("%(num)s job ahead", "%(num)s jobs ahead", place.ahead) if place.ahead else _("next in line")
    if place.wait_s is None:
        return _("%(ahead)s · no device is up for it", ahead=ahead)
    return _("%(ahead)s · starts in about %(time)s", ahead=ahead, time=duration(place.wait_s)) if place.ahead else ahead


def _working(job: Job) -> str:
    if job.cancel_requested:
        return _("stopping as soon as this step is done")
    if job.wish == "pause":
        return _("pausing as soon as this step is done")
    if job.wish == "keep":
        return _("stopping to keep what it has learned")
    now = job.progress
    if not now.done:
        return said(now.note)
    parts = [_("Step %(done)s of %(total)s", done=now.done, total=now.total) if now.total else said(now.note)]
    left = _left_s(job)
    if left is not None:
        parts.append(_("%(time)s left", time=duration(left)))
    if now.total and now.note and not now.note.startswith("Step "):
        parts.append(said(now.note))
    return " · ".join(part for part in parts if part)


def _left_s(job: Job) -> float | None:
    """Seconds until the end if it goes on as it has gone; None where there is nothing to judge by."""
    done = fraction(job)
    if not done or job.state is not JobState.RUNNING:
        return None
    # By what this attempt has done: a training goes on where an earlier one was.
    here = job.progress.done - job.progress.before
    if here <= 0:
        return None
    left = _ran_s(job) * (1 - done) / done * (job.progress.done / here)
    budget = job.params.get("time_budget_s")
    # A training with a budget ends with it.
    return min(left, max(0.0, budget - (_ran_s(job) - (job.progress.first_s or 0)))) if budget else left


def _ran_s(job: Job) -> float:
    if job.started_at is None:
        return 0.0
    end = job.finished_at or datetime.now(UTC)
    return max(0.0, (end - job.started_at).total_seconds())
