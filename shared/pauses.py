"""What the owner of a training may ask of it beside a cancel: wait, go on, or stop now and keep what it has learned.

A running one is asked by a wish that its pulse reads, and follows it at the end of a step; a queued one is held back.
The last wish counts. The arrows are in `shared.transitions`. Knows neither the bell nor the object store.
"""

from typing import Literal

from shared import artifacts, kinds, listing, transitions, trials
from shared.db import Database
from shared.errors import Conflict
from shared.job import Job, JobState, job_from

Asked = Literal["pause", "resume", "keep"]

_ARROWS = {"pause": transitions.PAUSE, "resume": transitions.RESUME, "keep": transitions.KEEP}


def ask(db: Database, owner_id: str, job_id: str, asked: Asked) -> Job:
    """Ask for this; asking twice is asking once. The caller rings after a resume or a keep.

    Raises:
        NotFound: the owner has no such job.
        Conflict: its kind does not train, it has ended, is being cancelled, or has nothing to keep yet.
    """
    job = listing.get(db, owner_id, job_id)
    if not kinds.trains(job.kind):
        raise Conflict("Only a training can be paused, resumed or kept. Cancel this job instead.", code="not_training")
    while True:
        with db.begin() as connection:
            for arrow in _ARROWS[asked]:
                row = transitions.follow(connection, arrow, {"job": job_id, "owner": owner_id})
                if row is not None:
                    return job_from(row)
        job = listing.get(db, owner_id, job_id)
        if _as_asked(job, asked):
            return job
        _check(db, job, asked)
        # It was claimed, or put back, between the two arrows.


def _as_asked(job: Job, asked: Asked) -> bool:
    if job.done or job.cancel_requested:
        return asked == "keep" and job.state is JobState.SUCCEEDED
    if asked == "keep":
        return job.wish == "keep"
    return (job.held or job.wish == "pause") is (asked == "pause")


def _check(db: Database, job: Job, asked: Asked) -> None:
    """Raises Conflict where a job that is not as asked will not be."""
    if job.done:
        told = f"This job has already {_ENDED[job.state]}; it cannot be {_DONE[asked]}."
        raise Conflict(told, code="already_finished")
    if job.cancel_requested:
        raise Conflict("This job is being cancelled already.", code="being_cancelled")
    if asked == "keep" and job.state is JobState.QUEUED and kinds.searches(job.kind):
        if not trials.any_model(db, job.id):
            told = "No trial of this search is done yet, so there is nothing to keep. Cancel it instead."
            raise Conflict(told, code="nothing_to_keep")
    elif asked == "keep" and job.state is JobState.QUEUED and not artifacts.has_checkpoint(db, job.id):
        told = "This training has no checkpoint yet, so there is nothing to keep. Cancel it instead."
        raise Conflict(told, code="nothing_to_keep")


_ENDED = {JobState.SUCCEEDED: "succeeded", JobState.FAILED: "failed", JobState.CANCELLED: "been cancelled"}
_DONE = {"pause": "paused", "resume": "resumed", "keep": "kept"}
