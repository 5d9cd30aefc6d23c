"""Claims jobs for one device and runs them, one at a time, until nothing is left.

The one place where what a kind raises becomes what a job is. Knows no Celery and no HTTP.
"""

import logging
import os
import shutil
import threading
import traceback
from collections.abc import Sequence

from shared import attempts, claims, devices, kinds, signers
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.devices import Report, State
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
from shared.ids import new_id
from shared.job import Job
from shared.queue import Ringer
from shared.settings import Settings
from shared.signing import signing_key
from shared.storage import Storage
from worker import ends, steps
from worker.attempt import Attempt
from worker.devices import Device
from worker.finishing.finisher import Finisher
from worker.health import Health, is_fatal
from worker.kinds import run_function
from worker.lock import DeviceLock
from worker.mates import helped
from worker.mirror import mirrored
from worker.persisting import persist
from worker.pulse import Drained, Pulse, Room, time_limit_sentence
from worker.residency import Residency, cuda_memory, is_out_of_memory, process_memory
from worker.sentences import ASIDE, out_of_memory_sentence, unexpected_sentence

log = logging.getLogger(__name__)

_ENDINGS = (Cancelled, TimeLimit, StoodAside, AwaitsTrials, Pruned, Superseded, Drained)
"""How an attempt ends that no kind may catch."""


