"""One job: drawn whole by the server, and kept up to date by a stream of the same drawing."""

import re
import time
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import artifacts, dependencies, feedback, jobs, kinds, listing, uploads
from shared.errors import NotFound
from shared.job import Job, JobState
from shared.placeholders import placeholders
from web.api.jobs import COMMENT_EVERY_S, MAX_STREAM_S, look_again
from web.auth import identity, needs
from web.pages import progress, repairs, training, trials
from web.pages.failures import failure
from web.pages.judging import to_mend
from web.pages.login import local_path
from web.pages.outputs import Outputs, Shown, outputs, shown
from web.pages.rows import kind_words
from web.pages.settings import settings
from web.site import site

pages = Blueprint("job", __name__, url_prefix="/jobs")

QUEUED_EVERY_S = 3.0
"""A waiting job's place in line changes without the job: look this often."""

TAIL = 12
"""Lines of a worker's log that are shown among the job's own; the rest is in its download."""

_LINE_END = re.compile(r"\r\n|\r|\n")


@pages.get("/<job_id>")
@needs("jobs:read")
def show(job_id: str) -> str:
    """The page of a job."""
    job = listing.get(site().db, identity().owner.id, job_id)
    return render_template("job/page.html", **_seen(job))


@pages.get("/<job_id>/live")
@needs("jobs:read")
def live(job_id: str) -> Response:
    """The panel at each change, as server-sent events; `done` at the end. `?once` is one panel, for polling."""
    here = site()
    job = listing.get(here.db, identity().owner.id, job_id)
    if "once" in request.args:
        if request.args["once"] == _version(job):
            return Response(status=204)
        return Response(render_template("job/panel.html", **_seen(job)))
    if not here.watcher.sit():
        # On the first call the page falls back to polling; a later one is to back off.
        return Response(status=503 if request.headers.get("Last-Event-ID") else 204, headers={"Retry-After": "5"})
    stream = Response(stream_with_context(_panels(job, identity().key_id)), mimetype="text/event-stream")
    stream.headers["Cache-Control"] = "no-store"
    stream.headers["X-Accel-Buffering"] = "no"
    stream.call_on_close(here.watcher.stand)
    return stream


@pages.post("/<job_id>/cancel")
@needs("jobs:write")
def cancel(job_id: str) -> AnyResponse:
    """Cancel it, and go back to where the button was."""
    jobs.cancel(site().db, identity().owner.id, job_id)
    return redirect(local_path(request.form.get("next", "")) or url_for("job.show", job_id=job_id), 303)


@pages.post("/<job_id>/retry")
@needs("jobs:write")
def retry(job_id: str) -> AnyResponse:
    """Submit the same request again, maybe with a longer time limit, and go to the new job."""
    longer = repairs.LONGER if request.form.get("longer") == "yes" else 1
    again = jobs.retry(site().db, identity().owner, job_id, longer=longer).job
    site().ringer.ring(again.pool)
    return redirect(url_for("job.show", job_id=again.id), 303)


def _panels(job: Job, key_id: str) -> Iterator[str]:
    """The drawn panel whenever it differs from the last one sent."""
    here = site()
    until, sent = time.monotonic() + MAX_STREAM_S, ""
    while True:
        panel = render_template("job/panel.html", **_seen(job))
        if panel != sent:
            data = "\n".join(f"data: {line}" for line in _LINE_END.split(panel))
            yield f"id: {job.revision}\n{data}\n\n"
            sent = panel
        else:
            yield ": still there\n\n"
        if job.done:
            yield f"id: {job.revision}\nevent: done\ndata: {job.state}\n\n"
        if job.done or time.monotonic() > until:
            return
        patience = QUEUED_EVERY_S if job.state is JobState.QUEUED else COMMENT_EVERY_S
        here.watcher.wait(job.id, job.revision, patience)
        now = look_again(job, key_id)
        if now is None:
            return
        job = now


def _seen(job: Job) -> dict[str, Any]:
    """Everything that a job's page shows."""
    here = site()
    title, icon = kind_words(job.kind)
    files = artifacts.of_jobs(here.db, job.owner_id, [job.id])[job.id] if job.attempt else []
    place = listing.position(here.db, job)
    linked = bool(job.workflow_id or job.waits or job.needed)
    needs = dependencies.needs(here.db, job.id) if linked else []
    works = job.kind not in kinds.without_works()
    files_shown = outputs(here.storage, files, code=_makes_code(job.kind), works=works)
    return {
        "job": job,
        "kind_title": title,
        "kind_icon": icon,
        "failure": failure(job),
        "repair": repairs.repair(job) if job.state is JobState.FAILED else None,
        "files": files_shown,
        "works": works,
        "dataset": next((each.meta.get("name") for each in files if each.role == "dataset"), None),
        "judged": feedback.of(here.db, job.owner_id, [each.id for each in files if each.role == "output"]),
        "to_mend": to_mend,
        "given": _given(job),
        "tail": _tail(files_shown),
        "settings": _settings(job),
        "events": listing.events_of(here.db, job.owner_id, job.id),
        "fraction": progress.fraction(job),
        "sentence": progress.sentence(job, place, [each for each in needs if each.state is not JobState.SUCCEEDED]),
        # A step that never came to know what it would run with can be run again by its workflow alone.
        "unfilled": bool(placeholders(job.params)),
        "needs": needs,
        "behind": dependencies.behind(here.db, job.id) if linked else [],
        "phases": progress.phases(job),
        "version": _version(job),
        **training.seen(job, files),
        **trials.seen(job),
    }


def _given(job: Job) -> list[tuple[str, Shown | None]]:
    """The files that the job names, by the titles of their fields; None for one that is gone."""
    here, media = site(), kinds.params_class(job.kind).input_media() if job.kind in kinds.names() else {}
    named = {name: ref for name in media if isinstance(ref := job.params.get(name), str)}
    found = uploads.of_ids(here.db, job.owner_id, list(named.values()))
    properties = kinds.schema(job.kind)["properties"] if named else {}
    return [
        (properties[name].get("title", name), shown(here.storage, found[ref]) if ref in found else None)
        for name, ref in named.items()
    ]


def _settings(job: Job) -> list[tuple[str, str, str | None]]:
    """The job's params by their titles, in the order of the form, a model with its page; the seed, if one was drawn."""
    declared = kinds.params_class(job.kind) if job.kind in kinds.names() else None
    models, media = (declared.model_tasks(), declared.input_media()) if declared else ({}, {})
    # Files that are named stand among the inputs, with what is in them.
    params = {name: value for name, value in job.params.items() if name not in media}
    if declared and declared.trains and params.get("steps"):
        # Steps were asked for, so the epochs decided nothing.
        params.pop("epochs", None)
    found = settings(job.kind, {"seed": job.seed, **params})
    return [
        (each.title, each.words, url_for("model.show", name=each.words) if each.name in models else None)
        for each in found
    ]


def _tail(files: Outputs) -> list[str]:
    """The last lines of what the worker wrote down of the job."""
    return [line for log in files.logs for line in (log.text or "").splitlines()[-TAIL:]]


def _makes_code(kind: str) -> bool:
    try:
        return kinds.params_class(kind).output == "code"
    except NotFound:
        return False


def _version(job: Job) -> str:
    return f"{job.id}-{job.revision}"
