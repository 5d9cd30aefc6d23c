"""Work of `check_dataset`: a file in; a report, a table of all faults, and a dataset of the good rows out."""

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.errors import Broken, JobError
from shared.kinds.check_dataset import CheckDataset
from worker.context import InputFile, JobContext
from worker.engines.datasets.archives import arranged, opened
from worker.engines.datasets.counting import Counter, tokenizer_folder
from worker.engines.datasets.dividing import Shares
from worker.engines.datasets.doctor import Examined, examine
from worker.engines.datasets.estimates import Size, estimates, size_of
from worker.engines.datasets.formats import SAMPLE, detect
from worker.engines.datasets.packing import pack
from worker.engines.datasets.parting import Wanted
from worker.engines.datasets.problems import Problem, Problems, Wrong
from worker.engines.datasets.reading import Record, form_of, read
from worker.engines.datasets.texts import Mending

_USUAL = "smollm2-135m"
#: Faults and characters of a text that the record of a version carries; the report has more.
_FAULTS, _SHOWN = 100, 400
#: Options that decide which rows there are: what makes a version another one.
_OPTIONS = (
    "validation", "test", "max_length", "clean", "normalise", "lower", "drop_duplicates", "drop_leaks", "copies",
)  # fmt: skip


def run(params: CheckDataset, ctx: JobContext) -> None:
    """Read, tell the format, examine row by row, report, pack."""
    began, source = time.perf_counter(), ctx.input(params.source)
    ctx.progress(0, None, "Loading the tokenizer")
    folder = ctx.workdir / "dataset"
    folder.mkdir()
    tokens, size = _counter(params, ctx)
    ctx.progress(0, None, "Reading")
    if source.media_type == "application/zip":
        format_, reason, records = _unpacked(params, ctx, source, folder)
    else:
        records = read(source.path, form_of(source.path, source.name, source.media_type))
        format_, reason, records = _told(params, records)
    # Of a picture with a label there is nothing to count.
    counted = None if format_ == "classed" else tokens
    with Problems(ctx.workdir / "problems.csv") as problems:
        examined = examine(records, _wanted(params, ctx, format_), counted, problems, folder, _say(ctx))
    report = {
        "name": params.name,
        "format": format_,
        "reason": reason,
        "source": {"name": source.name, "media_type": source.media_type},
        **examined.figures,
        "problems": problems.told(),
        "estimates": estimates(examined.splits["train"], examined.lengths.mean, size, ctx.device),
        "options": _options(params),
        "seed": ctx.seed,
        "seconds": round(time.perf_counter() - began, 2),
    }
    _refuse(params, ctx, problems, examined, report)
    _drop_unused(examined, folder / "files")
    _save(params, ctx, examined, report, folder)


def _unpacked(
    params: CheckDataset, ctx: JobContext, source: InputFile, folder: Path
) -> tuple[str, str, Iterator[Record]]:
    """The rows of an archive: their format, why, and the rows."""
    files = folder / "files"
    files.mkdir()
    try:
        found = opened(source.path, files, lambda done, total: ctx.progress(done, total, "Opening the files"))
        format_, reason, records = arranged(found)
    except Wrong as wrong:
        raise JobError("unknown_format", str(wrong), field="source") from wrong
    if params.format not in {"auto", format_}:
        told = f"This archive holds the format {format_}. {reason}"
        raise JobError("unknown_format", told, field="format")
    return format_, reason, records


def _told(params: CheckDataset, records: Iterator[Record]) -> tuple[str, str, Iterator[Record]]:
    """The format, why, and the rows from the first on."""
    if params.format != "auto":
        return params.format, "It was chosen.", records
    first = list(itertools.islice(records, SAMPLE))
    if not first:
        raise JobError("empty_dataset", "The file has no rows.", field="source")
    try:
        format_, reason = detect(first)
    except Wrong as wrong:
        bad = next((each.wrong for each in first if each.wrong is not None), None)
        told = f" Line {bad.place}: {bad.message}" if bad is not None else ""
        raise JobError("unknown_format", f"{wrong}{told}", field="format") from wrong
    return format_, reason, itertools.chain(first, records)


def _wanted(params: CheckDataset, ctx: JobContext, format_: str) -> Wanted:
    return Wanted(
        format=format_,
        seed=ctx.seed,
        shares=Shares(params.validation, params.test),
        max_length=params.max_length,
        mending=Mending(params.clean, params.normalise, params.lower),
        drop_duplicates=params.drop_duplicates,
        drop_leaks=params.drop_leaks,
        copies=params.copies,
        preview=params.preview,
    )


