"""Which queued job a free device runs next: lanes take turns, owners within a lane, then aged priority near its model.

Start-time fair queueing (Goyal, Vin, Cheng 1996) twice, one within the other. A lane (what somebody waits for, batches,
trainings) and an owner each carry a virtual time; the one with the smallest is served, and pays the estimated device
seconds divided by its weight at once. Who was idle starts from the system's virtual time, so idleness is not saved up.
A job may be passed over for one whose model is in memory, or that shares a pass with one that runs; how often and for
how long is counted on its row. Claims take one row lock in turn. Decides only; `shared.attempts` writes the state.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import Connection, Row

from shared import attempts, kinds, library, turns
from shared.db import Database
from shared.drafts import Lane
from shared.job import Job

LANES = get_args(Lane)

MOST_PASSED = 8
"""A job that others have gone before this often goes next."""

PASSED_S = 10.0
"""And so does one that others have gone before since so long ago."""

AFFINITY_RANK_S = 3600.0
"""Nor is a job passed over for one of its owner that ranks this much behind it: a batch never goes before a single
job."""


@dataclass(frozen=True)
class Claimant:
    """The process that claims: one at a time per device. `pools` are those it serves."""

    worker_id: str
    device: str
    pools: tuple[str, ...]


def claim(db: Database, claimant: Claimant, *, lease_s: float, resident: Sequence[str] = ()) -> Job | None:
    """Take the best eligible job and start its attempt, or None where there is nothing for this device.

    `resident` names the models that the device holds in memory.
    """
    with db.begin() as connection:
        turn = _turn(connection, claimant)
        heads = _heads(connection, turn) if turn else []
        if not heads:
            return None
        head, passed = _best(heads, lambda each: each.model in resident)
        served = {"begins": head.begins, "lane_begins": head.lane_begins, "lease_s": lease_s}
        return next(iter(_start(connection, claimant, [head], passed, turn | served)), None)


def mates(db: Database, claimant: Claimant, job: Job, *, most: int, lease_s: float) -> list[Job]:
    """Start jobs that can share the passes of one that runs here, at most so many; fair between their owners.

    There are none while a job that cannot share them has been passed over for long enough: those that run are to come
    to an end first.
    """
    asked = {"key": job.batch_key, "owner": job.owner_id, "most": most}
    with db.begin() as connection:
        if not connection.execute(turns.ANY_MATE, _given(claimant) | {"key": job.batch_key}).scalar_one():
            return []
        turn = _turn(connection, claimant)
        if not turn:
            return []
        shared = library.for_everybody(connection, _models(job))
        found = connection.execute(turns.MATES, turn | asked | {"shared": shared}).all()
        others = [each for each in _line(_heads(connection, turn)) if each.batch_key != job.batch_key]
        if not found or any(_waited_enough(each) for each in others):
            return []
        # Whoever joins takes nobody's turn.
        served = {"begins": turn["now_served"], "lane_begins": turn["lane_now"], "lease_s": lease_s}
        return _start(connection, claimant, found, [each.id for each in others], turn | served)


def somebody_waits(db: Database, job: Job, pools: Sequence[str]) -> bool:
    """Whether a job that somebody waits for could run if this one, which trains, made room on its device.

    Where several trainings could make room, as many are to do so as there are such jobs: those last in line.
    """
    given = {"pools": list(pools), "kinds": list(kinds.names()), "training": list(kinds.training()), "job": job.id}
    with db.begin() as connection:
        return bool(connection.execute(turns.AWAITED, given).scalar_one())


def _given(claimant: Claimant) -> dict[str, Any]:
    return {"pools": list(claimant.pools), "kinds": list(kinds.names())}


def _turn(connection: Connection, claimant: Claimant) -> dict[str, Any]:
    """Take the turn to claim: what the statements of a claim are given. Empty where there is nothing to claim."""
    given = _given(claimant)
    now = connection.execute(turns.TAKE_TURN, given).one_or_none()
    return given | {"now_served": now.vtime, "lane_now": now.lane_vtime} if now else {}


def _heads(connection: Connection, turn: Mapping[str, Any]) -> Sequence[Row[Any]]:
    """The first jobs of the owners whose turn comes first in the lane whose turn it is, in order.

    A lane whose owners all run as many jobs as they may leaves its turn to the next.
    """
    for skipped in range(len(LANES)):
        heads = connection.execute(turns.HEADS, {**turn, "skipped": skipped}).all()
        if heads:
            return heads
    return []


def _best(heads: Sequence[Row[Any]], wanted: Callable[[Row[Any]], bool]) -> tuple[Row[Any], list[str]]:
    """The first job in line, or the first that is wanted and passes over none that has waited for long enough.

    Returns:
        The job, and those that are passed over for it.
    """
    line = _line(heads)
    for place, each in enumerate(line):
        if wanted(each):
            return each, [other.id for other in line[:place]]
        if _waited_enough(each):
            break
    return line[0], []


def _line(heads: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Those among which one may be passed over for another."""
    first = {each.owner_id: each.rank for each in reversed(heads)}
    return [each for each in heads if each.rank - first[each.owner_id] < AFFINITY_RANK_S]


def _waited_enough(head: Row[Any]) -> bool:
    return bool(head.passed >= MOST_PASSED or head.passed_for > PASSED_S)


def _start(
    connection: Connection,
    claimant: Claimant,
    chosen: Sequence[Row[Any]],
    passed: Sequence[str],
    turn: Mapping[str, Any],
) -> list[Job]:
    """Start the attempts of jobs of one kind and model, and charge their owners and lanes for them."""
    rows = {each.id: each for each in chosen}
    started = attempts.start(
        connection,
        list(rows),
        worker_id=claimant.worker_id,
        device=claimant.device,
        lease_s=turn["lease_s"],
        charged=chosen[0].cost,
    )
    if passed:
        connection.execute(turns.PASS, {"passed": list(passed)})
    paid = [{**turn, "owner": job.owner_id, "lane": rows[job.id].lane, "price": rows[job.id].cost} for job in started]
    if paid:
        connection.execute(turns.CHARGE, paid)
    return started


def _models(job: Job) -> list[str]:
    """The library models that a job names, without their versions."""
    declared = kinds.params_class(job.kind)
    named = [job.params.get(name) for name in declared.model_tasks()]
    for name in declared.adapter_tasks():
        named += [each["model"] for each in job.params.get(name) or ()]
    return [each.partition("@")[0] for each in named if each]
