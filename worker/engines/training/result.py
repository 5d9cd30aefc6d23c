"""What a training run hands over: the model as an archive for the library, a report, and its curves as events."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from shared.errors import Broken
from worker.engines.training.plan import Outcome, Plan
from worker.engines.training.rivals import Rival, watched_name

if TYPE_CHECKING:
    from shared.library import ModelSource


class Hands(Protocol):
    """Where files are handed over: a job's context is one."""

    @property
    def workdir(self) -> Path:
        """Where files may lie."""

    def save_artifact(
        self, path: Path, role: Literal["output", "model", "log"] = "output", media_type: str | None = None, **meta: Any
    ) -> None:
        """Hand a file over."""

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        """Record a figure."""


@dataclass(frozen=True)
class Trained:
    """A model that is to enter the library, in a folder that the stock libraries load.

    `dataset` is `name@number` and its hash; `base` is what it was trained from, if anything. `defaults` go to
    `atelier.json`, from where generating kinds take them.
    """

    name: str
    task: str
    folder: Path
    dataset: str
    dataset_sha256: str
    promote: Literal["if_better", "always", "never"]
    base: "ModelSource | None" = None
    #: Whether the base is needed to load it: an adapter, or a head on another model's features.
    needs_base: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    #: The version that the name stands for, judged on the same data as this one.
    rival: Rival | None = None
    #: The regression set, `name@number`, where there is one.
    regression: str | None = None
    #: What the report shows beside the figures: pairs of texts before and after, a confusion matrix …
    shown: Mapping[str, Any] = field(default_factory=dict)


def hand_over(trained: Trained, outcome: Outcome, plan: Plan, ctx: Hands) -> None:
    """Save report, events and model.

    Raises:
        Broken: the run broke; what there was of it has been saved before.
    """
    report = ctx.workdir / "report.json"
    figures = {each.name: getattr(outcome, each.name) for each in fields(outcome) if each.name != "curves"}
    judged: dict[str, Any] = {"judged_by": plan.judged_by, "less_is_better": plan.less_is_better}
    figures |= {"before": _finite(outcome.before), "after": _finite(outcome.after)}
    if trained.regression is not None:
        judged |= {"regression": trained.regression, "watched": watched_name(plan.judged_by)}
    if trained.rival is not None:
        judged |= {"rival": {"number": trained.rival.number, "figures": _finite(trained.rival.figures)}}
    report.write_text(json.dumps({**figures, **judged, **trained.shown}, indent=1, ensure_ascii=False))
    ctx.save_artifact(report, media_type="application/json")
    ctx.save_artifact(outcome.curves.write(ctx.workdir / "events"), role="log", media_type="application/octet-stream")
    _describe(trained)
    archive = ctx.workdir / f"{trained.name}.zip"
    pack(trained.folder, archive)
    ctx.save_artifact(
        archive,
        role="model",
        media_type="application/zip",
        name=trained.name,
        task=trained.task,
        base=trained.base.pinned if trained.base and trained.needs_base else None,
        trained_from=trained.base.pinned if trained.base else None,
        trained_from_key=trained.base.key if trained.base else None,
        cost={"seconds": round(outcome.seconds, 1), "steps": outcome.steps},
        dataset=trained.dataset,
        dataset_sha256=trained.dataset_sha256,
        promote=trained.promote,
        before=_finite(outcome.before),
        after=_finite(outcome.after),
        **judged,
    )
    # Of what came of it, which may be the model of an earlier evaluation than the last.
    for name, value in _finite(outcome.after).items():
        ctx.metric(name, value)
    for name in ("steps", "epochs", "seconds", "at_once"):
        ctx.metric("examples_at_once" if name == "at_once" else f"training_{name}", getattr(outcome, name))
    if outcome.broken is not None:
        raise Broken("not_finite", outcome.broken)


def pack(folder: Path, archive: Path) -> None:
    """The folder as a zip that is the same bytes whenever the files are: stored, in order, without times."""
    with ZipFile(archive, "w", ZIP_STORED) as packed:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            entry = ZipInfo(path.relative_to(folder).as_posix())
            entry.external_attr = 0o644 << 16
            with path.open("rb") as file, packed.open(entry, "w", force_zip64=True) as copy:
                while block := file.read(1 << 20):
                    copy.write(block)


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    # Postgres, like JSON, knows no other numbers.
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _describe(trained: Trained) -> None:
    path = trained.folder / "atelier.json"
    about = json.loads(path.read_text()) if path.is_file() else {}
    if trained.base is not None and trained.needs_base:
        about["base"] = trained.base.pinned
    if trained.defaults:
        about["defaults"] = about.get("defaults", {}) | dict(trained.defaults)
    if about:
        path.write_text(json.dumps(about, indent=1, ensure_ascii=False))
