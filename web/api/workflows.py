"""Workflows: submit a graph of jobs, look, cancel the rest, retry what did not succeed, fetch what it made."""

from typing import Any

from flask import Response, request
from flask_openapi.blueprint import APIBlueprint
from werkzeug.wrappers import Response as BaseResponse

from shared import batch_results, workflow_listing, workflows
from shared.batch import Result
from shared.job import Artifact
from shared.workflow import Workflow
from shared.zips import safe_name
from web.answers import json_answer
from web.api.batches import stream
from web.api.bodies import ProblemBody
from web.api.rendering import result_body, workflow_body
from web.api.workflow_bodies import WorkflowBody, WorkflowPageBody, WorkflowPath, WorkflowQuery, WorkflowRequest
from web.auth import identity, needs
from web.idempotency import idempotency_key
from web.site import site

api = APIBlueprint(
    "workflows",
    __name__,
    url_prefix="/api/workflows",
    abp_tags=[{"name": "workflows"}],
    abp_responses={"4XX": ProblemBody},
)


@api.post("", responses={202: WorkflowBody})
@needs("jobs:write")
def submit(body: WorkflowRequest) -> Response:
    """Submit a graph of jobs: all of them, or, if anything is wrong, none. The same Idempotency-Key with the same body
    answers with the first workflow."""
    here = site()
    submitted = workflows.submit(here.db, identity().owner, body, idempotency_key=idempotency_key())
    here.ringer.ring(*submitted.pools)
    answer = _answer(submitted.workflow, 202)
    answer.headers["Location"] = f"/api/workflows/{submitted.workflow.id}"
    if not submitted.created:
        answer.headers["Idempotent-Replayed"] = "true"
    return answer


@api.get("", responses={200: WorkflowPageBody})
@needs("jobs:read")
def page(query: WorkflowQuery) -> Response:
    """Your workflows, newest first."""
    here = site()
    found = workflow_listing.page(here.db, identity().owner.id, limit=query.limit, cursor=query.cursor)
    every = workflow_listing.standings(here.db, found.items, files=True)
    return json_answer({"workflows": [workflow_body(each) for each in every], "next": found.next})


@api.get("/<workflow_id>", responses={200: WorkflowBody})
@needs("jobs:read")
def show(path: WorkflowPath) -> BaseResponse:
    """One workflow. With If-None-Match of the last ETag it answers 304 while none of its jobs has changed."""
    return _answer(_workflow(path)).make_conditional(request)


@api.post("/<workflow_id>/cancel", responses={200: WorkflowBody})
@needs("jobs:write")
def cancel(path: WorkflowPath) -> Response:
    """Cancel the rest: every step that waits, at once, and every one that runs, within a step of its own."""
    return _answer(workflows.cancel(site().db, identity().owner.id, path.workflow_id))


@api.post("/<workflow_id>/retry", responses={202: WorkflowBody})
@needs("jobs:write")
def retry(path: WorkflowPath) -> Response:
    """Submit anew every step that failed or was cancelled. What succeeded stays, and its files are used again."""
    here = site()
    here.ringer.ring(*workflows.retry(here.db, identity().owner, path.workflow_id))
    return _answer(_workflow(path), 202)


@api.get(
    "/<workflow_id>/results.zip", responses={200: {"content": {"application/zip": {"schema": {"type": "string"}}}}}
)
@needs("jobs:read")
def results_zip(path: WorkflowPath) -> Response:
    """Every output and model of every step as one zip archive, with a manifest at its end."""
    here, workflow = site(), _workflow(path)
    stands = workflow_listing.standing(here.db, workflow)
    found = [Result(stands.jobs[step.name], stands.files[step.name]) for step in workflow.steps]
    numbers = {step.name: number for number, step in enumerate(workflow.steps, 1)}

    def called(result: Result, artifact: Artifact) -> str:
        step = result.job.step or ""
        which = [each.id for each in result.artifacts].index(artifact.id)
        return f"{numbers[step]:02}-{safe_name(step)}-{which}-{safe_name(artifact.name)}"

    packed = batch_results.archive(here.storage, found, _described, called)
    return stream(packed, "application/zip", f"{workflow.id}.zip")


def _described(result: Result) -> dict[str, Any]:
    told = result_body(result)
    del told["index"]
    return {"step": result.job.step} | told


def _workflow(path: WorkflowPath) -> Workflow:
    return workflow_listing.get(site().db, identity().owner.id, path.workflow_id)


def _answer(workflow: Workflow, status: int = 200) -> Response:
    stands = workflow_listing.standing(site().db, workflow)
    answer = json_answer(workflow_body(stands), status)
    answer.set_etag(f"{workflow.id}-{stands.version}")
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer
