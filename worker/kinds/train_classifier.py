"""Work of `train_classifier`: rows of texts and labels in, a model that gives these labels out."""

import torch

from shared.kinds.train_classifier import TrainClassifier
from worker.context import JobContext
from worker.engines.training.confusion import draw_confusion
from worker.engines.training.heads import Adapting, load_headed, save_headed
from worker.engines.training.labelled import TextLabels, labels_of, marked_texts
from worker.engines.training.loop import train
from worker.engines.training.planning import descending, planned
from worker.engines.training.result import Trained, hand_over


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
    learner = TextLabels(headed, marked_texts(headed, rows), marked_texts(headed, held or rows), descending(params))
    plan = planned(params, learner.count, ctx)
    outcome = train(learner, plan, ctx)

    picture = ctx.workdir / "confusion.png"
    draw_confusion(headed.labels, learner.report["confusion"]).save(picture)
    ctx.save_artifact(picture)
    folder = ctx.workdir / "model"
    needs_base = save_headed(headed, folder, base)
    trained = Trained(
        params.name, "text-classification", folder, data.pinned, data.sha256, params.promote, base, needs_base,
        shown={"judged_on": "validation" if held else "train", **learner.report},
    )  # fmt: skip
    hand_over(trained, outcome, plan, ctx)
