"""Work of `transform_text`: a text in, its summary, translation or rewriting out, piece by piece."""

import time

import torch

from shared.errors import JobError
from shared.kinds.transform_text import MAX_TEXT, TransformText
from worker.context import JobContext
from worker.engines.decoding import write
from worker.engines.language import LanguageModel, resident_language_model
from worker.engines.loading import check_task
from worker.engines.rows import Row
from worker.engines.sampling import Sampling
from worker.engines.sentences import Piece, grouped, split

#: Tokens of one piece: small models lose the thread in more, whatever they could hold.
_PIECE = 400
#: Fewer are no piece of a text.
_LEAST = 16
_SENTENCES = {"short": "one sentence", "medium": "two or three sentences", "long": "one paragraph"}


def run(params: TransformText, ctx: JobContext) -> None:
    """Read, load, write piece by piece, save."""
    text = params.text if params.text is not None else _from_file(params.file or "", ctx)
    ctx.progress(0, None, "Loading the model")
    name, task = (params.specialist, "text2text-generation") if params.specialist else (params.model, "text-generation")
    source = check_task(ctx.model(name), task)
    lm = resident_language_model(source, ctx)
    prefix = params.prefix if params.prefix is not None else str(source.defaults.get("prefix", _prefix(lm, params)))
    pieces = _pieces(lm, text, params, prefix)
    done = ""
    tokens, started = 0, time.perf_counter()

    for number, piece in enumerate(pieces):

        def show(step: int, rows: list[Row], before: int = number, ahead: str = done) -> None:
            note = f"Piece {before + 1} of {len(pieces)}"
            total = len(pieces) * params.max_new_tokens
            ctx.progress(before * params.max_new_tokens + step, total, note, text=ahead + rows[0].shown)

        prompt = _prompt(lm, piece, params, prefix)
        (row,) = write(lm, prompt, Sampling.of(params), seeds=[ctx.seed + number], on_step=show)
        tokens += row.tokens
        done += row.text.strip() + ("\n\n" if piece.ends_paragraph else " ")

    path = ctx.workdir / "text.txt"
    path.write_text(done.strip(), "utf-8")
    ctx.save_artifact(
        path, media_type="text/plain; charset=utf-8", task=params.task, pieces=len(pieces), tokens=tokens, seed=ctx.seed
    )
    ctx.metric("pieces", len(pieces))
    ctx.metric("tokens", tokens)
    ctx.metric("tokens_per_second", tokens / (time.perf_counter() - started))


def _from_file(ref: str, ctx: JobContext) -> str:
    try:
        text = ctx.input(ref).path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JobError("bad_text", "The file is not UTF-8 text. Save it as UTF-8.", field="file") from error
    if not text.strip():
        raise JobError("bad_text", "The file has no text.", field="file")
    if len(text) > MAX_TEXT:
        raise JobError("bad_text", f"The file may have {MAX_TEXT:,} characters at most.", field="file")
    return text


def _pieces(lm: LanguageModel, text: str, params: TransformText, prefix: str) -> list[Piece]:
    """The text as pieces that the model holds beside the instructions and its answer."""
    around = _prompt(lm, Piece(".", ends_paragraph=True), params, prefix).shape[-1]
    room = lm.window - around - (0 if lm.encodes else params.max_new_tokens)
    if room < _LEAST:
        raise JobError(
            "context_too_long",
            f"This model holds {lm.window:,} tokens, too few for the instructions, a piece of the text and an answer "
            f"of {params.max_new_tokens:,}. Allow a shorter answer, or choose a larger model.",
            field="max_new_tokens",
        )
    return grouped(split(text), lambda piece: len(lm.tokenizer(piece)["input_ids"]), min(_PIECE, room))


def _prompt(lm: LanguageModel, piece: Piece, params: TransformText, prefix: str) -> torch.Tensor:
    if lm.encodes:
        return lm.encode(prefix + piece.text)
    style = f" Style: {params.style}." if params.style else ""
    told = {
        "summarise": f"Summarise this text in {_SENTENCES[params.length]}.{style}",
        "translate": f"Translate this text into {params.language}. Answer with the translation alone.{style}",
        "rewrite": f"Rewrite this text with the same meaning. Answer with the new text alone.{style}",
    }[params.task]
    if not lm.chats:
        return lm.encode(f"{told}\n\n{piece.text}\n\nAnswer:")
    return lm.encode_chat([{"role": "user", "content": f"{told}\n\n{piece.text}"}])


def _prefix(lm: LanguageModel, params: TransformText) -> str:
    """What T5 was taught to be told; other specialists know one task and are told nothing."""
    if getattr(lm.model.config, "model_type", "") not in {"t5", "mt5", "umt5", "longt5"}:
        return ""
    told = {"summarise": "summarize: ", "translate": f"translate English to {params.language}: "}
    return told.get(params.task, "paraphrase: ")
