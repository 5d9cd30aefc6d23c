"""Jobs: submit, look, wait, list, cancel, retry, follow."""

import time
from collections.abc import Iterator
from typing import Any

from flask import Response, request, stream_with_context
from flask_openapi.blueprint import APIBlueprint
from werkzeug.wrappers import Response as BaseResponse

from shared import artifacts, curves, dependencies, jobs, listing, pauses
from shared.errors import AtelierError, Invalid, NotFound, Unavailable
from shared.job import Job, JobState
from web.answers import json_answer, json_text
from web.api.bodies import ProblemBody
from web.api.job_bodies import JobBody, JobPageBody, JobPath, JobQuery, JobRequest, PointsBody, PointsQuery
from web.api.rendering import job_body
from web.auth import identity, needs
from web.idempotency import idempotency_key
from web.site import site

api = APIBlueprint(
    "jobs", __name__, url_prefix="/api/jobs", abp_tags=[{"name": "jobs"}], abp_responses={"4XX": ProblemBody}
)

MAX_WAIT_S = 60
COMMENT_EVERY_S = 5.0
"""Also how soon it is noticed that a watcher has gone, and its seat is free."""

MAX_STREAM_S = 600.0


@api.post("", responses={202: JobBody})
@needs("jobs:write")
def submit(body: JobRequest) -> Response:
    """Submit a job. The same Idempotency-Key with the same body answers with the first job."""
    here = site()
    try:
        submitted = jobs.submit(
            here.db,
            identity().owner,
            body.kind,
            body.params,
            idempotency_key=idempotency_key(),
            priority=body.priority,
            pool=body.pool,
            device=body.device,
            time_limit_s=body.time_limit_s,
            depends_on=body.depends_on,
        )
    except NotFound as error:
        raise Invalid(str(error), code="unknown_kind", field="kind") from error
    here.ringer.ring(submitted.job.pool)
    answer = _answer(submitted.job, 202, new=submitted.created)
    answer.headers["Location"] = f"/api/jobs/{submitted.job.id}"
    if not submitted.created:
        answer.headers["Idempotent-Replayed"] = "true"
    return answer


@api.get("", responses={200: JobPageBody})
@needs("jobs:read")
def page(query: JobQuery) -> Response:
    """Your jobs, newest first, by filter and cursor."""
    here, owner_id = site(), identity().owner.id
    found = listing.page(
        here.db,
        owner_id,
        states=query.state,
        kind=query.kind,
        model=query.model,
        search=query.q,
        batch_id=query.batch,
        searched_by=query.searched_by,
        limit=query.limit,
        cursor=query.cursor,
    )
    files = artifacts.of_jobs(here.db, owner_id, [job.id for job in found.items])
    waits = dependencies.unmet(here.db, [job.id for job in found.items if job.waits])
    told = [job_body(job, files[job.id], None, waits.get(job.id, ())) for job in found.items]
    return json_answer({"jobs": told, "next": found.next})


@api.get("/<job_id>", responses={200: JobBody})
@needs("jobs:read")
def show(path: JobPath) -> BaseResponse:
    """One job. `Prefer: wait=N` holds the answer until the job changes or has ended, N ≤ 60 seconds.

    With If-None-Match of the last ETag it answers 304 while nothing has changed.
    """
    here, owner_id = site(), identity().owner.id
    job = listing.get(here.db, owner_id, path.job_id)
    wait_s = _preferred_wait()
    applied = wait_s > 0 and (job.done or here.watcher.sit())
    if applied and not job.done:
        job = _changed(job, wait_s)
    answer = _answer(job)
    if applied:
        answer.headers["Preference-Applied"] = f"wait={wait_s}"
    return answer.make_conditional(request)


@api.post("/<job_id>/cancel", responses={200: JobBody})
@needs("jobs:write")
def cancel(path: JobPath) -> Response:
    """Cancel a job: at once while it waits, within a step while it runs."""
    return _answer(jobs.cancel(site().db, identity().owner.id, path.job_id))


@api.post("/<job_id>/pause", responses={200: JobBody})
@needs("jobs:write")
def pause(path: JobPath) -> Response:
    """Pause a training: it saves a checkpoint at the end of its step, and makes room until it is resumed."""
    return _asked(path, "pause")


@api.post("/<job_id>/resume", responses={200: JobBody})
@needs("jobs:write")
def resume(path: JobPath) -> Response:
    """Let a paused training go on from its checkpoint, when its turn comes."""
    return _asked(path, "resume")


@api.post("/<job_id>/keep", responses={200: JobBody})
@needs("jobs:write")
def keep(path: JobPath) -> Response:
    """Stop a training and keep what it has learned: the job succeeds with the best model so far."""
    return _asked(path, "keep")


