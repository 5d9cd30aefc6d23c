"""What a training's page has beyond that of any job: pause, resume, keep; its curves; and several runs compared."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import curves, kinds, library, listing, pauses, trials, versions
from shared.errors import Invalid
from shared.job import Artifact, Job, JobState
from web.auth import identity, needs
from web.pages import charts
from web.pages.model_uses import Use, uses_of
from web.pages.reports import report
from web.pages.rows import kind_words
from web.pages.settings import settings
from web.pages.translation import _
from web.site import site

pages = Blueprint("training", __name__)

MOST_RUNS = 6
"""Runs that are compared at one time: more lines than that nobody tells apart."""

OFFERED = 30

READING_SHARE = 0.05
"""Reading the points of a live page may take this share of the time: of a long run they are read less often."""


@dataclass(frozen=True)
class Run:
    """A training that is compared: a name that is short and its own, and the values of the settings that differ."""

    job: Job
    label: str
    values: list[str]
    figures: list[float | None]


@dataclass(frozen=True)
class Made:
    """A model that came of a training: its name, what a job names it by, and the kinds that can use it.

    A version that is not the one its name stands for is named by its number.
    """

    name: str
    ref: str
    uses: list[Use]


@pages.post("/jobs/<job_id>/<any(pause,resume,keep):asked>")
@needs("jobs:write")
def ask(job_id: str, asked: pauses.Asked) -> AnyResponse:
    """Ask a training to wait, to go on, or to stop and keep what it has learned."""
    job = pauses.ask(site().db, identity().owner.id, job_id, asked)
    if job.state is JobState.QUEUED and not job.held:
        site().ringer.ring(job.pool)
    return redirect(url_for("job.show", job_id=job_id), 303)


@pages.get("/compare-runs")
@needs("jobs:read")
def compare() -> str:
    """The curves of several trainings over each other, and what differs in their settings."""
    here, owner_id = site(), identity().owner.id
    asked = list(dict.fromkeys(each for part in request.args.getlist("jobs") for each in part.split(",") if each))
    if len(asked) > MOST_RUNS:
        raise Invalid(_("Select %(n)s runs at most.", n=MOST_RUNS), field="jobs")
    jobs = [listing.get(here.db, owner_id, job_id) for job_id in asked]
    found = curves.read(here.db, asked, most=charts.DRAWN)
    drawn = charts.compared({_label(number, job): found[job.id] for number, job in enumerate(jobs)})
    names, runs = _compared(jobs)
    return render_template(
        "job/compare_runs.html",
        asked=asked,
        charts=drawn,
        names=names,
        runs=runs,
        offered=_offered(owner_id, jobs),
        points=[[url_for("jobs.points", job_id=run.job.id), run.label] for run in runs],
        most=MOST_RUNS,
    )


def seen(job: Job, files: Sequence[Artifact]) -> dict[str, Any]:
    """What the page of a training shows of it; nothing of any other job."""
    if not kinds.trains(job.kind):
        return {"trains": False, "charts": []}
    return {
        "report": report(files, steps_asked=bool(job.params.get("steps"))) if job.done else None,
        "made": _made(job),
        "trains": True,
        "charts": _drawn(job) if job.attempt else [],
        "points": [[url_for("jobs.points", job_id=job.id), ""]],
        "asked": [job.id],
    }


def _made(job: Job) -> Made | None:
    """The model that it made, if that is in the library."""
    here = site()
    maker = _best_trial(job) if kinds.searches(job.kind) else job.id
    found = versions.of_job(here.db, job.owner_id, maker) if job.done and maker else None
    if found is None:
        return None
    name, number = found
    model = library.get(here.db, job.owner_id, f"{name}@{number}")
    ref = name if library.get(here.db, job.owner_id, name).version == number else f"{name}@{number}"
    return Made(name, ref, uses_of(ref, model.task, model.base))


def _best_trial(search: Job) -> str | None:
    """The job of the trial that a search has chosen."""
    best = search.metrics.get("best_trial")
    return next((each.job.id for each in trials.of_search(site().db, search.id) if each.number == best), None)


def _drawn(job: Job) -> list[charts.Chart]:
    """The charts of a job, as they were a moment ago where many points are read: all who look share one reading."""
    kept = _kept.get(job.id)
    if kept is not None and (kept.revision == job.revision or (time.monotonic() < kept.until and not job.done)):
        return kept.charts
    began = time.monotonic()
    found = charts.charts(curves.read(site().db, [job.id], most=charts.DRAWN)[job.id])
    took = time.monotonic() - began
    if len(_kept) >= _MOST_KEPT:
        _kept.clear()
    _kept[job.id] = _Kept(job.revision, time.monotonic() + took / READING_SHARE, found)
    return found


@dataclass(frozen=True)
class _Kept:
    revision: int
    until: float
    charts: list[charts.Chart]


_kept: dict[str, _Kept] = {}
_MOST_KEPT = 200


def _label(number: int, job: Job) -> str:
    return f"{chr(ord('A') + number)}: {job.title}"


def _compared(jobs: Sequence[Job]) -> tuple[list[str], list[Run]]:
    """The titles of the settings that differ and of the figures, and for each run its values of them."""
    told = [{each.title: each.words for each in settings(job.kind, {"seed": job.seed, **job.params})} for job in jobs]
    titles = list(dict.fromkeys(title for each in told for title in each))
    differing = [title for title in titles if len({each.get(title) for each in told}) > 1]
    runs = [
        Run(job, _label(number, job), [each.get(title, "–") for title in differing], [])
        for number, (job, each) in enumerate(zip(jobs, told, strict=True))
    ]
    return differing, runs


def _offered(owner_id: str, chosen: Sequence[Job]) -> list[tuple[Job, str]]:
    """The newest trainings, of the kind of those that are chosen, each with the title of its kind."""
    wanted = sorted({job.kind for job in chosen}) or list(kinds.training())
    found = [job for kind in wanted for job in listing.page(site().db, owner_id, kind=kind, limit=OFFERED).items]
    newest = sorted({job.id: job for job in (*found, *chosen)}.values(), key=lambda job: job.id, reverse=True)
    return [(job, kind_words(job.kind)[0]) for job in newest[:OFFERED]]
