"""Work of `chat`: a conversation in, its next turn out, from the passages of a text where one is given."""

import hashlib
import time
from collections.abc import Sequence
from typing import Any

from shared.kinds.chat import Chat
from worker.context import JobContext, Party
from worker.engines.encoders import resident_encoder
from worker.engines.language import resident_language_model
from worker.engines.loading import check_task
from worker.engines.retrieval import Passage, learn, read_passages
from worker.engines.rows import Row
from worker.engines.sampling import Sampling
from worker.engines.writing import Work, Writing, alone, together

_PLAIN = "text/plain; charset=utf-8"
#: Passages that the model reads: more push the question out of a small model's mind.
_PASSAGES = 3
#: Of four wordings tried on the starter, the one that kept it to the notes.
_NOTES = "Read this text:\n\n{notes}\n\nWhat does the text say about this question: {question}"

Found = Sequence[tuple[Passage, float]]


def run(params: Chat, ctx: JobContext) -> None:
    """One job by itself."""
    alone(_work(params, ctx))


def run_many(party: Party[Chat]) -> None:
    """Jobs side by side; each may come and go while others write."""
    together(party, _work)


def _work(params: Chat, ctx: JobContext) -> Work:
    """Search the knowledge, then load, write token by token, save."""
    ctx.progress(0, params.max_new_tokens, "Loading the model")
    found = _search(params, ctx) if params.knowledge else []
    if params.knowledge and found[0][1] < params.confidence:
        _save(params.handover, found, ctx, handover=True)
        return
    source = check_task(ctx.model(params.model), "text-generation")
    lm = resident_language_model(source, ctx)
    prompt = lm.encode_chat(_messages(params, found))
    started = time.perf_counter()

    def show(step: int, rows: list[Row]) -> None:
        rate = rows[0].tokens / (time.perf_counter() - started)
        ctx.progress(step, params.max_new_tokens, f"{rate:.1f} tokens/s", text=rows[0].shown)

    (row,) = yield Writing(lm, prompt, Sampling.of(params, params.stop), [ctx.seed], show)

    ctx.metric("prompt_tokens", prompt.shape[-1])
    ctx.metric("tokens", row.tokens)
    ctx.metric("tokens_per_second", row.tokens / (time.perf_counter() - started))
    _save(row.text, found, ctx, finish_reason=row.finish, tokens=row.tokens, seed=ctx.seed)


def _search(params: Chat, ctx: JobContext) -> Found:
    """The passages nearest to the last turn. The knowledge stays in memory, for the next turn asks it again."""
    source = check_task(ctx.model(params.reader), "feature-extraction")
    key, encoder = resident_encoder(source, ctx)
    file = ctx.input(params.knowledge or "")
    content = hashlib.sha256(file.path.read_bytes()).hexdigest()
    knowledge = ctx.resident(
        f"{key} on {content} {file.name} {params.column}",
        lambda: learn(
            encoder,
            read_passages(file.path, file.name, file.media_type, params.column),
            lambda done: ctx.progress(0, params.max_new_tokens, f"Reading the knowledge: {done:,} passages"),
        ),
        encoder.model.config.hidden_size * 4 * max(1, file.path.stat().st_size // 100),
    )
    return knowledge.nearest(encoder, params.messages[-1].content, _PASSAGES)


def _messages(params: Chat, found: Found) -> list[dict[str, str]]:
    messages = [message.model_dump() for message in params.messages]
    if params.system:
        messages.insert(0, {"role": "system", "content": params.system})
    if found:
        # Beside the question: small models forget notes that stand in the instructions, turns before it.
        notes = "\n".join(passage.text for passage, _ in found)
        messages[-1]["content"] = _NOTES.format(notes=notes, question=messages[-1]["content"])
    return messages


def _save(text: str, found: Found, ctx: JobContext, *, handover: bool = False, **meta: Any) -> None:
    """The answer; with knowledge also where it is from, how near that was, and whether a person should take over."""
    if found:
        meta["handover"] = handover
        meta["sources"] = [{"line": each.line, "likeness": round(near, 4), "text": each.text} for each, near in found]
        ctx.metric("confidence", found[0][1])
        ctx.metric("handover", float(handover))
    path = ctx.workdir / "text.txt"
    path.write_text(text, "utf-8")
    ctx.save_artifact(path, media_type=_PLAIN, **meta)
