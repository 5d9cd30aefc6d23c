"""Work of `embed_text`: texts in, a matrix of their vectors and a file of rows out."""

import time
from typing import Any

import numpy as np

from shared.kinds.embed_text import EmbedText
from worker.context import JobContext
from worker.engines.encoders import embed, resident_encoder
from worker.engines.loading import check_task
from worker.engines.tables import TableRow, given_rows, write_json_lines

_LINES = "application/x-ndjson"


def run(params: EmbedText, ctx: JobContext) -> None:
    """Read, load, embed batch by batch, save."""
    rows = given_rows(params.texts, ctx.input(params.table) if params.table else None, params.column)
    ctx.progress(0, len(rows), "Loading the model")
    source = check_task(ctx.model(params.model), "feature-extraction")
    _, encoder = resident_encoder(source, ctx)
    tokens = encoder.tokens([row.text for row in rows])
    started = time.perf_counter()

    def show(done: int) -> None:
        ctx.progress(done, len(rows), f"{done / (time.perf_counter() - started):.0f} texts/s")

    vectors = embed(encoder, tokens, normalise=params.normalise, on_batch=show).numpy()
    _save(rows, vectors, ctx)
    ctx.metric("rows", len(rows))
    ctx.metric("dimensions", vectors.shape[1])
    ctx.metric("cut", sum(len(row) == encoder.window for row in tokens))


def _save(rows: list[TableRow], vectors: np.ndarray, ctx: JobContext) -> None:
    """The matrix for programs, and each row with its vector for everybody else."""
    path = ctx.workdir / "vectors.npy"
    np.save(path, vectors)
    ctx.save_artifact(path, media_type="application/octet-stream", rows=len(rows), dimensions=vectors.shape[1])
    path = ctx.workdir / "vectors.jsonl"
    write_json_lines(path, (_record(row, vector) for row, vector in zip(rows, vectors, strict=True)))
    ctx.save_artifact(path, media_type=_LINES)


def _record(row: TableRow, vector: np.ndarray) -> dict[str, Any]:
    # All at once: one number after the other takes as long as the model.
    numbers = vector.astype(np.float64).round(6).tolist()
    return {"line": row.line, **row.others, "text": row.text, "vector": numbers}
