"""Work of `train_preference`: pairs of answers in, a model out that prefers the chosen ones."""

import torch

from shared.errors import JobError
from shared.kinds.train_preference import TrainPreference
from worker.context import JobContext
from worker.engines.training.adaptation import Adapted, Adapting, check_method
from worker.engines.training.lessons import check_base, load_base, padding, with_template
from worker.engines.training.loop import train
from worker.engines.training.masking import Reader
from worker.engines.training.planning import descending, planned
from worker.engines.training.preference import PreferenceLearner, pairs_of
from worker.engines.training.result import Trained, hand_over
from worker.engines.training.rivals import Watched, watched_rows
from worker.engines.training.samples import Samples, pairs


def run(params: TrainPreference, ctx: JobContext) -> None:
    """Read the pairs, load the base, train, save."""
    ctx.progress(0, None, "Loading the model")
    check_method(params.method, ctx.device)
    data = ctx.dataset(params.dataset)
    rows, held = data.rows("train"), data.rows("validation")
    torch.manual_seed(ctx.seed)
    base = check_base(ctx.model(params.base))
    lm = load_base(base, ctx.device, params.method, save_memory=params.save_memory)
    with_template(lm, rows)

    reader = Reader(lm.tokenizer, min(params.max_length, lm.window))
    (learned, dropped), (judged, _) = pairs_of(reader, rows), pairs_of(reader, held)
    if not learned:
        raise JobError("nothing_to_learn", "Every answer is cut off. Allow longer examples.", field="max_length")
    plan = planned(params, len(learned), ctx, shows=2)
    how = Adapting(params.method, params.rank, params.alpha, params.dropout, params.top_layers, steps=plan.steps)
    adapted = Adapted(lm.model, how, lm.tokenizer)
    samples = Samples(lm, adapted.model, reader, held or rows)
    before = samples.write(ctx.check_cancelled)
    learner = PreferenceLearner(
        adapted, learned, judged, descending(params), beta=params.beta, padding=padding(lm), write=samples.write,
        on_pair=lambda done: ctx.progress(0, plan.steps, f"Asking the base first: {done:,} pairs"),
    )  # fmt: skip
    watched, _ = pairs_of(reader, watched_rows(ctx, params.regression))
    watching = PreferenceLearner(adapted, [], watched, descending(params), beta=params.beta, padding=padding(lm))

    outcome = train(Watched(learner, watching.evaluate), plan, ctx)
    shown = {
        "samples": pairs(before, samples.last),
        "data": {"rows": len(rows), "held_out_rows": len(held), "rows_left_out": dropped},
    }
    folder = ctx.workdir / "model"
    adapted.save(folder, lm.tokenizer, base.pinned, params.export)
    result = Trained(
        name=params.name, task="text-generation", folder=folder, dataset=f"{data.name}@{data.number}",
        dataset_sha256=data.sha256, promote=params.promote, base=base, needs_base=params.is_adapter, shown=shown,
        regression=params.regression,
    )  # fmt: skip
    hand_over(result, outcome, plan, ctx)
