"""What a kill -9 in the middle of a training costs: until it is noticed, loaded again, and as far as it was."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from benchmarks.installation import Installation
from benchmarks.overhead import Figure
from benchmarks.training import LETTERS, texts
from shared import artifacts, jobs, listing, uploads
from shared.intake.caps import Caps
from shared.job import Job, JobState
from shared.queue import Ringer
from shared.storage import Storage
from shared.uploads import Arrived

_PATIENCE_S = 240
#: Half of the default interval of checkpoints: what a kill finds on average.
_AFTER_A_CHECKPOINT_S = 15


def killed(place: Installation) -> Iterator[Figure]:
    """A training by a worker process, all intervals those of an installation, killed halfway between checkpoints."""
    with place.worker(), _beat(place):
        sent = Arrived(texts(place.home.path / "texts.jsonl"), name="texts.jsonl")
        source = uploads.keep(place.db, Storage(place.settings.storage), place.owner.id, sent, Caps()).artifact.id
        checked = _submit(place, "check_dataset", {"name": "texts", "source": source, "validation": 0.02})
        _until(lambda: _now(place, checked).state is JobState.SUCCEEDED)
        job = _submit(
            place, "train_causal_lm", {**LETTERS, "name": "killed", "dataset": "texts", "steps": 1_000_000, "seed": 1}
        )
        _until(lambda: artifacts.has_checkpoint(place.db, job.id))
        time.sleep(_AFTER_A_CHECKPOINT_S)
        before, killed_at = _now(place, job).progress.done, time.monotonic()
        _child().kill()
        detect_s = _until(lambda: (_now(place, job).attempt, _now(place, job).state) == (2, JobState.RUNNING))
        reload_s = _until(lambda: _now(place, job).progress.done > 1)
        first = _now(place, job).progress.done
        redone_s = _until(lambda: _now(place, job).progress.done >= before)
        yield {
            "figure": "kill_lost_s",
            "value": round(time.monotonic() - killed_at, 1),
            "detected": round(detect_s, 1),
            "reloaded": round(reload_s, 1),
            "redone": round(redone_s, 1),
            "steps_redone": before - first + 1,
            "target": "detected <= 45",
        }
        jobs.cancel(place.db, place.owner.id, job.id)
        _until(lambda: _now(place, job).done)


def _submit(place: Installation, kind: str, params: dict[str, Any]) -> Job:
    job = jobs.submit(place.db, place.owner, kind, params).job
    Ringer(place.settings).ring(job.pool)
    return job


def _now(place: Installation, job: Job) -> Job:
    return listing.get(place.db, place.owner.id, job.id)


def _child() -> psutil.Process:
    """The process that runs the jobs."""
    return next(
        each
        for each in psutil.Process().children(recursive=True)
        if "spawn_main" in " ".join(each.cmdline()) and "worker" in " ".join(each.parent().cmdline())
    )


def _until(true: Callable[[], bool]) -> float:
    """Wait until something is true; the seconds it took."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > _PATIENCE_S:
            raise TimeoutError("the training does not go on")
        time.sleep(0.05)
    return time.monotonic() - began


@contextmanager
def _beat(place: Installation) -> Iterator[None]:
    process = place.run("beat", [sys.executable, "-m", "worker.beat"])
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
