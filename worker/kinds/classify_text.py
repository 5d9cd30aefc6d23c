"""Work of `classify_text`: texts in, a file with a label and its scores for each out."""

import time
from collections import Counter
from typing import Any

import torch

from shared.errors import JobError
from shared.kinds.classify_text import ClassifyText
from worker.context import JobContext
from worker.engines.encoders import Encoder, batches, resident_encoder
from worker.engines.loading import check_task
from worker.engines.tables import TableRow, given_rows, write_csv, write_json_lines

_MEDIA = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


def run(params: ClassifyText, ctx: JobContext) -> None:
    """Read, load, label batch by batch, save."""
    rows = given_rows(params.texts, ctx.input(params.table) if params.table else None, params.column)
    ctx.progress(0, len(rows), "Loading the model")
    source = check_task(ctx.model(params.model), "text-classification")
    _, encoder = resident_encoder(source, ctx)
    if len(encoder.labels) < 2:
        raise JobError("model_unsupported", f"The model “{source.name}” gives one number, not labels.", field="model")
    tokens = encoder.tokens([row.text for row in rows])
    scores = torch.zeros(len(rows), len(encoder.labels))
    done, started = 0, time.perf_counter()

    for group in batches([len(row) for row in tokens]):
        scores[group] = _scores(encoder, encoder.logits([tokens[index] for index in group]))
        done += len(group)
        ctx.progress(done, len(rows), f"{done / (time.perf_counter() - started):.0f} texts/s")

    records = [_record(row, line, encoder.labels) for row, line in zip(rows, scores.tolist(), strict=True)]
    path = ctx.workdir / f"labels.{params.form}"
    (write_csv if params.form == "csv" else write_json_lines)(path, records)
    counts = Counter(record["label"] for record in records)
    ctx.save_artifact(path, media_type=_MEDIA[params.form], rows=len(rows), labels=dict(counts))
    ctx.metric("rows", len(rows))
    for label in encoder.labels:
        ctx.metric(f"rows_{label}", counts[label])
    ctx.metric("cut", sum(len(row) == encoder.window for row in tokens))


def _scores(encoder: Encoder, logits: torch.Tensor) -> torch.Tensor:
    """Chances of the labels, [rows, labels]: of one among all, or of each by itself where the model says so."""
    if encoder.model.config.problem_type == "multi_label_classification":
        return logits.sigmoid()
    return logits.softmax(-1)


def _record(row: TableRow, scores: list[float], labels: tuple[str, ...]) -> dict[str, Any]:
    best = max(range(len(labels)), key=scores.__getitem__)
    return {
        "line": row.line,
        **row.others,
        "text": row.text,
        "label": labels[best],
        "score": round(scores[best], 6),
        "scores": {label: round(score, 6) for label, score in zip(labels, scores, strict=True)},
    }
