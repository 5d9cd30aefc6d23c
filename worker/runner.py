"""Claims jobs for one device and runs them, one at a time or side by side, until nothing is left.

Knows no Celery and no HTTP; what a kind raises becomes what its job is in `worker.ends`.
"""

import logging
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from shared import attempts, claims, devices, kinds, signers
from shared.claims import Claimant
from shared.db import Database
from shared.devices import Report, State
from shared.errors import (
    Unavailable,
)
from shared.ids import new_id
from shared.job import Job
from shared.kinds.params import Params
from shared.queue import Ringer
from shared.settings import Settings
from shared.signing import signing_key
from shared.storage import Storage
from worker import steps
from worker.attempt import Attempt
from worker.context import Member
from worker.devices import Device
from worker.ends import ENDINGS, Ends
from worker.finishing.finisher import Finisher
from worker.health import Health
from worker.kinds import RunMany, run_function, run_many_function
from worker.lock import DeviceLock
from worker.mates import helped
from worker.mirror import mirrored
from worker.party import Party
from worker.persisting import persist
from worker.pulse import Pulse, Room
from worker.residency import Residency, cuda_memory, is_out_of_memory, process_memory
from worker.sentences import unexpected_sentence

log = logging.getLogger(__name__)

Close = Callable[[Attempt, BaseException | None], None]
"""Writes the end of an attempt, with what was raised if anything was."""


class Runner:
    """A device's worker process: its claims, its resident models, its pulse."""

    def __init__(self, settings: Settings, device: Device) -> None:
        self.settings = settings
        self.device = device
        self.worker_id = new_id("wkr")
        self.db = Database(settings.database_url, pool_size=3)
        self.storage = Storage(settings.storage)
        self.key = signing_key(settings.signing, settings.producer)
        self.finisher = Finisher(settings, self.key)
        self.ringer = Ringer(settings)
        self.health = Health(settings.home / "run" / f"{device.slug}.faults")
        self.residency = Residency(device.budget(settings), cuda_memory if device.is_gpu else process_memory)
        self.ends = Ends(self.db, self.ringer.ring, self.residency, self.health, settings.retry_s)
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
        """Run one claimed job to its end, whatever that is, and with it others that join and share its passes."""
        # There may be more: the next device hears of it while this one works.
        self.ringer.ring(job.pool)
        self._job_id = job.id
        attempt = self._begin(job)
        try:
            if job.batch_key is None or (run_many := self._run_many(job.kind)) is None:
                self._close(attempt, self._outcome(attempt))
            else:
                self._run_together(attempt, run_many)
        finally:
            self._job_id = None

    def _begin(self, job: Job) -> Attempt:
        attempt = Attempt(
            job,
            db=self.db,
            storage=self.storage,
            residency=self.residency,
            torch_device=self.device.torch_name,
            workdir=self.settings.home / "tmp" / f"{job.id}-{job.attempt}",
            cache=self.settings.home / "cache",
        )
        self.pulse.watch(attempt)
        return attempt

    def _close(self, attempt: Attempt, error: BaseException | None) -> None:
        """Write the end of an attempt, whatever it is."""
        try:
            self.ends.write(attempt, error)
        except Unavailable:
            raise
        except Exception as failure:  # noqa: BLE001 - the end cannot be written as it is; the job must have one
            self.ends.fail(attempt, "internal", unexpected_sentence(failure), failure)
        finally:
            self.pulse.release(attempt)
            shutil.rmtree(attempt.workdir, ignore_errors=True)

    # ---- jobs that share passes ----

    def _run_many(self, kind: str) -> RunMany | None:
        try:
            return run_many_function(kind)
        except Exception:  # noqa: BLE001 - running it alone says what is wrong with it
            return None

    def _run_together(self, first: Attempt, run_many: RunMany) -> None:
        """Run a job, and those that join it, to their ends; while one's files are stored the others go on."""
        with ThreadPoolExecutor(1, thread_name_prefix="closing") as closing:
            ends: list[Future[None]] = []

            def close(attempt: Attempt, error: BaseException | None) -> None:
                ends.append(closing.submit(self._close_joined, attempt, error))

            member = self._member(first, close)
            if member is None:
                return
            party = Party(member, partial(self._join, first.job, close), close)
            try:
                run_many(party)
            except Exception:
                log.exception("jobs that shared their passes with %s are run one by one", first.job_id)
            left = party.left()
        for attempt in left:
            attempt.begin_again()
            self._close(attempt, self._outcome(attempt))
        for end in ends:
            end.result()

    def _join(self, job: Job, close: Close, most: int) -> list[Member[Any]]:
        if not self._may_claim():
            return []
        claimant = Claimant(self.worker_id, self.device.id, self._pools())
        try:
            found = claims.mates(self.db, claimant, job, most=most, lease_s=self.settings.lease_s)
        except Unavailable as error:
            log.warning("nobody joins: %s", error)
            return []
        members = [self._member(self._begin(each), close) for each in found]
        return [member for member in members if member is not None]

    def _member(self, attempt: Attempt, close: Close) -> Member[Any] | None:
        try:
            return Member(self._prepared(attempt), attempt)
        except Exception as error:  # noqa: BLE001 - told apart where its end is written
            close(attempt, error)
            return None

    def _close_joined(self, attempt: Attempt, error: BaseException | None) -> None:
        if error is None:
            try:
                attempt.upload()
            except Exception as failure:  # noqa: BLE001 - told apart where its end is written
                error = failure
        self._close(attempt, error)

    # ---- jobs by themselves ----

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
        try:
            params = self._prepared(attempt)
            with mirrored(attempt, self.settings), helped(attempt, self.device) as ctx:
                run_function(attempt.job.kind)(params, ctx)
            attempt.upload()
        except (*ENDINGS, Exception) as error:  # noqa: BLE001 - told apart just below
            return error
        return None

    def _prepared(self, attempt: Attempt) -> Params:
        """The params of an attempt, checked; its folder and all that its context needs are there."""
        attempt.workdir.mkdir(parents=True)
        attempt.job = job = steps.filled(self.db, self.storage, attempt.job)
        params = kinds.validate(job.kind, job.params)
        attempt.finish_by(self.finisher, params, self.device.title if self.device.is_gpu else "cpu")
        return params

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
