"""What a training's page has beyond that of any job: pause, resume, keep; its curves; and several runs compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import curves, kinds, listing, pauses
from shared.errors import Invalid
from shared.job import Job, JobState
from web.auth import identity, needs
from web.pages import charts
from web.pages.rows import kind_words
from web.pages.settings import settings
from web.pages.translation import _
from web.site import site

pages = Blueprint("training", __name__)

MOST_RUNS = 6
"""Runs that are compared at one time: more lines than that nobody tells apart."""

OFFERED = 30


@dataclass(frozen=True)
class Run:
    """A training that is compared: a name that is short and its own, and the values of the settings that differ."""

    job: Job
    label: str
    values: list[str]
    figures: list[float | None]


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


def seen(job: Job) -> dict[str, Any]:
    """What the page of a training shows of it; nothing of any other job."""
    if job.kind not in kinds.training():
        return {"trains": False, "charts": []}
    found = curves.read(site().db, [job.id], most=charts.DRAWN)[job.id] if job.attempt else {}
    return {
        "trains": True,
        "charts": charts.charts(found),
        "points": [[url_for("jobs.points", job_id=job.id), ""]],
        "asked": [job.id],
    }


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
