"""Work of `collect_feedback`: what was said of results in, a dataset out."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.errors import JobError
from shared.feedback import Judged
from shared.kinds.collect_feedback import CollectFeedback
from worker.context import JobContext
from worker.engines.datasets.dividing import Shares
from worker.engines.datasets.doctor import Examined, examine
from worker.engines.datasets.judged import answers, captions, preferences
from worker.engines.datasets.packing import pack
from worker.engines.datasets.parting import Wanted
from worker.engines.datasets.problems import Problems
from worker.engines.datasets.reading import Record


def run(params: CollectFeedback, ctx: JobContext) -> None:
    """Collect, examine, pack."""
    since = None if params.days is None else datetime.now(UTC) - timedelta(days=params.days)
    judged = ctx.feedback(since)
    folder = ctx.workdir / "dataset"
    folder.mkdir()
    wanted = Wanted(format=params.form, seed=ctx.seed, shares=Shares(params.validation, 0))
    with Problems(ctx.workdir / "problems.csv") as problems:
        examined = examine(
            _records(params, judged, ctx, folder), wanted, None, problems, folder,
            lambda done, note: ctx.progress(done, len(judged), note),
        )  # fmt: skip
    if not examined.splits["train"]:
        raise JobError("dataset_empty", _nothing(params, judged))
    _save(params, ctx, examined, problems, folder)


def _records(params: CollectFeedback, judged: list[Judged], ctx: JobContext, folder: Path) -> Iterator[Record]:
    files: Callable[[str], Path] = lambda ref: ctx.input(ref).path  # noqa: E731 - one thought
    if params.form == "captioned":
        return captions(judged, files, folder / "files")
    return (preferences if params.form == "preference" else answers)(judged, files)


def _nothing(params: CollectFeedback, judged: list[Judged]) -> str:
    wish = {
        "preference": "Edit a text, or give thumbs up and down to answers of one prompt.",
        "prompt": "Give a text a thumb up, or edit it.",
        "captioned": "Give a picture a thumb up, or say what it shows.",
    }[params.form]
    return f"Of {len(judged):,} thumbs and edits none makes a row. {wish}"


def _save(params: CollectFeedback, ctx: JobContext, examined: Examined, problems: Problems, folder: Path) -> None:
    report = {"name": params.name, "format": params.form, "reason": "It was chosen.", **examined.figures}
    report |= {"problems": problems.told()}
    about = {"format": params.form, "seed": ctx.seed, "splits": examined.splits, "options": {"days": params.days}}
    (folder / "dataset.json").write_text(json.dumps(about, indent=1))
    archive, told = ctx.workdir / f"{params.name}.zip", ctx.workdir / "report.json"
    places = pack(archive, ((str(path.relative_to(folder)), path) for path in folder.rglob("*") if path.is_file()))
    told.write_text(json.dumps(report, indent=1, ensure_ascii=False))
    ctx.save_artifact(told, media_type="application/json")
    ctx.save_artifact(ctx.workdir / "problems.csv", media_type="text/csv; charset=utf-8")
    ctx.save_artifact(
        archive, role="dataset", media_type="application/zip", name=params.name, title=params.name, format=params.form,
        splits=examined.splits, report=report | {"places": {name: places[f"{name}.jsonl"] for name in examined.splits}},
    )  # fmt: skip
    for split, count in examined.splits.items():
        ctx.metric(f"rows_{split}", count)
