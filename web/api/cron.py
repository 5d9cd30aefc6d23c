"""Cron read back while one types: a sentence, and the next five due ticks."""

from datetime import UTC, datetime
from itertools import islice

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from shared import cron
from shared.cron_sentences import sentence
from web.answers import json_answer
from web.api.bodies import ProblemBody
from web.api.schedule_bodies import CronBody, CronQuery
from web.auth import needs

api = APIBlueprint(
    "cron", __name__, url_prefix="/api/cron", abp_tags=[{"name": "schedules"}], abp_responses={"4XX": ProblemBody}
)

SHOWN = 5


@api.get("", responses={200: CronBody})
@needs("jobs:read")
def show(query: CronQuery) -> Response:
    """What a cron text means in a zone: a sentence, and the next five due ticks."""
    text, where = cron.parse(query.cron), cron.zone(query.zone)
    following = islice(cron.ticks(text, where, datetime.now(UTC)), SHOWN)
    body = {
        "cron": text,
        "zone": query.zone,
        "sentence": sentence(text, query.lang),
        "next": [due.astimezone(where).isoformat() for due in following],
    }
    return json_answer(body)