@api.get("/<job_id>/points", responses={200: PointsBody})
@needs("jobs:read")
def points(path: JobPath, query: PointsQuery) -> Response:
    """The curves of a training. A long curve is thinned to 1,000 points; its spikes stay."""
    here = site()
    job = listing.get(here.db, identity().owner.id, path.job_id)
    return json_answer(curves.read(here.db, [job.id], names=query.names, since=query.since)[job.id])


@api.post("/<job_id>/retry", responses={202: JobBody})
@needs("jobs:write")
def retry(path: JobPath) -> Response:
    """Submit the same request again, as a new job."""
    here = site()
    again = jobs.retry(here.db, identity().owner, path.job_id).job
    here.ringer.ring(again.pool)
    answer = _answer(again, 202, new=True)
    answer.headers["Location"] = f"/api/jobs/{again.id}"
    return answer


@api.get("/<job_id>/events", responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}})
@needs("jobs:read")
def events(path: JobPath) -> Response:
    """Follow a job (server-sent events): `job` at each change, `done` at its end. Last-Event-ID resumes."""
    here, owner_id = site(), identity().owner.id
    job = listing.get(here.db, owner_id, path.job_id)
    last = request.headers.get("Last-Event-ID", "")
    seen = int(last) if last.isascii() and last.isdecimal() and len(last) < 19 else -1
    if job.done and job.revision == seen:
        return Response(status=204)  # a browser's EventSource comes again after anything else
    if not here.watcher.sit():
        raise Unavailable("Too many are watching at the moment; poll instead.", code="too_many_streams", retry_after=5)
    stream = Response(stream_with_context(_events(job, seen, identity().key_id)), mimetype="text/event-stream")
    stream.headers["Cache-Control"] = "no-store"
    stream.headers["X-Accel-Buffering"] = "no"
    stream.call_on_close(here.watcher.stand)
    return stream


def _events(job: Job, seen: int, key_id: str) -> Iterator[str]:
    """Each new revision as an event, until the job or the key has ended or the client has had its time."""
    here = site()
    until = time.monotonic() + MAX_STREAM_S
    while True:
        if job.revision != seen:
            name = "done" if job.done else "job"
            yield f"id: {job.revision}\nevent: {name}\ndata: {json_text(_body(job))}\n\n"
            seen = job.revision
        if job.done or time.monotonic() > until:
            return
        if not here.watcher.wait(job.id, job.revision, COMMENT_EVERY_S):
            yield ": still there\n\n"
        now = look_again(job, key_id)
        if now is None:
            return
        job = now


def look_again(job: Job, key_id: str) -> Job | None:
    """The job as it is now, for one who follows it with this key; None where that is over.

    It is when the key was revoked, the job deleted, or the database is away: whoever may comes again and resumes.
    """
    here = site()
    try:
        here.identities.by_key_id(key_id)
        return listing.get(here.db, job.owner_id, job.id)
    except AtelierError:
        return None


def _asked(path: JobPath, asked: pauses.Asked) -> Response:
    here = site()
    job = pauses.ask(here.db, identity().owner.id, path.job_id, asked)
    if job.state is JobState.QUEUED and not job.held:
        here.ringer.ring(job.pool)
    return _answer(job)


def _changed(job: Job, wait_s: int) -> Job:
    """The job as it is once it has changed, or `wait_s` have passed. Gives its seat back."""
    here = site()
    try:
        here.watcher.wait(job.id, job.revision, wait_s)
    finally:
        here.watcher.stand()
    return listing.get(here.db, job.owner_id, job.id)


def _preferred_wait() -> int:
    for part in request.headers.get("Prefer", "").replace(";", ",").split(","):
        name, _, value = part.strip().partition("=")
        if name.strip().lower() == "wait":
            digits = value.strip().strip('"')
            return min(MAX_WAIT_S, int(digits)) if digits.isascii() and digits.isdecimal() and len(digits) < 6 else 0
    return 0


def _answer(job: Job, status: int = 200, *, new: bool = False) -> Response:
    """The job as it is. One just made is not looked at again: that would cost as much as making it."""
    answer = json_answer(job_body(job, [], None) if new and not job.waits else _body(job), status)
    answer.set_etag(f"{job.id}-{job.revision}")
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


def _body(job: Job) -> dict[str, Any]:
    """The job with its artifacts and its place, each asked for only where there can be one."""
    here = site()
    files = artifacts.of_jobs(here.db, job.owner_id, [job.id])[job.id] if job.attempt else []
    waits = dependencies.unmet(here.db, [job.id])[job.id] if job.waits else ()
    return job_body(job, files, listing.position(here.db, job), waits)
