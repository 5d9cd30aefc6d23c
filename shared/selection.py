"""Many chosen jobs at once: cancelled, or submitted again. Each by itself, so that one that cannot stops no other."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from shared import jobs
from shared.db import Database
from shared.errors import AtelierError, Conflict, Invalid, NotFound, TooMany
from shared.job import Job
from shared.owners import Owner

MAX_CHOSEN = 200

Refusal = Literal["gone", "state", "invalid", "full"]
"""Why a job was left as it was: it is not there, its state does not fit, its request is wrong by now, no room."""


@dataclass(frozen=True)
class Outcome:
    """The jobs that were changed or made, and how many were left as they were, by the reason."""

    done: list[Job]
    refused: Counter[Refusal]

    @property
    def pools(self) -> set[str]:
        """Where there may be work now."""
        return {job.pool for job in self.done}


def cancel(db: Database, owner_id: str, job_ids: Sequence[str]) -> Outcome:
    """Cancel those of the owner's jobs that wait, and ask those that run to stop.

    Raises:
        Invalid: there are too many of them.
    """
    return _each(job_ids, lambda job_id: jobs.cancel(db, owner_id, job_id))


def retry(db: Database, owner: Owner, job_ids: Sequence[str], once: str | None = None) -> Outcome:
    """Submit those of the owner's jobs again that have ended. With `once` a second time makes no second jobs.

    Raises:
        Invalid: there are too many of them.
    """

    def one(job_id: str) -> Job:
        key = f"again-{once}-{job_id}" if once else None
        return jobs.retry(db, owner, job_id, idempotency_key=key).job

    return _each(job_ids, one)


def _each(job_ids: Sequence[str], act: Callable[[str], Job]) -> Outcome:
    chosen = list(dict.fromkeys(job_ids))
    if len(chosen) > MAX_CHOSEN:
        raise Invalid(f"Choose {MAX_CHOSEN} jobs at most.", field="pick")
    done: list[Job] = []
    refused: Counter[Refusal] = Counter()
    for job_id in chosen:
        try:
            done.append(act(job_id))
        except (NotFound, Conflict, Invalid, TooMany) as error:
            refused[_reason(error)] += 1
    return Outcome(done, refused)


def _reason(error: AtelierError) -> Refusal:
    match error:
        case NotFound():
            return "gone"
        case Conflict():
            return "state"
        case TooMany():
            return "full"
        case _:
            return "invalid"
