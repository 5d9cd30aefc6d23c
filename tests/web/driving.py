"""Jobs driven as a worker would drive them, with the verbs of shared alone: no worker runs in these tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import artifacts, attempts, claims, jobs
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.job import Job, Progress, Role
from shared.owners import Owner
from shared.settings import Settings
from shared.storage import Storage, fingerprint

LEASE_S = 600


@dataclass(frozen=True)
class Driver:
    """Submits for one owner, and plays the device that runs the jobs."""

    db: Database
    owner: Owner
    settings: Settings
    folder: Path

    def submit(self, kind: str = "generate_image", **params: Any) -> Job:
        return jobs.submit(self.db, self.owner, kind, params or {"prompt": "a red apple"}).job

    def claim(self) -> Job:
        claimant = Claimant("wkr_test", "host/cpu", ("accelerated", "gpu", "cpu"))
        job = claims.claim(self.db, claimant, lease_s=LEASE_S)
        assert job is not None
        return job

    def step(self, job: Job, done: int, total: int = 8, note: str = "", text: str | None = None) -> None:
        assert not attempts.pulse(self.db, job, LEASE_S, Progress(done, total, note, text)).lost

    def file(self, role: Role, name: str, media_type: str, content: bytes, **meta: Any) -> NewArtifact:
        path = self.folder / name
        path.write_bytes(content)
        found = fingerprint(path)
        key = artifacts.blob_key(self.owner.id, found.sha256)
        artifacts.announce(self.db, {key: found.size})
        Storage(self.settings.storage).put(key, path)
        return NewArtifact(role, name, media_type, found.size, found.sha256, key, meta)

    def finish(self, job: Job, *files: NewArtifact) -> None:
        attempts.finish(self.db, job, list(files), progress=Progress(8, 8), metrics={"tokens_per_second": 41.25})

    def fail(self, job: Job, code: str, message: str, *logs: NewArtifact) -> None:
        attempts.fail(self.db, job, code, message, logs=list(logs))
