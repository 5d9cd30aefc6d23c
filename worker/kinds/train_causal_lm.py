"""Work of `train_causal_lm`: rows in, a model out that continues texts as they do."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from shared.kinds.train_causal_lm import TrainCausalLm
from shared.library import ModelSource
from worker.context import JobContext
from worker.engines.language import LanguageModel, resident_language_model
from worker.engines.training.adaptation import Adapted, Adapting, check_method, packs
from worker.engines.training.language_learner import LanguageLearner, judged
from worker.engines.training.lessons import alone, check_base, keep_less, lessons, load_base, padding, with_template
from worker.engines.training.loop import train
from worker.engines.training.masking import Reader
from worker.engines.training.planning import descending, planned
from worker.engines.training.result import Trained, hand_over
from worker.engines.training.rivals import Watched, both, rival, watched_rows
from worker.engines.training.samples import Samples, pairs
from worker.engines.training.scratch import Shape, made_model, made_tokenizer

#: A small model from nothing forgets its past gradients sooner (nanoGPT).
_BETAS = (0.9, 0.99)


def run(params: TrainCausalLm, ctx: JobContext) -> None:
    """Read the rows, load or make the model, train, save."""
    ctx.progress(0, None, "Loading the model")
    check_method(params.method, ctx.device)
    data = ctx.dataset(params.dataset)
    rows, held = data.rows("train"), data.rows("validation")
    torch.manual_seed(ctx.seed)
    base = check_base(ctx.model(params.base)) if params.base else None
    lm = (
        load_base(base, ctx.device, params.method, save_memory=params.save_memory)
        if base
        else _make(params, rows, ctx.device)
    )
    with_template(lm, rows)

    longest = min(params.max_length, lm.window)
    packed = params.packing and params.method != "prompt_tuning" and packs(lm.model, longest)
    reader = Reader(lm.tokenizer, longest, answers_only=params.answers_only, joined=params.join_texts)
    lesson = lessons(reader, rows, held, packed=packed)
    plan = planned(params, len(lesson.learned), ctx, shows=2)
    adapted = Adapted(lm.model, _adapting(params, plan.steps), lm.tokenizer)
    samples = Samples(lm, adapted.model, reader, held or rows)
    how = descending(params) if base else descending(params, _BETAS)
    learner = LanguageLearner(adapted, lesson.learned, lesson.held, how, padding=padding(lm), write=samples.write)

    watched = alone(reader, watched_rows(ctx, params.regression))

    ctx.progress(0, plan.steps, "Writing samples before it learns")
    before = samples.write(ctx.check_cancelled)
    outcome = train(Watched(learner, partial(learner.judge, watched)), plan, ctx)
    shown = {"samples": pairs(before, samples.last), "data": lesson.about, "packed": packed}

    def judging(source: ModelSource) -> dict[str, float] | None:
        stands = resident_language_model(source, ctx)
        if stands.tokenizer.get_vocab() != lm.tokenizer.get_vocab():
            return None  # the loss of other tokens is another measure
        judge = partial(judged, stands.model, padding=padding(lm))
        return both(partial(judge, lesson.held), partial(judge, watched), ctx.check_cancelled)

    folder = ctx.workdir / "model"
    adapted.save(folder, lm.tokenizer, base.pinned if base else "", params.export)
    result = Trained(
        name=params.name, task="text-generation", folder=folder, dataset=f"{data.name}@{data.number}",
        dataset_sha256=data.sha256, promote=params.promote, base=base, needs_base=params.is_adapter, shown=shown,
        rival=rival(ctx, params, "text-generation", judging), regression=params.regression,
    )  # fmt: skip
    hand_over(result, outcome, plan, ctx)


def _make(params: TrainCausalLm, rows: Sequence[dict[str, Any]], device: str) -> LanguageModel:
    """A model from nothing, with a tokenizer made of the rows."""
    tokenizer = made_tokenizer(rows, params.tokens, params.vocabulary)
    shape = Shape(params.architecture, params.layers, params.heads, params.width, params.max_length, params.dropout)
    model = made_model(shape, tokenizer).to(device)
    if params.save_memory:
        keep_less(model)
    return LanguageModel(model, tokenizer, params.max_length, frozenset({tokenizer.eos_token_id}))


def _adapting(params: TrainCausalLm, steps: int) -> Adapting:
    return Adapting(
        method=params.method, rank=params.rank, alpha=params.alpha, dropout=params.dropout, layers=params.top_layers,
        virtual_tokens=params.virtual_tokens, prompt=params.virtual_text, steps=steps,
    )  # fmt: skip
