"""Rows as the native API shows them: plain dictionaries of the shapes in `web.api.bodies`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.batch import Batch, Result, Tally
from shared.dependencies import Need
from shared.feedback import Feedback
from shared.gallery import Item
from shared.job import Artifact, Job
from shared.listing import Position
from shared.workflow import PlannedStep, Standing


def job_body(
    job: Job, files: Sequence[Artifact], place: Position | None, waits_for: Sequence[Need] = ()
) -> dict[str, Any]:
    """A job with its artifacts, its place in line, and what it waits for."""
    return {
        "id": job.id,
        "kind": job.kind,
        "title": job.title,
        "state": job.state.value,
        "params": job.params,
        "priority": job.priority,
        "pool": job.pool,
        "model": job.model,
        "model_version": job.model_version,
        "made_with": job.made_with,
        "seed": job.seed,
        "progress": {
            "done": job.progress.done,
            "total": job.progress.total,
            "note": job.progress.note,
            "text": job.progress.text,
        },
        "position": {"ahead": place.ahead, "wait_s": place.wait_s} if place else None,
        "waits_for": [{"job_id": each.job_id, "step": each.step, "state": each.state.value} for each in waits_for],
        "held": job.held,
        "wish": job.wish,
        "attempt": job.attempt,
        "device": job.device,
        "cancel_requested": job.cancel_requested,
        "timings": _timings(job),
        "metrics": job.metrics,
        "error": _error(job),
        "artifacts": [artifact_body(each) for each in files],
        "parent_id": job.parent_id,
        "batch_id": job.batch_id,
        "batch_index": job.batch_index,
        "workflow_id": job.workflow_id,
        "step": job.step,
        "searched_by": job.searched_by,
        "trial": job.trial,
        "links": {
            "self": f"/api/jobs/{job.id}",
            "events": f"/api/jobs/{job.id}/events",
            "points": f"/api/jobs/{job.id}/points",
            "cancel": f"/api/jobs/{job.id}/cancel",
            "retry": f"/api/jobs/{job.id}/retry",
            "page": f"/jobs/{job.id}",
        },
    }


def artifact_body(artifact: Artifact) -> dict[str, Any]:
    """An artifact with the address of its bytes."""
    return {
        "id": artifact.id,
        "role": artifact.role,
        "name": artifact.name,
        "media_type": artifact.media_type,
        "size": artifact.size,
        "sha256": artifact.sha256,
        "content_sha256": artifact.content_sha256,
        "url": f"/api/artifacts/{artifact.id}",
        "meta": artifact.meta,
    }


def listed_body(item: Item) -> dict[str, Any]:
    """A file of the gallery, and how it was made."""
    artifact = item.artifact
    picture = artifact.media_type.startswith("image/")
    return artifact_body(artifact) | {
        "width": artifact.width,
        "height": artifact.height,
        "thumbnail": f"/api/artifacts/{artifact.id}/thumbnail" if picture or artifact.thumb_key else None,
        "starred_at": artifact.starred_at.isoformat() if artifact.starred_at else None,
        "created_at": artifact.created_at.isoformat(),
        "job_id": artifact.job_id,
        "kind": item.kind,
        "title": item.title,
        "model": item.model,
        "model_version": item.model_version,
        "seed": item.own_seed,
        "params": item.params,
    }


def upload_body(artifact: Artifact) -> dict[str, Any]:
    """A file that was uploaded."""
    seen = artifact.media_type.startswith("image/") or artifact.thumb_key is not None
    return artifact_body(artifact) | {
        "width": artifact.width,
        "height": artifact.height,
        "thumbnail": f"/api/artifacts/{artifact.id}/thumbnail" if seen else None,
        "created_at": artifact.created_at.isoformat(),
    }


def batch_body(batch: Batch, tally: Tally) -> dict[str, Any]:
    """A batch and how it stands."""
    here = f"/api/batches/{batch.id}"
    return {
        "id": batch.id,
        "kind": batch.kind,
        "title": batch.title,
        "state": tally.state.value,
        "total": batch.total,
        "counts": {state.value: count for state, count in tally.counts.items()},
        "priority": batch.priority,
        "pool": batch.pool,
        "asked": batch.asked,
        "created_at": batch.created_at.isoformat(),
        "finished_at": tally.finished_at.isoformat() if tally.finished_at else None,
        "links": {
            "self": here,
            "jobs": f"{here}/jobs",
            "cancel": f"{here}/cancel",
            "retry": f"{here}/retry",
            "results_jsonl": f"{here}/results.jsonl",
            "results_zip": f"{here}/results.zip",
            "page": f"/batches/{batch.id}",
        },
    }


def workflow_body(stands: Standing) -> dict[str, Any]:
    """A workflow, how it stands, and its steps, each behind what it needs."""
    workflow, here = stands.workflow, f"/api/workflows/{stands.workflow.id}"
    return {
        "id": workflow.id,
        "title": workflow.title,
        "state": stands.state.value,
        "total": len(workflow.steps),
        "counts": {state.value: count for state, count in stands.counts.items()},
        "steps": [_step(stands, step) for step in workflow.steps],
        "created_at": workflow.created_at.isoformat(),
        "finished_at": stands.finished_at.isoformat() if stands.finished_at else None,
        "links": {
            "self": here,
            "cancel": f"{here}/cancel",
            "retry": f"{here}/retry",
            "results_zip": f"{here}/results.zip",
            "page": f"/workflows/{workflow.id}",
        },
    }


def _step(stands: Standing, step: PlannedStep) -> dict[str, Any]:
    job = stands.jobs[step.name]
    return {
        "name": step.name,
        "kind": step.kind,
        "needs": list(step.needs),
        "waits_for": stands.waits_for(step),
        "params": job.params,
        "job_id": job.id,
        "state": job.state.value,
        "progress": {"done": job.progress.done, "total": job.progress.total, "note": job.progress.note},
        "error": _error(job),
        "artifacts": [artifact_body(each) for each in stands.files.get(step.name, [])],
    }


def result_body(result: Result) -> dict[str, Any]:
    """One number of a batch as a line of its results."""
    job = result.job
    return {
        "index": job.batch_index,
        "job_id": job.id,
        "state": job.state.value,
        "params": job.params,
        "seed": job.seed,
        "model_version": job.model_version,
        "error": _error(job),
        "artifacts": [artifact_body(each) for each in result.artifacts],
    }


def _error(job: Job) -> dict[str, Any] | None:
    return {"code": job.error_code, "message": job.error_message or ""} if job.error_code else None


def _timings(job: Job) -> dict[str, Any]:
    return {
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "queued_s": _seconds(job.created_at, job.started_at),
        "running_s": _seconds(job.started_at, job.finished_at),
    }


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end else None


def feedback_body(said: Feedback | None) -> dict[str, Any]:
    """What somebody said of a result; nothing said is all null."""
    return {
        "thumb": said.thumb if said else None,
        "edit": said.edit if said else None,
        "given_at": said.given_at.isoformat() if said else None,
    }
