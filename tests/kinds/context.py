"""A job context with a memory instead of a system behind it: records what a kind says, and cancels when told."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from shared import kinds
from shared.dataset import DatasetSource
from shared.errors import AwaitsTrials, Cancelled, JobError, StoodAside
from shared.feedback import Judged
from shared.job import Job, JobState, Role
from shared.kinds.params import Params
from shared.library import ModelSource
from shared.trials import Choice, NewTrial, Trial
from worker.context import InputFile, Wanted
from worker.engines.training.together import Mates
from worker.kinds import run_function

T = TypeVar("T")

#: Models that any test has loaded: what `resident` is for.
RESIDENT: dict[str, Any] = {}


@dataclass(frozen=True)
class Saved:
    """A file that a kind handed over, as bytes: the folder goes."""

    name: str
    data: bytes
    role: Role
    media_type: str | None
    meta: dict[str, Any]

    @property
    def text(self) -> str:
        """The file as text."""
        return self.data.decode("utf-8")


@dataclass
class FakeContext:
    """Everything a kind may ask for. `cancel_at` raises at the progress call with that many steps done."""

    workdir: Path
    models: Mapping[str, ModelSource]
    seed: int = 1
    device: str = "cpu"
    job_id: str = "job"
    cancel_at: int | None = None
    lean: bool = False
    mates: Mates | None = None
    inputs: dict[str, InputFile] = field(default_factory=dict)
    datasets: dict[str, DatasetSource] = field(default_factory=dict)
    steps: list[tuple[int, int | None, str, str | None]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    saved: list[Saved] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    #: The curves: by name, the value of each step. The checkpoints: by name, the bytes; `again` hands them on.
    points: dict[str, dict[int, float]] = field(default_factory=dict)
    checkpoints: dict[str, bytes] = field(default_factory=dict)
    #: What a training is asked to do once so many steps are done; each is heard once.
    wishes: dict[int, Wanted] = field(default_factory=dict)
    #: Of a search: its trials, each with the context in which it ran, and what was chosen.
    search: "FakeSearch" = field(init=False)

    def __post_init__(self) -> None:
        """A search has its trials here."""
        self.search = FakeSearch(self)

    def progress(self, done: int, total: int | None, note: str = "", text: str | None = None) -> None:
        """Record; cancel when the step has come."""
        self.steps.append((done, total, note, text))
        if self.cancel_at is not None and done >= self.cancel_at:
            raise Cancelled

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        """Record the last value, and the point if it is a number."""
        self.metrics[name] = float(value)
        if step is not None and math.isfinite(value):
            self.points.setdefault(name, {})[step] = float(value)

    def check_cancelled(self) -> None:
        """Raise once a cancelled step has been reached."""
        if self.cancel_at is not None and self.steps and self.steps[-1][0] >= self.cancel_at:
            raise Cancelled

    def input(self, ref: str) -> InputFile:
        """The file that the test put there."""
        return self.inputs[ref]

    def checkpoint(self, path: Path) -> None:
        """Keep the bytes."""
        self.checkpoints[path.name] = path.read_bytes()

    def restore(self, name: str) -> Path | None:
        """The bytes as a file of the work folder."""
        if name not in self.checkpoints:
            return None
        path = self.workdir / name
        path.write_bytes(self.checkpoints[name])
        return path

    def wish(self) -> Wanted | None:
        """What was planned for this step."""
        return self.wishes.pop(self.steps[-1][0] if self.steps else 0, None)

    def step_aside(self) -> NoReturn:
        """End the attempt."""
        raise StoodAside

    def again(self, workdir: Path, **changes: Any) -> "FakeContext":
        """The context of the next attempt: checkpoints and curves stay, what was saved does not."""
        fresh: dict[str, Any] = {"steps": [], "metrics": {}, "saved": [], "wishes": {}, "cancel_at": None}
        return replace(self, workdir=workdir, **fresh | changes)

    def give(self, path: Path, media_type: str, number: int = 0) -> str:
        """Put a file there as an artifact; its id, for the params."""
        ref = f"art_{number or len(self.inputs):026d}"
        self.inputs[ref] = InputFile(path, path.name, media_type)
        return ref

    def save_artifact(self, path: Path, role: Role = "output", media_type: str | None = None, **meta: Any) -> None:
        """Keep the bytes."""
        self.saved.append(Saved(path.name, path.read_bytes(), role, media_type, meta))

    def resident(self, key: str, load: Callable[[], T], size: int | None = None) -> T:
        """Load once in the whole test run."""
        if key not in RESIDENT:
            RESIDENT[key] = load()
        model: T = RESIDENT[key]
        return model

    def model(self, name: str) -> ModelSource:
        """A model of the test's own library."""
        if name not in self.models:
            raise JobError("model_missing", f"There is no model “{name}”.")
        return self.models[name]

    def dataset(self, ref: str) -> DatasetSource:
        """The rows that the test put there."""
        return self.datasets[ref]

    def give_dataset(
        self,
        format_: str,
        train: Sequence[Mapping[str, Any]],
        validation: Sequence[Mapping[str, Any]] = (),
        test: Sequence[Mapping[str, Any]] = (),
        files: Mapping[str, bytes] | None = None,
    ) -> str:
        """Put rows there as a dataset; its name, for the params. `files` are by the names that the rows have."""
        number = len(self.datasets) + 1
        name, folder = f"data-{number}@1", self.workdir / f"dataset-{number}"
        folder.mkdir()
        for split, rows in {"train": train, "validation": validation, "test": test}.items():
            lines = [json.dumps({"line": line, **row}) + "\n" for line, row in enumerate(rows, 1)]
            (folder / f"{split}.jsonl").write_text("".join(lines))
        for path, content in (files or {}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        self.datasets[name] = DatasetSource(name.partition("@")[0], 1, format_, f"{number:064x}", folder)
        return name

    def feedback(self, since: datetime | None = None) -> list[Judged]:
        """What the test says was said."""
        return self.judged

    @property
    def outputs(self) -> list[Saved]:
        """What the job made."""
        return [file for file in self.saved if file.role == "output"]


@dataclass
class FakeSearch:
    """Runs every trial at once, one after the other, in a context of its own."""

    ctx: FakeContext
    tried: list[Trial] = field(default_factory=list)
    contexts: list[FakeContext] = field(default_factory=list)
    chosen: Choice | None = None

    def trials(self, metric: str) -> list[Trial]:
        """What has become of each."""
        return [
            replace(each, figure=each.job.metrics.get(metric), judged=list(ctx.points.get(metric, {}).values()))
            for each, ctx in zip(self.tried, self.contexts, strict=True)
        ]

    def wait(self, new: Sequence[NewTrial], known: Sequence[Trial]) -> NoReturn:
        """Run them."""
        for each in new:
            workdir = self.ctx.workdir / f"trial-{each.number}"
            workdir.mkdir()
            ctx = FakeContext(workdir, self.ctx.models, datasets=self.ctx.datasets)
            params = each.params.model_dump(mode="json", exclude_none=True)
            self.contexts.append(run(each.kind, ctx, **params))
            self.tried.append(Trial(each.number, ended(f"job-{each.number}", each.kind, params, ctx.metrics), None))
        raise AwaitsTrials

    def choose(self, choice: Choice) -> None:
        """Remember it."""
        self.chosen = choice


def ended(job_id: str, kind: str, params: dict[str, Any], metrics: dict[str, float]) -> Job:
    """A job that has succeeded."""
    values: dict[str, Any] = dict.fromkeys(each.name for each in fields(Job))
    told = {"id": job_id, "kind": kind, "params": params, "metrics": metrics, "state": JobState.SUCCEEDED}
    return Job(**values | told)


def run(kind: str, ctx: FakeContext, /, **params: Any) -> FakeContext:
    """Validate params as the web would, run the kind as a worker would, and give the context back."""
    checked: Params = kinds.validate(kind, params)
    ctx.seed = params.get("seed", ctx.seed)
    while True:
        try:
            run_function(kind)(checked, ctx)
            return ctx
        except AwaitsTrials:
            continue  # a search looks again when its trials have ended
