"""An installation with tiny models and two real workers, and what becomes of everything that is ordered of it."""

import csv
import io
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from shared import artifacts, jobs, kinds, library, uploads
from shared.devices import device_id
from shared.intake.caps import Caps
from shared.job import Artifact, Job, JobState
from shared.storage import Storage
from shared.uploads import Arrived
from tests.engines.tiny import MODELS, build
from tests.faults.fleet import Fleet
from tests.kinds.pictures import half_mask, scene
from tests.worker.orders import Order
from worker.devices import find_devices
from worker.engines.film import open_film, write_film

SLOTS = ("cpu:0", "cpu:1")
_RATE = 16_000
#: What a model needs beside its own files.
_BASES = {"tiny-motion": "tiny-sd"}


@dataclass
class Stopped:
    """A job that was cancelled while it ran."""

    job: Job
    #: Steps done when the cancel was sent, the seconds until it had ended, and what one step took before.
    done: int
    took_s: float
    step_s: float


@dataclass
class Workshop:
    """A fleet whose library holds the tiny models, and whose owner has uploaded an input of each medium."""

    folder: Path
    fleet: Fleet
    inputs: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> "Workshop":
        """Start two workers; while they load their libraries, build the models and send the inputs."""
        shop = cls(folder, Fleet(folder))
        with ThreadPoolExecutor() as threads:
            started = threads.submit(shop.fleet.start_worker, devices=",".join(SLOTS))
            sent = threads.submit(shop._send)
            shop._stock()
            sent.result()
            started.result()
        return shop

    @cached_property
    def storage(self) -> Storage:
        """The object store that the workers write to."""
        return Storage(self.fleet.settings.storage)

    @cached_property
    def hosts(self) -> dict[str, str]:
        """The ids of the two devices, by slot."""
        return {device.name: device_id(device.host, device.name) for device in find_devices(SLOTS)}

    def submit(self, order: Order) -> Job:
        """Submit an order, its inputs filled in."""
        device = self.hosts[order.slot] if order.slot else None
        params = {name: self._filled(value) for name, value in order.params.items()}
        return jobs.submit(self.fleet.db, self.fleet.owner, order.kind, params, device=device).job

    def all_done(self, orders: tuple[Order, ...]) -> dict[str, Job]:
        """Submit all at once, and wait for every end; the jobs by the orders' names."""
        under_way = {str(order): self.submit(order) for order in orders}
        for job in under_way.values():
            self.fleet.ringer.ring(job.pool)
        return {name: self.fleet.ended(job, 150) for name, job in under_way.items()}

    def all_cancelled(self, long: dict[str, dict[str, Any]]) -> dict[str, Stopped]:
        """Submit all; cancel each as soon as it is seen to have done a step, and wait for its end."""
        waiting = {kind: self.submit(Order("long", kind, params, ())) for kind, params in long.items()}
        for job in waiting.values():
            self.fleet.ringer.ring(job.pool)
        asked: dict[str, tuple[float, int]] = {}
        ended: dict[str, Stopped] = {}
        until = time.monotonic() + 120
        while waiting and time.monotonic() < until:
            for kind, job in list(waiting.items()):
                now = self.fleet.get(job)
                if now.done:
                    sent, done = asked.get(kind, (time.monotonic(), now.progress.done))
                    ended[kind] = Stopped(now, done, time.monotonic() - sent, _step_s(now))
                    del waiting[kind]
                elif now.state is JobState.RUNNING and now.progress.done and kind not in asked:
                    asked[kind] = (time.monotonic(), now.progress.done)
                    jobs.cancel(self.fleet.db, self.fleet.owner.id, job.id)
            time.sleep(0.05)
        assert not waiting, f"never cancelled: {sorted(waiting)}"
        return ended

    def outputs(self, job: Job) -> list[Artifact]:
        """What a job made."""
        made = artifacts.of_jobs(self.fleet.db, self.fleet.owner.id, [job.id])[job.id]
        return [each for each in made if each.role == "output"]

    def fetched(self, artifact: Artifact) -> Path:
        """The file of an artifact, with what the store holds."""
        path = self.folder / "fetched" / artifact.id
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            self.storage.fetch(artifact.key, path, artifact.sha256)
        return path

    def lose(self, task: str) -> str:
        """A model of the library whose files are gone; its name."""
        name = f"gone-{task}"
        folder = self.folder / "models" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        library.add(self.fleet.db, None, name=name, task=task, source=f"folder:{folder}")
        shutil.rmtree(folder)
        return name

    def _stock(self) -> None:
        library.ensure_starters(self.fleet.db)
        for name, (task, _) in MODELS.items():
            folder = self.folder / "models" / name
            build(name, folder)
            base = _BASES.get(name)
            library.add(self.fleet.db, None, name=name, task=task, source=f"folder:{folder}", base=base)

    def _send(self) -> None:
        """Upload an input of each medium, as a client would."""
        made = self.folder / "inputs"
        made.mkdir()
        scene(32, 32).save(made / "picture.png")
        half_mask(32, 32).save(made / "mask.png")
        sound = np.random.default_rng(0).normal(scale=0.1, size=_RATE * 100).astype(np.float32)
        soundfile.write(made / "sound.wav", sound[: _RATE * 3], _RATE)
        soundfile.write(made / "long sound.wav", sound, _RATE)
        write_film(made / "film.mp4", [scene(64, 48)] * 8, 4, (sound[: _RATE * 3], _RATE))
        (made / "text.txt").write_text("The shop opens at nine. It is in the old town.")
        for name, rows in (("table", 20), ("long table", 30_000)):
            lines = (json.dumps({"text": f"the house in the wood, number {row}."}) for row in range(rows))
            (made / f"{name}.jsonl").write_text("\n".join(lines))
        for path in sorted(made.iterdir()):
            arrived = Arrived(path, name=path.name)
            kept = uploads.keep(self.fleet.db, self.storage, self.fleet.owner.id, arrived, Caps())
            self.inputs[f"@{path.stem}"] = kept.artifact.id

    def _filled(self, value: Any) -> Any:
        return self.inputs[value] if isinstance(value, str) and value.startswith("@") else value


def _step_s(job: Job) -> float:
    first, last, done = job.progress.first_s, job.progress.last_s, job.progress.done
    return (last - first) / (done - 1) if first is not None and last is not None and done > 1 else 0.0


def model_field(kind: str) -> str:
    """The field that names a kind's own model."""
    return next(iter(kinds.params_class(kind).model_tasks()))


def read(path: Path, media_type: str) -> int:
    """Open a file as what it says it is; how much is in it: pixels, samples, frames, rows or bytes."""
    plain = media_type.partition(";")[0]
    if plain.startswith("image/"):
        with Image.open(path) as image:
            image.load()
            return image.width * image.height
    if plain == "audio/wav":
        return len(soundfile.read(path)[0])
    if plain == "video/mp4":
        with open_film(path) as film:
            return len(list(film.frames()))
    if plain == "application/octet-stream":
        return int(np.load(path, allow_pickle=False).size)
    text = path.read_bytes().decode("utf-8")
    if plain == "application/x-ndjson":
        return len([json.loads(line) for line in text.splitlines()])
    if plain == "application/json":
        return len(json.loads(text))
    if plain == "text/csv":
        return len(list(csv.DictReader(io.StringIO(text))))
    return max(1, len(text))
