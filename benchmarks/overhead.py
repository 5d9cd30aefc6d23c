"""What a kind costs over the same model called in a bare loop: claim, progress, previews, upload and finish included.

Both are timed in this process, turn about, so that a busy machine slows both. What is done with every work afterwards
(the safety filter, the signature) is left out here; `benchmarks.finishing` measures it.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
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
    """The kind's ratio over the bare loop: the median of pairs that were run one right after the other.

    `cpu_ratio` is of the processor time of this process: what others do on the machine changes it little.
    """
    pairs = timed(bare, lambda: ran(place, kind, params))
    return {
        "figure": f"{kind}_seconds",
        "bare": round(statistics.median(bare.wall for bare, _ in pairs), 3),
        "kind": round(statistics.median(ours.wall for _, ours in pairs), 3),
        "ratio": round(statistics.median(ours.wall / bare.wall for bare, ours in pairs), 3),
        "cpu_ratio": round(statistics.median(ours.cpu / bare.cpu for bare, ours in pairs), 3),
        "more_ms": round(1000 * statistics.median(ours.wall - bare.wall for bare, ours in pairs)),
        "target": "<= 1.05",
    }


@dataclass(frozen=True)
class Took:
    """Seconds of the clock, and of the processor in this process."""

    wall: float
    cpu: float


def timed(one: Callable[[], object], other: Callable[[], object]) -> list[tuple[Took, Took]]:
    """Both in turns, each warmed up before. Which goes first changes: the second finds a warmer cache."""
    for warm_up in (one, other):
        warm_up()
    pairs = []
    for number in range(ROUNDS):
        if number % 2:
            second = took(other)
            pairs.append((took(one), second))
        else:
            pairs.append((took(one), took(other)))
    return pairs


def took(work: Callable[[], object]) -> Took:
    """How long it takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)
