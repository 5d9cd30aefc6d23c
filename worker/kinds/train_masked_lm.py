"""Work of `train_masked_lm`: texts in, a model out that has read them."""

import torch

from shared.errors import JobError
from shared.kinds.train_masked_lm import TrainMaskedLm
from shared.library import ModelSource
from worker.context import JobContext
from worker.engines.training.adaptation import set_dropout
from worker.engines.training.loop import train
from worker.engines.training.masked import MaskedLearner, Reading, chunks, load_reading, make_reading, save_reading
from worker.engines.training.planning import descending, planned
from worker.engines.training.result import Trained, hand_over
from worker.engines.training.rivals import Watched, both, rival, watched_rows


def run(params: TrainMaskedLm, ctx: JobContext) -> None:
    """Read the texts, load or make the model, train, save."""
    ctx.progress(0, None, "Loading the model")
    data = ctx.dataset(params.dataset)
    rows, held_rows = data.rows("train"), data.rows("validation")
    torch.manual_seed(ctx.seed)
    base = _check(ctx.model(params.base)) if params.base else None
    read = (
        load_reading(base, ctx.device)
        if base
        else make_reading(
            rows, params.vocabulary, params.layers, params.heads, params.width, params.max_length, ctx.device
        )
    )
    set_dropout(read.model, params.dropout)

    longest = min(params.max_length, read.window)
    learned, held = chunks(read.tokenizer, rows, longest), chunks(read.tokenizer, held_rows, longest)
    plan = planned(params, len(learned), ctx, shows=3)
    watched = chunks(read.tokenizer, watched_rows(ctx, params.regression), longest)

    def learning(read: Reading, learned: list[list[int]], held: list[list[int]]) -> MaskedLearner:
        return MaskedLearner(read, learned, held, descending(params), seed=ctx.seed, share=params.share)

    def judging(source: ModelSource) -> dict[str, float] | None:
        stands = load_reading(source, ctx.device)
        if stands.tokenizer.get_vocab() != read.tokenizer.get_vocab():
            return None  # other pieces of words are easier or harder to guess
        return both(learning(stands, [], held).evaluate, learning(stands, [], watched).evaluate, ctx.check_cancelled)

    learner = learning(read, learned, held)
    before = learner.filled()
    outcome = train(Watched(learner, learning(read, [], watched).evaluate), plan, ctx)
    shown = {
        "samples": [
            {"prompt": one["hidden"], "expected": one["true"], "before": one["filled"], "after": other["filled"]}
            for one, other in zip(before, learner.filled(), strict=True)
        ],
        "data": {
            "rows": len(rows),
            "held_out_rows": len(held_rows),
            "pieces": len(learned),
            "longest_example": longest,
        },
        "fresh_head": read.fresh_head,
    }
    folder = ctx.workdir / "model"
    save_reading(read, folder, base)
    result = Trained(
        name=params.name, task="feature-extraction", folder=folder, dataset=f"{data.name}@{data.number}",
        dataset_sha256=data.sha256, promote=params.promote, base=base, shown=shown,
        rival=rival(ctx, params, "feature-extraction", judging), regression=params.regression,
    )  # fmt: skip
    hand_over(result, outcome, plan, ctx)


def _check(source: ModelSource) -> ModelSource:
    if source.task != "feature-extraction" or source.base:
        sentence = f"The model “{source.name}” is for {source.task}; this trains models that read, for vectors."
        raise JobError("wrong_task", sentence, field="base")
    return source
