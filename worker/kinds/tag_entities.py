"""Work of `tag_entities`: texts in, a file with the spans that each names out."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import torch

from shared.kinds.tag_entities import TagEntities
from worker.context import JobContext
from worker.engines.encoders import batches, resident_encoder
from worker.engines.loading import check_task
from worker.engines.tables import TableRow, given_rows, write_csv, write_json_lines
from worker.engines.tagging import Span, Window, spans, windows


def run(params: TagEntities, ctx: JobContext) -> None:
    """Read, load, tag batch by batch, save."""
    rows = given_rows(params.texts, ctx.input(params.table) if params.table else None, params.column)
    ctx.progress(0, None, "Loading the model")
    source = check_task(ctx.model(params.model), "token-classification")
    _, encoder = resident_encoder(source, ctx)
    parts = [window for number, row in enumerate(rows) for window in windows(encoder, number, row.text)]
    read: dict[int, list[tuple[Window, torch.Tensor]]] = defaultdict(list)
    done, started = 0, time.perf_counter()

    for group in batches([len(part.tokens) for part in parts]):
        said = encoder.logits([parts[index].tokens for index in group])
        for index, logits in zip(group, said, strict=True):
            read[parts[index].text].append((parts[index], logits[: len(parts[index].tokens)]))
        done += len(group)
        ctx.progress(done, len(parts), f"{done / (time.perf_counter() - started):.0f} texts/s")

    found = [
        [span for span in spans(encoder, row.text, read[number]) if span.score >= params.least_score]
        for number, row in enumerate(rows)
    ]
    _save(rows, found, params, ctx)


def _save(rows: list[TableRow], found: list[list[Span]], params: TagEntities, ctx: JobContext) -> None:
    counts = Counter(span.label for each in found for span in each)
    path = ctx.workdir / f"entities.{params.form}"
    if params.form == "csv":
        write_csv(path, list(_by_entity(rows, found)))
    else:
        write_json_lines(path, _by_text(rows, found))
    media_type = "text/csv; charset=utf-8" if params.form == "csv" else "application/x-ndjson"
    ctx.save_artifact(path, media_type=media_type, rows=len(rows), labels=dict(counts))
    ctx.metric("rows", len(rows))
    ctx.metric("entities", counts.total())
    for label, count in sorted(counts.items()):
        ctx.metric(f"entities_{label}", count)


def _by_text(rows: list[TableRow], found: list[list[Span]]) -> Iterator[dict[str, Any]]:
    for row, each in zip(rows, found, strict=True):
        yield {"line": row.line, **row.others, "text": row.text, "entities": [vars(span) for span in each]}


def _by_entity(rows: list[TableRow], found: list[list[Span]]) -> Iterator[dict[str, Any]]:
    for row, each in zip(rows, found, strict=True):
        for span in each:
            yield {"line": row.line, **row.others, **vars(span)}