class Runner:
    """A device's worker process: its claims, its resident models, its pulse."""

    def __init__(self, settings: Settings, device: Device) -> None:
        self.settings = settings
        self.device = device
        self.worker_id = new_id("wkr")
        self.db = Database(settings.database_url, pool_size=2)
        self.storage = Storage(settings.storage)
        self.key = signing_key(settings.signing, settings.producer)
        self.finisher = Finisher(settings, self.key)
        self.ringer = Ringer(settings)
        self.health = Health(settings.home / "run" / f"{device.slug}.faults")
        self.residency = Residency(device.budget(settings), cuda_memory if device.is_gpu else process_memory)
        self._lock = DeviceLock(settings.home / "run" / f"{device.slug}.lock")
        self._ready = False
        self._job_id: str | None = None
        self._drain_requested = False
        self._serves_accelerated = device.is_gpu
        self.pulse = Pulse(settings, self.db, self._report, device.slug, self._makes_room)

    def begin(self) -> None:
        """Begin the pulse, and take the device over: at once, or when an earlier process of it has finished."""
        self.pulse.start()
        if self._lock.take(wait=False):
            self._take_over()
            return
        log.warning("%s: an earlier worker still finishes its job", self.device.id)
        threading.Thread(target=self._wait_for_device, name="take-over", daemon=True).start()

    def _wait_for_device(self) -> None:
        try:
            self._lock.take(wait=True)
            self._take_over()
        except Exception:
            log.exception("%s: the device could not be taken over; this process ends", self.device.id)
            os._exit(1)

    def _take_over(self) -> None:
        """Put back what an earlier process of this device left, and look for work."""
        left = persist(lambda: attempts.reclaim(self.db, self.device.id, self.worker_id))
        if left.requeued or left.ended:
            log.warning("%s: %d job(s) of a lost worker put back, %d ended", self.device.id, left.requeued, left.ended)
        self._ready = True
        persist(lambda: signers.register(self.db, self.key))
        # Before the bell: the report also finds out whether "accelerated" jobs are this device's to claim.
        persist(self._report)
        self.ringer.ring(*left.pools, *self._pools())

    def work_off(self) -> int:
        """Claim and run until there is nothing for this device; returns how many jobs were run."""
        count = 0
        while self._may_claim() and (job := self._claim()) is not None:
            self.run(job)
            count += 1
        return count

    def run(self, job: Job) -> None:
        """Run one claimed job to its end, whatever that is."""
        # There may be more: the next device hears of it while this one works.
        self.ringer.ring(job.pool)
        workdir = self.settings.home / "tmp" / f"{job.id}-{job.attempt}"
        attempt = Attempt(
            job,
            db=self.db,
            storage=self.storage,
            residency=self.residency,
            torch_device=self.device.torch_name,
            workdir=workdir,
            cache=self.settings.home / "cache",
        )
        self._job_id = job.id
        self.pulse.watch(attempt)
        try:
            self._conclude(attempt, self._outcome(attempt))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the end cannot be written as it is; the job must have one
            self._fail(attempt, "internal", unexpected_sentence(error), error)
        finally:
            self._job_id = None
            self.pulse.release()
            shutil.rmtree(workdir, ignore_errors=True)

    def _outcome(self, attempt: Attempt) -> BaseException | None:
        """Run the kind, and once more with less in memory where that ran out; what it raised, or None."""
        error = self._once(attempt)
        if error is None or not is_out_of_memory(error):
            return error
        log.warning("%s ran out of memory: once more, with as little in it as possible", attempt.job_id)
        # The error's frames hold what filled the memory.
        del error
        self.residency.clear()
        attempt.begin_lean()
        return self._once(attempt)

    def _once(self, attempt: Attempt) -> BaseException | None:
        job = attempt.job
        try:
            attempt.workdir.mkdir(parents=True)
            attempt.job = job = steps.filled(self.db, self.storage, job)
            params = kinds.validate(job.kind, job.params)
            attempt.finish_by(self.finisher, params, self.device.title if self.device.is_gpu else "cpu")
            with mirrored(attempt, self.settings), helped(attempt, self.device) as ctx:
                run_function(job.kind)(params, ctx)
            attempt.upload()
        except (*_ENDINGS, Exception) as error:  # noqa: BLE001 - told apart just below
            return error
        return None

    def _conclude(self, attempt: Attempt, error: BaseException | None) -> None:
        """Write the end of an attempt; each write is safe to repeat while the database is away."""
        job = attempt.job
        persist(attempt.points.write)
        match error:
            case None:
                ends.finish(self.db, attempt, self.ringer.ring)
            case Pruned():
                ends.finish(self.db, attempt, self.ringer.ring, pruned=True)
            case AwaitsTrials():
                ends.await_trials(self.db, attempt, self.ringer.ring)
            case Superseded():
                log.warning("%s attempt %d was superseded; its result is dropped", job.id, job.attempt)
            case Cancelled():
                persist(lambda: attempts.stop(self.db, job))
            case Drained():
                persist(lambda: attempts.release(self.db, job, "the worker shut down"))
            case StoodAside():
                why = ASIDE.get(attempt.stood_aside_for or "", ASIDE["yield"])
                persist(lambda: attempts.release(self.db, job, why))
                self.ringer.ring(job.pool)
            case TimeLimit():
                self._fail(attempt, "time_limit", time_limit_sentence(job.time_limit_s))
            case _:
                self._conclude_error(attempt, error)

    def _conclude_error(self, attempt: Attempt, error: BaseException) -> None:
        match error:
            case Broken():
                self._fail(attempt, error.code, str(error), kept=self._kept(attempt))
            case JobError() | Invalid():
                self._fail(attempt, error.code, str(error))
            case RetryableError() | Unavailable():
                self._fail(attempt, error.code, str(error), retryable=True)
            case _ if is_out_of_memory(error):
                self.residency.clear()
                self._fail(attempt, "out_of_memory", out_of_memory_sentence(attempt.job), error)
            case _ if is_fatal(error):
                self._fail(
                    attempt, "device_error", "The device failed in the middle of the job.", error, retryable=True
                )
                self.health.record_and_exit(error)
            case _:
                # A bug in a kind or a bad file fails each time; the machine's troubles may pass.
                passing = isinstance(error, OSError | RuntimeError)
                self._fail(attempt, "internal", unexpected_sentence(error), error, retryable=passing)

    def _kept(self, attempt: Attempt) -> list[NewArtifact]:
        """What a broken job leaves, stored; best effort, for the sentence that says why matters more."""
        try:
            attempt.upload()
        except Unavailable:
            log.exception("what %s made could not be stored", attempt.job_id)
            return []
        return attempt.outputs

    def _fail(
        self,
        attempt: Attempt,
        code: str,
        message: str,
        error: BaseException | None = None,
        *,
        retryable: bool = False,
        kept: Sequence[NewArtifact] = (),
    ) -> None:
        logs = [*kept]
        if error is not None:
            log.error("%s attempt %d failed", attempt.job_id, attempt.job.attempt, exc_info=error)
            logs += attempt.save_log("".join(traceback.format_exception(error)))
        retry_s = self.settings.retry_s
        persist(
            lambda: attempts.fail(self.db, attempt.job, code, message, retryable=retryable, retry_s=retry_s, logs=logs)
        )

    def _claim(self) -> Job | None:
        claimant = Claimant(self.worker_id, self.device.id, self._pools())
        try:
            return claims.claim(self.db, claimant, lease_s=self.settings.lease_s, resident=self.residency.models())
        except Unavailable as error:
            log.warning("no claim: %s", error)
            return None

    def _pools(self) -> tuple[str, ...]:
        own = (*self.device.pools, self.device.id)
        return (*own, "accelerated") if self._serves_accelerated else own

    def _makes_room(self, job: Job) -> Room | None:
        """Why a training that runs here is to make room, if it is; asked by the pulse thread."""
        if self.pulse.draining or self._drain_requested:
            return "leave"
        return "yield" if claims.somebody_waits(self.db, job, self._pools()) else None

    def _may_claim(self) -> bool:
        if not self._ready or self.pulse.draining or self._drain_requested or self.health.quarantined():
            return False
        if self.health.untested():
            self.health.self_test(self.device.torch_name)
        return True

    def _report(self) -> None:
        """Tell the site about this device; called by the pulse thread."""
        if not self._ready:
            return  # it is still the earlier process's to report
        used = cuda_memory() if self.device.is_gpu else process_memory()
        self._drain_requested = devices.report(
            self.db,
            Report(
                id=self.device.id,
                host=self.device.host,
                name=self.device.name,
                title=self.device.title,
                pool=self.device.pools[0],
                worker_id=self.worker_id,
                state=self._state(),
                memory_total=self.device.memory,
                memory_used=used,
                resident=self.residency.resident(),
                job_id=self._job_id,
                note=self.health.note(),
            ),
        )
        self._serves_accelerated = self.device.is_gpu or not devices.has_gpu(self.db)

    def _state(self) -> State:
        if self.health.quarantined():
            return "quarantined"
        if self.pulse.draining or self._drain_requested:
            return "draining"
        return "busy" if self._job_id else "idle"
