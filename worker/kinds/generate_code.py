"""Work of `generate_code`: a task in, a source file out; Python that does not parse is tried again, then trimmed."""

import time
from dataclasses import replace
from typing import Any

import torch

from shared.errors import JobError
from shared.kinds.generate_code import GenerateCode
from worker.context import JobContext, Party
from worker.engines import code
from worker.engines.language import LanguageModel, resident_language_model
from worker.engines.loading import check_task
from worker.engines.rows import Row
from worker.engines.sampling import Sampling
from worker.engines.writing import Work, Writing, alone, together

_FENCE = "```"
#: A second attempt of a greedy job would write the same again, so it samples.
_RETRY_TEMPERATURE = 0.4

_FILES = {
    "python": (".py", "text/x-python"),
    "javascript": (".js", "text/javascript"),
    "typescript": (".ts", "text/x-typescript"),
    "bash": (".sh", "text/x-shellscript"),
    "sql": (".sql", "text/x-sql"),
    "html": (".html", "text/html"),
    "css": (".css", "text/css"),
    "c": (".c", "text/x-c"),
    "cpp": (".cpp", "text/x-c++"),
    "java": (".java", "text/x-java"),
    "go": (".go", "text/x-go"),
    "rust": (".rs", "text/x-rust"),
    "json": (".json", "application/json"),
    "yaml": (".yaml", "application/yaml"),
}


def run(params: GenerateCode, ctx: JobContext) -> None:
    """One job by itself."""
    alone(_work(params, ctx))


def run_many(party: Party[GenerateCode]) -> None:
    """Jobs side by side; each may come and go while others write."""
    together(party, _work)


def _work(params: GenerateCode, ctx: JobContext) -> Work:
    """Load, write until it parses, save."""
    ctx.progress(0, params.max_new_tokens, "Loading the model")
    source = check_task(ctx.model(params.model), "text-generation")
    lm = resident_language_model(source, ctx)
    prompt = _tokens(lm, params)
    drafts: list[str] = []
    tokens, started = 0, time.perf_counter()

    for attempt in range(params.attempts):
        (row,) = yield _writing(lm, prompt, params, ctx, attempt)
        tokens += row.tokens
        drafts.append(code.extract(row.text))
        if params.language != "python" or code.parses(drafts[-1]):
            break
    seconds = time.perf_counter() - started

    _save(_best(drafts, params.language), ctx, params, attempts=len(drafts), seed=ctx.seed + len(drafts) - 1)
    ctx.metric("prompt_tokens", prompt.shape[-1])
    ctx.metric("tokens", tokens)
    ctx.metric("tokens_per_second", tokens / seconds)
    ctx.metric("attempts", len(drafts))


def _tokens(lm: LanguageModel, params: GenerateCode) -> torch.Tensor:
    # The answer is begun for the model, inside a fenced block: then even a small one writes code and nothing else.
    begin = f"{_FENCE}{params.language}\n"
    if not lm.chats:
        return lm.encode(f"{params.prompt}\n\n{begin}")
    system = f"You write {params.language} code. Answer with one short, complete and correct code block."
    messages = [{"role": "system", "content": system}, {"role": "user", "content": params.prompt}]
    return lm.encode_chat(messages, begin=begin)


def _writing(lm: LanguageModel, prompt: torch.Tensor, params: GenerateCode, ctx: JobContext, attempt: int) -> Writing:
    note = "Writing" if attempt == 0 else f"Attempt {attempt + 1} of {params.attempts}: the last one did not parse"
    sampling = Sampling.of(params, [_FENCE, *params.stop])
    if attempt and not params.temperature:
        sampling = replace(sampling, temperature=_RETRY_TEMPERATURE)

    def show(step: int, rows: list[Row]) -> None:
        ctx.progress(step, params.max_new_tokens, note, text=rows[0].shown)

    return Writing(lm, prompt, sampling, [ctx.seed + attempt], show)


def _best(drafts: list[str], language: str) -> str:
    """The last draft if it is good, or the longest beginning of any draft that is."""
    if language != "python":
        best = drafts[-1]
    elif code.parses(drafts[-1]):
        return drafts[-1]
    else:
        best = max((code.parsable_prefix(draft) for draft in drafts), key=len)
    if not best.strip():
        raise JobError(
            "no_code",
            f"In {len(drafts)} attempts the model wrote nothing that is {language}. Put the task in other words, "
            "allow a longer answer, or choose a larger model.",
        )
    return best


def _save(text: str, ctx: JobContext, params: GenerateCode, *, attempts: int, seed: int) -> None:
    suffix, media_type = _FILES[params.language]
    path = ctx.workdir / f"code{suffix}"
    path.write_text(text + "\n", "utf-8")
    meta: dict[str, Any] = {"language": params.language, "attempts": attempts, "seed": seed}
    if params.language == "python":
        meta["valid_syntax"] = True
        ctx.metric("valid_syntax", 1)
    ctx.save_artifact(path, media_type=media_type, **meta)
