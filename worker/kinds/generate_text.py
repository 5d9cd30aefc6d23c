"""Work of `generate_text`: a prompt or a conversation in, one or more texts out."""

import json
import time
from typing import Any

import torch

from shared.kinds.generate_text import GenerateText
from worker.context import JobContext, Party
from worker.engines.choosing import alike_texts, choose
from worker.engines.language import LanguageModel, resident_language_model
from worker.engines.loading import check_task
from worker.engines.rows import Row
from worker.engines.sampling import Sampling
from worker.engines.writing import Work, Writing, alone, together

_PLAIN = "text/plain; charset=utf-8"


def run(params: GenerateText, ctx: JobContext) -> None:
    """One job by itself."""
    alone(_work(params, ctx))


def run_many(party: Party[GenerateText]) -> None:
    """Jobs side by side; each may come and go while others write."""
    together(party, _work)


def _work(params: GenerateText, ctx: JobContext) -> Work:
    """Load, write token by token, save."""
    ctx.progress(0, params.max_new_tokens, "Loading the model")
    source = check_task(ctx.model(params.model), "text-generation")
    lm = resident_language_model(source, ctx)
    prompt = _tokens(lm, params)
    seeds = [ctx.seed + number for number in range(params.num_sequences)]
    started = time.perf_counter()

    def show(step: int, rows: list[Row]) -> None:
        rate = sum(row.tokens for row in rows) / (time.perf_counter() - started)
        ctx.progress(step, params.max_new_tokens, f"{rate:.1f} tokens/s", text=rows[0].shown)

    rows: list[Row] = []
    for group in [[seed] for seed in seeds] if ctx.lean else [seeds]:
        rows += yield Writing(lm, prompt, Sampling.of(params, params.stop), group, show)
    seconds = time.perf_counter() - started

    kept = _kept(rows, params.keep_best)
    _save([rows[place] for place in kept], [seeds[place] for place in kept], ctx)
    tokens = sum(row.tokens for row in rows)
    ctx.metric("prompt_tokens", prompt.shape[-1])
    ctx.metric("tokens", tokens)
    ctx.metric("tokens_per_second", tokens / seconds)


def _tokens(lm: LanguageModel, params: GenerateText) -> torch.Tensor:
    messages = [message.model_dump() for message in params.messages or ()]
    if params.prompt is not None:
        # A model without a chat form can only continue; instructions it must have, it cannot take.
        if params.raw or not (lm.chats or params.system):
            return lm.encode(params.prompt)
        messages = [{"role": "user", "content": params.prompt}]
    if params.system:
        messages = [{"role": "system", "content": params.system}, *messages]
    return lm.encode_chat(messages)


def _kept(rows: list[Row], keep_best: int | None) -> list[int]:
    """The places of the rows to keep: all, or the ones that the model itself thinks best of."""
    if keep_best is None:
        return list(range(len(rows)))
    scores = [row.likelihood / max(1, row.tokens) for row in rows]
    return choose([row.text for row in rows], scores, keep_best, alike_texts)


def _save(rows: list[Row], seeds: list[int], ctx: JobContext) -> None:
    answers: list[dict[str, Any]] = [
        {"text": row.text, "finish_reason": row.finish, "tokens": row.tokens, "seed": seed}
        for row, seed in zip(rows, seeds, strict=True)
    ]
    for number, answer in enumerate(answers, start=1):
        path = ctx.workdir / ("text.txt" if len(answers) == 1 else f"text-{number}.txt")
        path.write_text(answer["text"], "utf-8")
        ctx.save_artifact(path, media_type=_PLAIN, **{name: answer[name] for name in answer if name != "text"})
    if len(answers) > 1:
        path = ctx.workdir / "texts.json"
        path.write_text(json.dumps(answers, ensure_ascii=False, indent=2), "utf-8")
        ctx.save_artifact(path, media_type="application/json")