def _counter(params: CheckDataset, ctx: JobContext) -> tuple[Counter, Size | None]:
    """Who counts tokens: the model that was named, else the starter where it is there, else nobody."""
    try:
        source = ctx.model(params.model or _USUAL)
        folder = tokenizer_folder(source)
    except JobError:
        if params.model is not None:
            raise
        return Counter(), None
    return Counter(source.title, folder / "tokenizer.json"), size_of(folder)


def _drop_unused(examined: Examined, files: Path) -> None:
    """Only files that a row names go into the dataset."""
    if not files.is_dir():
        return
    used = set()
    for path in examined.files.values():
        with path.open("rb") as rows:
            used |= {json.loads(row)["file"].partition("/")[2] for row in rows}
    for path in files.iterdir():
        if path.name not in used:
            path.unlink()


def _say(ctx: JobContext) -> Any:
    return lambda done, note: ctx.progress(done, None, note)


def _options(params: CheckDataset) -> dict[str, Any]:
    return {name: getattr(params, name) for name in _OPTIONS}


def _refuse(
    params: CheckDataset, ctx: JobContext, problems: Problems, examined: Examined, report: dict[str, Any]
) -> None:
    """Raises Broken where nothing good is left, or nothing bad is allowed; what was found is kept."""
    train = examined.splits["train"]
    if train and not (params.strict and problems.errors):
        return
    ctx.save_artifact(_written(ctx.workdir / "report.json", report), media_type="application/json")
    ctx.save_artifact(problems.path, media_type="text/csv; charset=utf-8")
    read, kept, bad = report["rows"]["read"], report["rows"]["kept"], problems.errors
    named = " ".join(_sentence(each) for each in problems.first[:10] if each.severity == "error")
    named += f" And {bad - 10:,} more: problems.csv names them all." if bad > 10 else ""
    if train:
        raise Broken(
            "dataset_invalid", f"No dataset was made: {bad:,} of {read:,} rows are bad. {named}", field="source"
        )
    if kept:
        told = (
            f"No dataset was made: the file puts its {kept:,} good rows into validation and test, and none into train."
        )
        raise Broken("dataset_invalid", told, field="source")
    told = f"No dataset was made: of {read:,} rows none is left to learn from. {named}"
    raise Broken("dataset_invalid", told.strip(), field="source")


def _sentence(problem: Problem) -> str:
    at = f"Line {problem.place:,}" if isinstance(problem.place, int) else problem.place
    column = f", {problem.column}" if problem.column else ""
    return f"{at}{column}: {problem.message}" if at else problem.message


def _save(params: CheckDataset, ctx: JobContext, examined: Examined, report: dict[str, Any], folder: Path) -> None:
    about = {
        "format": report["format"], "columns": _columns(report), "options": report["options"], "seed": ctx.seed,
        "splits": examined.splits,
    }  # fmt: skip
    _written(folder / "dataset.json", about)
    archive = ctx.workdir / f"{params.name}.zip"
    places = pack(archive, ((str(path.relative_to(folder)), path) for path in folder.rglob("*") if path.is_file()))
    ctx.save_artifact(_written(ctx.workdir / "report.json", report), media_type="application/json")
    ctx.save_artifact(ctx.workdir / "problems.csv", media_type="text/csv; charset=utf-8")
    short = report | {"places": {split: places[f"{split}.jsonl"] for split in examined.splits}}
    short["problems"] = report["problems"] | {"first": report["problems"]["first"][:_FAULTS]}
    short["preview"] = {split: [_cut(row) for row in rows] for split, rows in report["preview"].items()}
    short["labels"] = report["labels"][:_FAULTS] if report["labels"] else None
    ctx.save_artifact(
        archive, role="dataset", media_type="application/zip", name=params.name, title=params.name,
        format=report["format"], splits=examined.splits, report=short,
    )  # fmt: skip
    for split, count in examined.splits.items():
        ctx.metric(f"rows_{split}", count)
    ctx.metric("rows_bad", report["problems"]["errors"])


def _columns(report: dict[str, Any]) -> list[str]:
    rows = [row for rows in report["preview"].values() for row in rows]
    return [name for name in rows[0] if name != "line"] if rows else []


def _cut(value: Any) -> Any:
    """A row with its long texts cut, for a record that is read often."""
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    if isinstance(value, dict):
        return {name: _cut(each) for name, each in value.items()}
    return [_cut(each) for each in value[:50]] if isinstance(value, list) else value


def _written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=path.name == "dataset.json"), "utf-8")
    return path
