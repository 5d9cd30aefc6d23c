"""The jobs of a batch on their way into the table: lines for one COPY, which is many times faster than inserts."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json
from sqlalchemy import text

from shared.drafts import lane_of
from shared.job import JobState
from shared.new_rows import BATCH_BEHIND_S, BATCH_STEP_S, PRIORITY_STEP_S

_COPIED = (
    "id", "owner_id", "kind", "params", "title", "state", "priority", "rank", "pool", "device_pin", "lane", "batch_key",
    "model", "seed", "time_limit_s", "batch_id", "batch_index",
)  # fmt: skip
SUBMIT_MANY = f"copy jobs ({', '.join(_COPIED)}) from stdin"
LOG_SUBMITTED = text(
    "insert into events (job_id, attempt, type) select id, attempt, 'submitted' from jobs where batch_id = :batch"
)


def copy_line(row: Mapping[str, Any], now: float) -> bytes:
    """A drafted job of a batch as a line for `SUBMIT_MANY`; `now` is the database's clock in epoch seconds."""
    rank = now - row["priority"] * PRIORITY_STEP_S + BATCH_BEHIND_S + row["batch_index"] * BATCH_STEP_S
    given = {**row, "params": to_json(row["params"]).decode(), "state": JobState.QUEUED.value, "rank": rank}
    given["lane"] = lane_of(row["kind"], of_batch=True)
    return ("\t".join([_copied(given[name]) for name in _COPIED]) + "\n").encode()


def _copied(value: Any) -> str:
    if value is None:
        return "\\N"
    told = str(value)
    return told.translate(_ESCAPES) if _ESCAPED.search(told) else told


_ESCAPED = re.compile(r"[\\\t\n\r]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
