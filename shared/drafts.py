"""What a job is before it is queued: checked params, and what follows from them for its row."""

import random
from dataclasses import dataclass
from typing import Any, Literal

from shared import kinds
from shared.ids import new_id
from shared.kinds.params import Params
from shared.placeholders import placeholders

Lane = Literal["interactive", "batch", "training"]

MAX_TITLE = 200
"""Characters of a prompt that its job has as a title."""


@dataclass(frozen=True)
class Placement:
    """What is asked for beside the params: how urgent, where, and for how long at most."""

    priority: int = 5
    pool: str | None = None
    device: str | None = None
    time_limit_s: float | None = None


def draft(kind: str, params: Params, placement: Placement) -> dict[str, Any]:
    """The columns of a job's row that params and placement decide, under a fresh id. Without a seed one is drawn."""
    # What is fixed by the administrator is kept as it will be done, not as the kind has it by default.
    asked = _asked(params) | kinds.fixed(kind)
    seed = asked.get("seed")
    return {
        "id": new_id("job"),
        "kind": kind,
        "params": asked,
        "title": title_of(params),
        "priority": placement.priority,
        "pool": pool_of(type(params), placement),
        "device_pin": placement.device,
        "batch_key": batch_key(kind, params),
        "model": params.affinity(),
        "seed": random.getrandbits(53) if seed is None else seed,
        "time_limit_s": placement.time_limit_s or type(params).time_limit_s,
    }


def batch_key(kind: str, params: Params) -> str | None:
    """What jobs have in common that can share a pass of their model; None where this one cannot."""
    # Of a step whose params are not all known yet nobody knows it.
    alike = None if placeholders(params.model_dump(mode="json")) else params.batch_key()
    return None if alike is None else f"{kind} {params.affinity()} {alike}"


def lane_of(kind: str, *, of_batch: bool = False) -> Lane:
    """Among what a job takes its turn: trainings, batches, or what somebody waits for."""
    if kinds.trains(kind):
        return "training"
    return "batch" if of_batch else "interactive"


def title_of(params: Params) -> str:
    """What lists show of a job; an ellipsis ends what is cut."""
    told = params.headline()
    return told if len(told) <= MAX_TITLE else f"{told[: MAX_TITLE - 1]}…"


def _asked(params: Params) -> dict[str, Any]:
    """The params as they are kept: nothing where nothing was asked for, but where that is not what a field begins as.

    A training without a base, for one, begins from nothing; left out, it would get the base that its kind begins with.
    """
    fields = type(params).model_fields.items()
    emptied = {name: None for name, field in fields if getattr(params, name) is None and field.default is not None}
    return params.model_dump(mode="json", exclude_none=True) | emptied


def pool_of(declared: type[Params], placement: Placement) -> str:
    """Where a kind's jobs go: to the device or the pool that is named, else to the kind's own pool."""
    return placement.device or placement.pool or declared.pool
