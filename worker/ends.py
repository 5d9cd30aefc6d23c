"""The ends of attempts: what a kind has raised, or not, becomes what its job is. Each is written again and again while
the database is away."""

import logging
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from shared import attempts, searches, trials
from shared.artifacts import NewArtifact
from shared.db import Database
from shared.errors import (
    AwaitsTrials,
    Broken,
    Cancelled,
    Invalid,
    JobError,
    Pruned,
    RetryableError,
    StoodAside,
    Superseded,
    TimeLimit,
    Unavailable,
)
from worker.attempt import Attempt
from worker.health import Health, is_fatal
from worker.persisting import persist
from worker.pulse import Drained, time_limit_sentence
from worker.residency import Residency, is_out_of_memory
from worker.sentences import ASIDE, out_of_memory_sentence, unexpected_sentence

log = logging.getLogger(__name__)

ENDINGS = (Cancelled, TimeLimit, StoodAside, AwaitsTrials, Pruned, Superseded, Drained)
"""How an attempt ends that no kind may catch."""

Ring = Callable[..., None]


def finish(db: Database, attempt: Attempt, ring: Ring, *, pruned: bool = False) -> None:
    """The job has succeeded; a trial that was given up leaves only its curves."""
    persist(
        lambda: attempts.finish(
            db,
            attempt.job,
            [] if pruned else attempt.outputs,
            progress=attempt.last_progress,
            metrics=attempt.metrics | ({trials.PRUNED: 1.0} if pruned else {}),
            model_version=attempt.model_version,
            made_with=attempt.made_with,
            chosen=attempt.search.chosen,
            device_s=attempt.shared_s,
            ring=ring,
        )
    )


def await_trials(db: Database, attempt: Attempt, ring: Ring) -> None:
    """The search goes back to the queue with its new trials, until one of them ends."""
    job, asked = attempt.job, attempt.search
    progress, metrics = attempt.last_progress, attempt.metrics
    pools = persist(lambda: searches.wait(db, job, asked.new, ended=asked.ended, progress=progress, metrics=metrics))
    if pools is None:
        persist(lambda: attempts.stop(db, job))
    else:
        ring(*pools)


class Ends:
    """Writes the ends of a device's attempts."""

    def __init__(self, db: Database, ring: Ring, residency: Residency, health: Health, retry_s: float) -> None:
        self.db, self.ring, self.residency, self.health, self.retry_s = db, ring, residency, health, retry_s

    def write(self, attempt: Attempt, error: BaseException | None) -> None:
        """Write the end of an attempt that raised this, or nothing; safe to repeat while the database is away."""
        job = attempt.job
        persist(attempt.points.write)
        match error:
            case None:
                finish(self.db, attempt, self.ring)
            case Pruned():
                finish(self.db, attempt, self.ring, pruned=True)
            case AwaitsTrials():
                await_trials(self.db, attempt, self.ring)
            case Superseded():
                log.warning("%s attempt %d was superseded; its result is dropped", job.id, job.attempt)
            case Cancelled():
                persist(lambda: attempts.stop(self.db, job, attempt.shared_s))
            case Drained():
                persist(lambda: attempts.release(self.db, job, "the worker shut down", attempt.shared_s))
            case StoodAside():
                why = ASIDE.get(attempt.stood_aside_for or "", ASIDE["yield"])
                persist(lambda: attempts.release(self.db, job, why))
                self.ring(job.pool)
            case TimeLimit():
                self.fail(attempt, "time_limit", time_limit_sentence(job.time_limit_s))
            case _:
                self._conclude_error(attempt, error)

    def _conclude_error(self, attempt: Attempt, error: BaseException) -> None:
        match error:
            case Broken():
                self.fail(attempt, error.code, str(error), kept=self._kept(attempt))
            case JobError() | Invalid():
                self.fail(attempt, error.code, str(error))
            case RetryableError() | Unavailable():
                self.fail(attempt, error.code, str(error), retryable=True)
            case _ if is_out_of_memory(error):
                self.residency.clear()
                self.fail(attempt, "out_of_memory", out_of_memory_sentence(attempt.job), error)
            case _ if is_fatal(error):
                self.fail(attempt, "device_error", "The device failed in the middle of the job.", error, retryable=True)
                self.health.record_and_exit(error)
            case _:
                # A bug in a kind or a bad file fails each time; the machine's troubles may pass.
                passing = isinstance(error, OSError | RuntimeError)
                self.fail(attempt, "internal", unexpected_sentence(error), error, retryable=passing)

    def _kept(self, attempt: Attempt) -> list[NewArtifact]:
        """What a broken job leaves, stored; best effort, for the sentence that says why matters more."""
        try:
            attempt.upload()
        except Unavailable:
            log.exception("what %s made could not be stored", attempt.job_id)
            return []
        return attempt.outputs

    def fail(
        self,
        attempt: Attempt,
        code: str,
        message: str,
        error: BaseException | None = None,
        *,
        retryable: bool = False,
        kept: Sequence[NewArtifact] = (),
    ) -> None:
        """The job has failed, or is tried again if what went wrong may pass and its budget allows."""
        logs = [*kept]
        if error is not None:
            log.error("%s attempt %d failed", attempt.job_id, attempt.job.attempt, exc_info=error)
            logs += attempt.save_log("".join(traceback.format_exception(error)))
        how: dict[str, Any] = {"retryable": retryable, "retry_s": self.retry_s, "device_s": attempt.shared_s}
        persist(lambda: attempts.fail(self.db, attempt.job, code, message, logs=logs, **how))
