"""One attempt of one job: the `JobContext` that a kind sees, and what its pulse and its end need to know.

The kind's thread writes progress into memory; the pulse thread takes it from there to the database, and
answers with the reason to stop, if any. Knows neither Celery nor SQL.
"""

import logging
import math
import mimetypes
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

from shared import artifacts, attempts, datasets, feedback, library
from shared.artifacts import NewArtifact
from shared.dataset import DatasetSource
from shared.db import Database
from shared.errors import JobError, NotFound, StoodAside, Superseded
from shared.feedback import Judged
from shared.job import Job, Progress, Role
from shared.kinds.params import Params
from shared.library import ModelSource
from shared.storage import Fingerprint, Storage, fingerprint
from shared.text import clean
from worker import thumbnails
from worker.context import InputFile, Wanted
from worker.environment import environment
from worker.finishing.finisher import Finished, Finisher
from worker.points import Points
from worker.residency import Residency
from worker.trials import Pruning, Search

T = TypeVar("T")

_UPLOADS_AT_ONCE = 4
_ANY_FILE = "application/octet-stream"

MAX_LIVE_TEXT = 20_000
"""Characters of live text that a progress row carries at most: its end."""


class Attempt:
    """The context of a running job. Implements `worker.context.JobContext`."""

    def __init__(
        self,
        job: Job,
        *,
        db: Database,
        storage: Storage,
        residency: Residency,
        torch_device: str,
        workdir: Path,
        cache: Path,
    ) -> None:
        self.job = job
        self.job_id = job.id
        self.seed = job.seed
        self.device = torch_device
        self.mates: None = None
        self.workdir = workdir
        self.outputs: list[NewArtifact] = []
        self.metrics: dict[str, float] = {}
        self.model_version: str | None = None
        self.made_with: dict[str, str] | None = None
        self.lean = False
        #: Device seconds of this attempt where it shared its passes with others; else it had the device to itself.
        self.shared_s: float | None = None
        self._finisher: Finisher | None = None
        self._params: Params | None = None
        #: What a job that trains is asked to do. `leave` is a wish to yield, since the worker shuts down.
        self.wished: Wanted | Literal["leave"] | None = job.wish
        self.stood_aside_for: Wanted | Literal["leave"] | None = None
        self.points = Points(db, job)
        self.search = Search(db, job.id)
        self._pruning = Pruning(db, job, self.points)
        self._restored = False
        self._before: int | None = None
        self.began = time.monotonic()
        self.moved = self.began
        self._db, self._storage, self._residency, self._cache = db, storage, residency, cache
        self._progress = Progress()
        self._news = False
        self._to_store: dict[str, Path] = {}
        self._stop: type[BaseException] | None = None
        self._lock = threading.Lock()

    # ---- what a kind calls: see JobContext ----

    def progress(self, done: int, total: int | None, note: str = "", text: str | None = None) -> None:
        """Say how far the job is, and hear whether to go on."""
        with self._lock:
            self.moved = time.monotonic()
            written = clean(text[-MAX_LIVE_TEXT:]) if text else text
            steps = self._stepped(done, round(self.moved - self.began, 3))
            self._progress = Progress(done, total, clean(note), written, *steps, self._done_before(done))
            self._news = True
        self.check_cancelled()

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        """Record a figure; the last value of each name is the job's. One that is no number (NaN) is left out."""
        if not math.isfinite(value):
            return
        name = clean(name)
        if step is not None:
            self.points.add(name, step, float(value))
            self._pruning.note(name, step)
        with self._lock:
            self.metrics[name] = float(value)
            self._news = True

    def check_cancelled(self) -> None:
        """Raise the reason to stop, if there is one."""
        if self._stop is not None:
            raise self._stop

    def checkpoint(self, path: Path) -> None:
        """Store a file as this job's one checkpoint of that name, at once: the bytes first, then one commit."""
        content = fingerprint(path)
        key = artifacts.blob_key(self.job.owner_id, content.sha256)
        artifacts.announce(self._db, {key: content.size})
        self._storage.put(key, path)
        # A run that goes on from here does not repeat what is before it.
        self.points.write()
        new = NewArtifact("checkpoint", path.name, _ANY_FILE, content.size, content.sha256, key)
        if not attempts.checkpoint(self._db, self.job, new):
            raise Superseded
        self.job = replace(self.job, failures=0, crashes=0)
        with self._lock:
            self.moved = time.monotonic()

    def restore(self, name: str) -> Path | None:
        """The job's checkpoint of that name, its hash checked."""
        found = artifacts.checkpoint(self._db, self.job_id, name)
        if found is None:
            return None
        self._restored = True
        path = self.workdir / name
        self._storage.fetch(found.key, path, found.sha256)
        return path

    def wish(self) -> Wanted | None:
        """What the pulse has heard last; of a trial that does worse than those before it, to end."""
        if self._pruning.gives_up():
            return "prune"
        return "yield" if self.wished == "leave" else self.wished

    def step_aside(self) -> NoReturn:
        """End this attempt."""
        self.stood_aside_for = self.wished
        raise StoodAside

    def input(self, ref: str) -> InputFile:
        """An artifact of the owner, as a copy in the work folder."""
        try:
            artifact = artifacts.get(self._db, self.job.owner_id, ref)
        except NotFound as error:
            raise JobError("input_missing", "A file that this job needs was deleted. Choose another one.") from error
        path = self.workdir / f"input-{artifact.id}"
        if not path.exists():
            self._storage.fetch(artifact.key, path, artifact.sha256)
        return InputFile(path, artifact.name, artifact.media_type)

    def save_artifact(self, path: Path, role: Role = "output", media_type: str | None = None, **meta: Any) -> None:
        """Finish a file and keep it for the upload; a preview is uploaded and shown at once."""
        media_type = media_type or mimetypes.guess_type(path.name)[0] or _ANY_FILE
        if role == "model":
            meta = {**meta, "made_with": self.made_with}  # which the library keeps when the job is gone
        finished = self._finished(path, role, media_type, meta)
        new = self._saved(path, role, media_type, meta | finished.meta)
        new = replace(new, content_sha256=finished.content)
        if role != "preview":
            self.outputs.append(thumbnails.pictured(new, path, lambda small: self._keep(small)[1]))
        else:
            self.upload()
            if not artifacts.show_preview(self._db, self.job, new):
                raise Superseded
        with self._lock:
            self._news = True

    def resident(self, key: str, load: Callable[[], T], size: int | None = None) -> T:
        """What `load` returns, kept in the device's memory between jobs."""
        return self._residency.get(key, load, size)

    def model(self, name: str) -> ModelSource:
        """The library model of that name, its files on this machine."""
        source = self.source(name)
        self.model_version = self.model_version or source.revision
        return source

    def source(self, name: str) -> ModelSource:
        """A library model that is a tool, not what the job is made with."""
        return library.resolve(self._db, self._storage, self.job.owner_id, name, self._cache)

    def dataset(self, ref: str) -> DatasetSource:
        """The dataset of that name, its rows and files on this machine."""
        return datasets.resolve(self._db, self._storage, self.job.owner_id, ref, self._cache)

    def feedback(self, since: datetime | None = None) -> list[Judged]:
        """What the owner said of results."""
        return feedback.collected(self._db, self.job.owner_id, since)

    # ---- what the pulse and the runner call ----

    def finish_by(self, finisher: Finisher, params: Params, device: str) -> None:
        """What is done with each file before it is uploaded; `device` names the form of it for the record."""
        self._finisher, self._params = finisher, params
        self.made_with = environment(device)

    def upload(self) -> None:
        """Put what was saved into the store, all of it announced in one commit, several files at a time."""
        if not self._to_store:
            return
        artifacts.announce(self._db, {key: path.stat().st_size for key, path in self._to_store.items()})
        with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as uploads:
            list(uploads.map(self._storage.put, self._to_store.keys(), self._to_store.values()))
        self._to_store.clear()

    def begin_lean(self) -> None:
        """Begin again from nothing, with as little in memory as possible."""
        self.begin_again()
        self.metrics, self.lean = {"lean_retries": 1.0}, True

    def begin_again(self) -> None:
        """Begin again from nothing."""
        shutil.rmtree(self.workdir, ignore_errors=True)
        with self._lock:
            self.outputs.clear()
            self._to_store.clear()
            self.metrics = {}

    def news(self) -> tuple[Progress, dict[str, float]] | None:
        """Progress and metrics if they changed since the last call."""
        with self._lock:
            if not self._news:
                return None
            self._news = False
            return self._shown(self._progress), dict(self.metrics)

    def stop(self, reason: type[BaseException]) -> None:
        """Make the next `progress` or `check_cancelled` raise this; the first reason stays."""
        self._stop = self._stop or reason

    @property
    def reason(self) -> type[BaseException] | None:
        """Why the kind was told to stop, if it was."""
        return self._stop

    @property
    def last_progress(self) -> Progress:
        """The latest progress."""
        return self._shown(self._progress)

    def save_log(self, text: str) -> list[NewArtifact]:
        """Upload what went wrong, for the failed job; best effort, since the store may be what failed."""
        path = self.workdir / "log.txt"
        self._to_store.clear()
        try:
            path.write_text(text, errors="replace")
            saved = self._saved(path, "log", "text/plain", {})
            self.upload()
            return [saved]
        except Exception:
            logging.getLogger(__name__).exception("the log of %s could not be stored", self.job_id)
            return []

    def _stepped(self, done: int, at_s: float) -> tuple[float | None, float | None]:
        """The seconds of the first step and of this one; None before there is one."""
        if not done:
            return None, None
        first_s = self._progress.first_s
        return at_s if first_s is None else first_s, at_s

    def _done_before(self, done: int) -> int:
        """What was done when this attempt went on from a checkpoint: all but the first step that it tells of."""
        if self._restored and self._before is None and done:
            self._before = done - 1
        return self._before or 0

    def _finished(self, path: Path, role: Role, media_type: str, meta: dict[str, Any]) -> Finished:
        if self._finisher is None or self._params is None:
            return Finished()
        made = {"kind": self.job.kind, "job": self.job_id, "model": self.job.model, "model_hash": self.model_version}
        statement = made | {"seed": meta.get("seed", self.seed), "made_with": self.made_with}
        return self._finisher.finish(path, role, media_type, self._params, self, statement)

    def _shown(self, progress: Progress) -> Progress:
        """The progress with its text as it may be seen."""
        if not (progress.text and self._finisher and self._params):
            return progress
        return replace(progress, text=self._finisher.shown(progress.text, self._params))

    def _saved(self, path: Path, role: Role, media_type: str, meta: dict[str, Any]) -> NewArtifact:
        content, key = self._keep(path)
        return NewArtifact(role, clean(path.name), media_type, content.size, content.sha256, key, clean(meta))

    def _keep(self, path: Path) -> tuple[Fingerprint, str]:
        """Keep a file for the upload; what it is, and its key."""
        content = fingerprint(path)
        key = artifacts.blob_key(self.job.owner_id, content.sha256)
        self._to_store[key] = path
        return content, key
