"""What goes in and out of the API of workflows, as models: the OpenAPI document is drawn from them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from shared.steps import Asked
from web.api.artifact_bodies import ArtifactBody
from web.api.batch_bodies import CountsBody
from web.api.bodies import Answer, State, Strict
from web.api.job_bodies import ErrorBody


class WorkflowRequest(Asked):
    """A graph of jobs. In params, {"from": step, "role": "output", "index": 0} stands for what another step makes."""


class StepProgressBody(Answer):
    """How far a step is."""

    done: int
    total: int | None
    note: str


class StepBody(Answer):
    """A step of a workflow: its latest job."""

    name: str
    kind: str
    needs: list[str] = Field(description="The steps whose success it takes.")
    waits_for: list[str] = Field(description="Those of them that have not succeeded yet.")
    params: dict[str, Any] = Field(description="Once it has begun, with what its placeholders stood for.")
    job_id: str
    state: State
    progress: StepProgressBody
    error: ErrorBody | None
    artifacts: list[ArtifactBody]


class WorkflowLinksBody(Answer):
    """Where to go from here."""

    self: str
    cancel: str
    retry: str
    results_zip: str
    page: str


class WorkflowBody(Answer):
    """A workflow; each of its steps stands behind those that it needs."""

    id: str
    title: str
    state: State
    total: int
    counts: CountsBody
    steps: list[StepBody]
    created_at: datetime
    finished_at: datetime | None
    links: WorkflowLinksBody


class WorkflowPageBody(Answer):
    """Some workflows, newest first."""

    workflows: list[WorkflowBody]
    next: str | None = Field(description="The cursor of the next page, if there is one.")


class WorkflowPath(BaseModel):
    """A workflow's id."""

    workflow_id: Annotated[str, Field(max_length=60)]


class WorkflowQuery(Strict):
    """Which page of workflows."""

    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = Field(None, max_length=60)
