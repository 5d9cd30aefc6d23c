"""What this installation can do."""

from typing import Any

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from shared import kinds
from web.answers import json_answer
from web.api.bodies import ProblemBody
from web.api.kind_bodies import KindsBody
from web.auth import needs

api = APIBlueprint(
    "kinds", __name__, url_prefix="/api/kinds", abp_tags=[{"name": "kinds"}], abp_responses={"4XX": ProblemBody}
)


@api.get("", responses={200: KindsBody})
@needs("jobs:read")
def index() -> Response:
    """Every kind with the JSON Schema of its params."""
    return json_answer({"kinds": [_body(name) for name in kinds.names()]})


def _body(name: str) -> dict[str, Any]:
    declared = kinds.params_class(name)
    return {
        "name": name,
        "title": declared.title,
        "summary": declared.summary,
        "icon": declared.icon,
        "output": declared.output,
        "pool": declared.pool,
        "fixed": kinds.fixed(name),
        "params": kinds.schema(name),
        "examples": declared.examples,
    }
