"""What a kind costs over the same model called in a bare loop: claim, progress, previews, upload and finish included.

Both are timed in this process, turn about, so that a busy machine slows both. What is done with every work afterwards
(the safety filter, the signature) is left out here; `benchmarks.finishing` measures it.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.installation import Installation
from shared import jobs, library, listing
from shared.job import Job, JobState
from shared.library import ModelSource
from worker.devices import find_devices
from worker.runner import Runner

Figure = dict[str, object]

ROUNDS = 7
UNFINISHED = {"safety_filter": False, "content_credentials": False}

_runners: dict[int, Runner] = {}


def runner_of(place: Installation) -> Runner:
    """One worker's runner in this process: what the Celery task calls."""
    if id(place) not in _runners:
        _runners[id(place)] = Runner(place.settings, find_devices(("cpu",))[0])
        _runners[id(place)].begin()
    return _runners[id(place)]


def source_of(place: Installation, name: str) -> ModelSource:
    """A starter model's files."""
    runner = runner_of(place)
    return library.resolve(place.db, runner.storage, place.owner.id, name, place.home.path / "cache")


def ran(place: Installation, kind: str, params: dict[str, Any]) -> Job:
    """A job, run to its end."""
    job = jobs.submit(place.db, place.owner, kind, params).job
    assert runner_of(place).work_off() == 1
    ended = listing.get(place.db, place.owner.id, job.id)
    assert ended.state is JobState.SUCCEEDED, ended.error_message
    return ended


def compared(place: Installation, kind: str, params: dict[str, Any], bare: Callable[[], object]) -> Figure:
    """The kind's ratio over the bare loop: the median of pairs that were run one right after the other."""
    pairs = timed(bare, lambda: ran(place, kind, params))
    return {
        "figure": f"{kind}_seconds",
        "bare": round(statistics.median(pair[0] for pair in pairs), 3),
        "kind": round(statistics.median(pair[1] for pair in pairs), 3),
        "ratio": round(statistics.median(pair[1] / pair[0] for pair in pairs), 3),
        "target": "<= 1.05",
    }


def timed(one: Callable[[], object], other: Callable[[], object]) -> list[tuple[float, float]]:
    """Seconds of both in turns, each warmed up before. Which goes first changes: the second finds a warmer cache."""
    for warm_up in (one, other):
        warm_up()
    pairs = []
    for number in range(ROUNDS):
        if number % 2:
            second = seconds(other)
            pairs.append((seconds(one), second))
        else:
            pairs.append((seconds(one), seconds(other)))
    return pairs


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
