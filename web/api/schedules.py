"""Schedules: make, look, change, pause, resume, run now, look back, delete."""

from typing import Any

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from shared import schedules
from shared.cron_sentences import sentence
from shared.schedule import Run, Schedule
from web.answers import json_answer
from web.api.bodies import ProblemBody
from web.api.schedule_bodies import (
    CursorQuery,
    PauseRequest,
    RunBody,
    RunPageBody,
    ScheduleBody,
    ScheduleChange,
    SchedulePageBody,
    SchedulePath,
    ScheduleRequest,
)
from web.auth import identity, needs
from web.idempotency import idempotency_key
from web.site import site

api = APIBlueprint(
    "schedules",
    __name__,
    url_prefix="/api/schedules",
    abp_tags=[{"name": "schedules"}],
    abp_responses={"4XX": ProblemBody},
)


@api.post("", responses={201: ScheduleBody})
@needs("jobs:write")
def create(body: ScheduleRequest) -> Response:
    """Make a schedule. Its template is checked as its next run would be; an `Idempotency-Key` makes it once."""
    made = schedules.create(site().db, identity().owner, body, idempotency_key=idempotency_key())
    answer = json_answer(_body(made), 201)
    answer.headers["Location"] = f"/api/schedules/{made.id}"
    return answer


@api.get("", responses={200: SchedulePageBody})
@needs("jobs:read")
def page(query: CursorQuery) -> Response:
    """Your schedules, newest first."""
    found = schedules.page(site().db, identity().owner.id, limit=query.limit, cursor=query.cursor)
    return json_answer({"schedules": [_body(each) for each in found.items], "next": found.next})


@api.get("/<schedule_id>", responses={200: ScheduleBody})
@needs("jobs:read")
def show(path: SchedulePath) -> Response:
    """One schedule."""
    return json_answer(_body(schedules.get(site().db, identity().owner.id, path.schedule_id)))


@api.patch("/<schedule_id>", responses={200: ScheduleBody})
@needs("jobs:write")
def change(path: SchedulePath, body: ScheduleChange) -> Response:
    """Change some of it. A new cron or zone counts from now on."""
    changes = body.model_dump(exclude_unset=True)
    return json_answer(_body(schedules.change(site().db, identity().owner, path.schedule_id, changes)))


@api.delete("/<schedule_id>", responses={204: None})
@needs("jobs:write")
def delete(path: SchedulePath) -> Response:
    """Delete a schedule and its history; the jobs that it submitted stay."""
    schedules.delete_schedule(site().db, identity().owner.id, path.schedule_id)
    return Response(status=204)


@api.post("/<schedule_id>/pause", responses={200: ScheduleBody})
@needs("jobs:write")
def pause(path: SchedulePath, body: PauseRequest) -> Response:
    """Let nothing become due until it is resumed."""
    return json_answer(_body(schedules.pause(site().db, identity().owner.id, path.schedule_id, body.reason)))


@api.post("/<schedule_id>/resume", responses={200: ScheduleBody})
@needs("jobs:write")
def resume(path: SchedulePath) -> Response:
    """Go on from now; what would have been due meanwhile is not made up for."""
    return json_answer(_body(schedules.resume(site().db, identity().owner, path.schedule_id)))


@api.post("/<schedule_id>/run", responses={202: RunBody})
@needs("jobs:write")
def run(path: SchedulePath) -> Response:
    """Run it now, paused or not, by its overlap policy. Twice within a second is one run."""
    here = site()
    made = schedules.run_now(here.db, identity().owner.id, path.schedule_id)
    here.ringer.ring(*made.pools)
    return json_answer(_run_body(made.run), 202)


@api.get("/<schedule_id>/runs", responses={200: RunPageBody})
@needs("jobs:read")
def history(path: SchedulePath, query: CursorQuery) -> Response:
    """What became of its due ticks, newest first."""
    owner_id = identity().owner.id
    found = schedules.runs(site().db, owner_id, path.schedule_id, limit=query.limit, cursor=query.cursor)
    return json_answer({"runs": [_run_body(each) for each in found.items], "next": found.next})


def _body(schedule: Schedule) -> dict[str, Any]:
    times = {name: getattr(schedule, name) for name in ("paused_at", "next_due", "last_due", "created_at")}
    here = f"/api/schedules/{schedule.id}"
    return {
        "id": schedule.id,
        **schedule.terms.model_dump(mode="json"),
        "sentence": sentence(schedule.terms.cron, "en"),
        **{name: moment.isoformat() if moment else None for name, moment in times.items()},
        "pause_reason": schedule.pause_reason,
        "run_count": schedule.run_count,
        "revision": schedule.revision,
        "links": {
            "self": here,
            "runs": f"{here}/runs",
            "run": f"{here}/run",
            "pause": f"{here}/pause",
            "resume": f"{here}/resume",
        },
    }


def _run_body(run: Run) -> dict[str, Any]:
    return {
        "due_at": run.due_at.isoformat(),
        "number": run.number,
        "state": run.state.value,
        "reason": run.reason,
        "manual": run.manual,
        "job_id": run.job_id,
        "job_state": run.job_state.value if run.job_state else None,
        "batch_id": run.batch_id,
        "batch_state": run.batch_state.value if run.batch_state else None,
    }
