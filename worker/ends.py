"""The ends of attempts that are written with what the attempt has made. Each is repeated while the database is away."""

from collections.abc import Callable

from shared import attempts, searches, trials
from shared.db import Database
from worker.attempt import Attempt
from worker.persisting import persist

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
