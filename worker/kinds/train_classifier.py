"""Work of `train_classifier`: rows of texts and labels in, a model that gives these labels out."""

import torch

from shared.kinds.train_classifier import TrainClassifier
from shared.library import ModelSource
from worker.context import JobContext
from worker.engines.training.confusion import draw_confusion
from worker.engines.training.heads import Adapting, load_headed, save_headed
from worker.engines.training.labelled import LabelLearner, TextLabels, labels_of, marked_texts, standing
from worker.engines.training.loop import train
from worker.engines.training.planning import descending, planned
from worker.engines.training.result import Trained, hand_over
from worker.engines.training.rivals import Watched, both, rival, watched_rows


def run(params: TrainClassifier, ctx: JobContext) -> None:
    """Read, put a head on the base, train, save."""
    data, base = ctx.dataset(params.dataset), ctx.model(params.base)
    rows, held = data.rows("train"), data.rows("validation")
    ctx.progress(0, None, "Loading the base")
    torch.manual_seed(ctx.seed)
    adapting = Adapting(params.method, params.rank, params.alpha, top_layers=params.top_layers)
    headed = load_headed(
        base, "text-classification", labels_of([*rows, *held]), adapting, params.max_length, ctx.device
    )
    watched = watched_rows(ctx, params.regression)
    judge, watching = (TextLabels(headed, marked_texts(headed, some)) for some in (held or rows, watched))
    learner = LabelLearner(judge, marked_texts(headed, rows), descending(params))
    plan = planned(params, learner.count, ctx)
    outcome = train(Watched(learner, watching.evaluate), plan, ctx)

    picture = ctx.workdir / "confusion.png"
    draw_confusion(headed.labels, judge.report["confusion"]).save(picture)
    ctx.save_artifact(picture)

    def judged(source: ModelSource) -> dict[str, float] | None:
        stands = standing(source, headed, ctx)
        if stands is None:
            return None
        one, other = (TextLabels(stands, marked_texts(stands, some)) for some in (held or rows, watched))
        return both(one.evaluate, other.evaluate, ctx.check_cancelled)

    folder = ctx.workdir / "model"
    needs_base = save_headed(headed, folder, base)
    trained = Trained(
        params.name, "text-classification", folder, data.pinned, data.sha256, params.promote, base, needs_base,
        rival=rival(ctx, params, "text-classification", judged), regression=params.regression,
        shown={"judged_on": "validation" if held else "train", **judge.report},
    )  # fmt: skip
    hand_over(trained, outcome, plan, ctx)
