"""A device that plays the trials of searches: each gets a figure for the rate that it was given. The search is real."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sqlalchemy import text

from shared import artifacts, attempts, claims, curves, jobs, kinds, listing
from shared import trials as rows
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.errors import AwaitsTrials, JobError
from shared.job import Job, Progress
from shared.owners import Owner
from shared.storage import Storage
from worker import ends
from worker.attempt import Attempt
from worker.kinds import run_function

HERE = Claimant("wkr_a", "host/cpu:0", ("cpu", "io", "accelerated"))
SPACE = ["learning_rate: 1e-4 to 1e-1, log"]


def figure(rate: float) -> float:
    """The best rate is 1e-2."""
    return round(1 + math.log10(rate / 1e-2) ** 2, 6)


@dataclass
class Shop:
    """One device, and an owner with a dataset."""

    db: Database
    folder: Path
    owner: Owner
    rung: list[str] = field(default_factory=list)

    @property
    def store(self) -> str:
        """The address of the object store."""
        return f"file://{self.folder}/store"

    def submit(self, **asked: Any) -> Job:
        params = {"name": "scribbler", "dataset": "texts", **asked.pop("params", {})}
        asked = {"training": "train_rnn_lm", "params": params, "space": SPACE, "trials": 4, "seed": 1, **asked}
        return jobs.submit(self.db, self.owner, "search_hyperparameters", asked).job

    def claim(self) -> Job | None:
        return claims.claim(self.db, HERE, lease_s=30)

    def claimed(self) -> Job:
        job = self.claim()
        assert job is not None
        return job

    def attempt(self, job: Job) -> Attempt:
        workdir = self.folder / f"{job.id}-{job.attempt}"
        workdir.mkdir(exist_ok=True)
        storage = Storage(self.store)
        nothing = cast(Any, None)
        return Attempt(
            job, db=self.db, storage=storage, residency=nothing, torch_device="cpu", workdir=workdir, cache=self.folder
        )

    def look(self, job: Job) -> Attempt:
        """A claimed search does its work, to the end of its attempt."""
        attempt = self.attempt(job)
        try:
            run_function(job.kind)(kinds.validate(job.kind, job.params), attempt)
        except AwaitsTrials:
            ends.await_trials(self.db, attempt, self.ring)
        except JobError as error:
            attempts.fail(self.db, job, error.code, str(error))
        else:
            attempt.upload()
            ends.finish(self.db, attempt, self.ring)
        return attempt

    def learn(self, job: Job, *, reached: float | None = None, metrics: dict[str, float] | None = None) -> None:
        """A claimed trial ends with the figure of its rate, and a model."""
        reached = figure(job.params["learning_rate"]) if reached is None else reached
        key = artifacts.blob_key(self.owner.id, job.id.encode().hex().ljust(64, "0")[:64])
        artifacts.announce(self.db, {key: 9})
        about = {
            "name": job.params["name"], "task": "text-generation", "dataset": "texts@1", "dataset_sha256": "d1",
            "promote": job.params["promote"], "judged_by": "validation_loss", "less_is_better": True,
            "before": {"validation_loss": 9.0}, "after": {"validation_loss": reached},
        }  # fmt: skip
        made = NewArtifact("model", "scribbler.zip", "application/zip", 9, key[-64:], key, about)
        curves.write(self.db, job, {("validation_loss", 0): 9.0, ("validation_loss", 5): reached})
        told = {"validation_loss": reached} if metrics is None else metrics
        attempts.finish(self.db, job, [made], progress=Progress(5, 5), metrics=told)

    def fail(self, job: Job, told: str) -> None:
        """A claimed trial fails."""
        attempts.fail(self.db, job, "boom", told)

    def prune(self, job: Job) -> None:
        """A claimed trial is given up."""
        ends.finish(self.db, self.attempt(job), self.ring, pruned=True)

    def work_off(self) -> list[Job]:
        """Everything until nothing is due; what was claimed, in turn."""
        found: list[Job] = []
        while (job := self.claim()) is not None:
            found.append(job)
            (self.look if kinds.searches(job.kind) else self.learn)(job)
            assert len(found) < 100
        return found

    def now(self, job: Job) -> Job:
        return listing.get(self.db, self.owner.id, job.id)

    def trials(self, job: Job) -> list[rows.Trial]:
        return rows.of_search(self.db, job.id, "validation_loss")

    def models(self) -> list[str]:
        """The files of models that there are."""
        with self.db.begin() as connection:
            return list(connection.execute(text("select job_id from artifacts where role = 'model'")).scalars())

    def ring(self, *pools: str) -> None:
        self.rung += pools


def open_shop(db: Database, folder: Path, owner: Owner) -> Shop:
    """The owner has the dataset `texts`."""
    shop = Shop(db, folder, owner)
    jobs.submit(db, owner, "collect_feedback", {"name": "texts"})
    key = artifacts.blob_key(owner.id, "d" * 64)
    artifacts.announce(db, {key: 9})
    splits = {"train": 9, "validation": 3, "test": 0}
    about = {"name": "texts", "format": "text", "splits": splits}
    made = NewArtifact("dataset", "d.zip", "application/zip", 9, "d" * 64, key, about)
    attempts.finish(db, shop.claimed(), [made], progress=Progress(), metrics={})
    return shop
